"""A table of one's own: its values, and that neither workers nor interruptions change them."""

import dataclasses
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from strategy_parts import SPACE, Said

from trueshot.cli.names import find
from trueshot.core.errors import ArchitectureError, ConfigError, TrainingError
from trueshot.core.executor import InProcess, Local
from trueshot.core.files import read_json
from trueshot.core.observe import SILENT
from trueshot.core.random import Streams
from trueshot.core.run import RunDirectory
from trueshot.evaluation import StandAlone, Trial
from trueshot.sampling import Uniform
from trueshot.spaces import Chain, NasBench201
from trueshot.strategies.setup import Context, load_dataset
from trueshot.strategies.truth.build import Training, TruthBuild, choose_architectures, share_decoders, train_one
from trueshot.strategies.truth.config import TruthConfig
from trueshot.training.config import Recipe
from trueshot.training.data.options import DataOptions

DATA_OPTIONS = {"max_images": 200, "max_test_images": 60}
RECIPE = {"epochs": 4, "batch_size": 16, "lr": 0.2, "ema_decay": 0.9}
STEPS = 4 * (160 // 16)
DATA = load_dataset("digits", DataOptions(**DATA_OPTIONS))
ARCHS = [SPACE.format(row) for row in choose_architectures(Uniform(SPACE), SPACE, 3, Streams(0))]
JOBS = [Training(arch, seed) for seed in (0, 1) for arch in ARCHS]


def make(path, **over):
    values = {"data": DATA_OPTIONS, "retraining": {"recipe": RECIPE}, **over}
    config = TruthConfig.make(values, find)
    context = Context(space=SPACE, dataset=DATA, run=RunDirectory(path), device=torch.device("cpu"), data=config.data)
    return TruthBuild(config=config, context=context)


def changed(build, **context):
    """Return a build with other parts in its context."""
    return dataclasses.replace(build, context=build.context.replace(**context))


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    setup = make(tmp_path_factory.mktemp("serial"))
    return setup, table_of(setup, JOBS)


def built(build, trainings, executor=None, observer=SILENT):
    build = build if executor is None else changed(build, executor=executor)
    return build.build(trainings, observer=observer)


def table_of(*arguments, **options):
    """Return the table of a build without failures."""
    result = built(*arguments, **options)
    assert result.failures == []
    return result.table


def without_seconds(frame):
    return frame.drop(columns="seconds")


def test_the_table_holds_every_training(serial):
    setup, table = serial
    assert table.architectures == tuple(ARCHS)
    assert table.columns == ("digits_valid_4", "digits_test_4", "digits_train_4")
    assert all(table.seeds(name) == (0, 1) for name in table.columns)
    # 40 validation and 60 test images: every accuracy is a whole number of them, in percent.
    for name, images in (("digits_valid_4", 40), ("digits_test_4", 60)):
        counts = table.column(name, seed=0) * images / 100
        np.testing.assert_allclose(counts, counts.round(), atol=1e-9)
        assert 0.15 * images < counts.max() <= images  # better than chance, or equal tables would say little
    assert not np.array_equal(table.column("digits_train_4", seed=0), table.column("digits_train_4", seed=1))
    trainings = pd.read_parquet(setup.context.run.path / "trainings.parquet")
    assert list(zip(trainings["arch"], trainings["seed"], strict=True)) == [(job.arch, job.seed) for job in JOBS]
    costs = SPACE.cost(np.stack([SPACE.parse(job.arch) for job in JOBS]))
    assert trainings["params"].tolist() == costs.params.tolist()
    assert trainings["madds"].tolist() == costs.madds.tolist()
    assert (trainings["steps"] == STEPS).all()
    assert (trainings[["seconds", "valid_loss", "test_loss", "train_loss"]] > 0).all(axis=None)
    assert not list((setup.context.run.path / "checkpoints").glob("*"))


def test_it_is_what_the_stand_alone_evaluator_says(serial):
    setup, table = serial
    recipe = setup.config.retraining.recipe
    for seed in (0, 1):
        trial = Trial(setup.batches(seed), setup.measured["valid"], recipe, Streams(seed), data="digits")
        rows = np.stack([SPACE.parse(arch) for arch in ARCHS])
        assert table.column("digits_valid_4", seed).tolist() == (100.0 * StandAlone(SPACE, trial)(rows)).tolist()


def test_workers_change_nothing(serial, tmp_path):
    told = Said()
    setup = make(tmp_path)
    table = table_of(setup, JOBS, executor=Local(2, method="fork"), observer=told)
    assert table.measurements() == serial[1].measurements()
    pd.testing.assert_frame_equal(
        without_seconds(pd.read_parquet(tmp_path / "trainings.parquet")),
        without_seconds(pd.read_parquet(serial[0].context.run.path / "trainings.parquet")),
    )
    assert told.events[0] == ("begin", "truth", 6 * STEPS, 0)
    assert told.events[-1] == ("end", "truth")
    assert ("advance", "truth", 6 * STEPS) in told.events


def test_workers_that_are_started_afresh(serial, tmp_path):
    table = table_of(make(tmp_path), JOBS[:2], executor=Local(2, method="spawn"))
    assert table.measurements() == [m for m in serial[1].measurements() if Training(m.architecture, m.seed) in JOBS[:2]]


def test_large_images_are_decoded_by_a_share_of_the_processes(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(24):
        path = tmp_path / "images" / ("dark", "light")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 128, (72, 72), dtype=np.uint8) + 127 * (number % 2)).save(path)
    whole = load_dataset(str(tmp_path / "images"), DataOptions(workers=4, image_size=72))
    counts = [whole.train.images.workers, whole.validation.images.workers, whole.held_back.encoded.workers]
    assert counts == [4, 4, 4]
    assert share_decoders(whole, 3).train.images.workers == 2
    dataset = share_decoders(whole, 8)
    counts = [dataset.train.images.workers, dataset.validation.images.workers, dataset.held_back.encoded.workers]
    assert counts == [1, 1, 1]
    assert share_decoders(DATA, 2).train is DATA.train
    space = dataclasses.replace(SPACE, image_size=72, classes=2)
    jobs = [Training(arch, 0) for arch in ARCHS[:2]]
    values = {"retraining": {"recipe": {**RECIPE, "epochs": 1}, "augmentation": {"resized_crop": (0.5, 1.0)}}}
    tables = []
    for executor in (InProcess(), Local(2, method="fork")):
        setup = changed(make(tmp_path / f"{executor.workers}", **values), space=space, dataset=dataset)
        tables.append(table_of(setup, jobs, executor=executor))
    assert tables[0].measurements() == tables[1].measurements()


class Stopped(Exception):
    """Stands for a kill."""


def test_an_interrupted_training_goes_on_at_its_checkpoint(serial, tmp_path):
    setup = make(tmp_path, save_every=0)

    def stop(done):
        if done == STEPS - 3:
            raise Stopped

    with pytest.raises(Stopped):
        train_one(setup, JOBS[0], stop)
    (checkpoint,) = (tmp_path / "checkpoints").glob("*.ckpt")
    assert not setup.record(JOBS[0]).exists()
    steps = []
    content = train_one(setup, JOBS[0], steps.append)
    assert steps == list(range(STEPS - 4, STEPS + 1))
    whole = read_json(serial[0].record(JOBS[0]))
    for key in content.keys() - {"seconds"}:
        assert content[key] == whole[key]
    # A kill before the record is written finds the trained weights again.
    assert checkpoint.exists()
    assert train_one(setup, JOBS[0], steps.append).keys() == content.keys()
    assert steps[-1] == STEPS
    setup.keep(JOBS[0], content)
    assert read_json(setup.record(JOBS[0]))["test"] == whole["test"]
    assert not checkpoint.exists()


def test_finished_trainings_are_not_repeated(serial, tmp_path):
    setup = make(tmp_path)
    table_of(setup, JOBS[:2])
    times = {job: setup.record(job).stat().st_mtime_ns for job in JOBS[:2]}
    told = Said()
    table = table_of(setup, JOBS, observer=told)
    assert {job: setup.record(job).stat().st_mtime_ns for job in JOBS[:2]} == times
    assert told.events[0] == ("begin", "truth", 6 * STEPS, 2 * STEPS)
    assert table.measurements() == serial[1].measurements()


def test_other_settings_are_other_trainings(serial, tmp_path):
    base = serial[0]
    recipe = {**RECIPE, "lr": 0.05}
    others = [
        make(tmp_path, retraining={"recipe": recipe}),
        make(tmp_path, threads=2),
        make(tmp_path, data={**DATA_OPTIONS, "split_seed": 1}),
        changed(base, space=dataclasses.replace(SPACE, head_width=16)),
    ]
    assert len({setup.settings for setup in (base, *others)}) == 5
    assert make(tmp_path, save_every=1.0, seed=4).settings == base.settings
    assert make(tmp_path, data={**DATA_OPTIONS, "workers": 1, "max_bad_images": 3}).settings == base.settings


@pytest.mark.parametrize("executor", [InProcess(), Local(2, method="fork")], ids=["in process", "local"])
def test_a_training_that_diverges_is_named_and_harms_no_other(serial, tmp_path, executor):
    broken = make(tmp_path, retraining={"recipe": {**RECIPE, "lr": 1e30}})
    result = built(broken, JOBS[:2], executor)
    assert result.table is None
    assert [type(failure.error) for failure in result.failures] == [TrainingError, TrainingError]
    for failure, job in zip(result.failures, JOBS, strict=False):
        assert re.search(rf"architecture '{job.arch}', seed 0: .*lower the learning rate", str(failure.error))
    # One that cannot even be made: the table of the others is there.
    other = make(tmp_path / "other")
    result = built(other, [Training("no architecture", 0), *JOBS[:2]], executor)
    assert [(failure.index, type(failure.error)) for failure in result.failures] == [(0, ArchitectureError)]
    assert result.table.measurements() == [
        m for m in serial[1].measurements() if Training(m.architecture, m.seed) in JOBS[:2]
    ]


def test_a_checkpoint_of_a_training_that_is_recorded_is_removed(serial):
    setup, table = serial
    left = setup.context.run.checkpoint(setup.record(JOBS[0]).stem)
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"left by a kill")
    assert table_of(setup, JOBS).measurements() == table.measurements()
    assert not left.exists()


def test_the_forecast_counts_rounds(serial):
    threads = torch.get_num_threads()
    assert serial[0].forecast_seconds([]) == 0.0
    assert 0 < changed(serial[0], executor=Local(6)).forecast_seconds(JOBS) < 60
    assert torch.get_num_threads() == threads


def test_the_choice_of_architectures():
    sampler = Uniform(SPACE)
    ten = choose_architectures(sampler, SPACE, 10, Streams(0))
    assert len(np.unique(ten, axis=0)) == 10
    assert np.array_equal(choose_architectures(sampler, SPACE, 4, Streams(0)), ten[:4])
    assert not np.array_equal(choose_architectures(sampler, SPACE, 10, Streams(1)), ten)
    small = Chain(layers=((8, 2),), kernels=(3, 5), expansions=(2,), image_size=16, classes=3)
    assert len(choose_architectures(Uniform(small), small, 2, Streams(0))) == 2
    with pytest.raises(ConfigError, match="has only 2 architectures"):
        choose_architectures(Uniform(small), small, 3, Streams(0))

    class Stubborn:
        per_step = 1

        def sample(self, n, rng):
            return np.zeros((n, 1), dtype=np.uint8)

    with pytest.raises(ConfigError, match="gives only 1 different architectures"):
        choose_architectures(Stubborn(), small, 2, Streams(0))


def test_networks_are_those_of_the_benchmark_not_of_the_supernet():
    assert NasBench201(affine=False, skip="linear_transformer").final() == NasBench201()
    assert SPACE.final() is SPACE


def test_fewer_epochs_have_a_shorter_warm_up():
    recipe = Recipe(epochs=50, lr=0.1, warmup_epochs=2.0).with_epochs(4)
    assert (recipe.epochs, recipe.warmup_epochs) == (4, 1.0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"retraining": {"recipe": RECIPE, "repeats": 2}}, "retraining.repeats: there is no such value"),
        ({"supernet": {}}, "supernet: there is no such value"),
        ({"sampler": {"kind": "uniform", "per_steps": 2}}, "sampler.per_steps: there is no such value"),
        ({"threads": 0}, "threads: "),
    ],
)
def test_bad_configurations_are_one_line(values, message):
    with pytest.raises(ConfigError, match=message) as caught:
        TruthConfig.make({"retraining": {"recipe": RECIPE}, **values}, find)
    assert "\n" not in str(caught.value)
