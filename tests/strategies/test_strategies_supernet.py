"""The shared weights of a run: their sampler, snapshots, ways of scoring, and weights borrowed from another run."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from strategy_parts import SPACE, Said, kept_run, make_config, make_search, shared_weights

sys.path.append(str(Path(__file__).parents[1] / "spaces"))

from loose_ends import LooseEnds

from trueshot.core.errors import BudgetError, CheckpointError, ConfigError, RunError
from trueshot.core.run import RunDirectory
from trueshot.evaluation.config import EvaluationConfig
from trueshot.sampling import (
    Deisomorphic,
    LazyDeisomorphic,
    LiveConvolution,
    Matched,
    StrictlyFair,
    Uniform,
    describe_sampler,
)
from trueshot.sampling.config import MOST_DROPPED
from trueshot.sharing import Attention, Bias, SharedBias, Split, Supernet, single_path
from trueshot.sharing.splitting import split
from trueshot.spaces import Chain, NasBench201
from trueshot.spaces.description import describe
from trueshot.strategies.supernet import (
    borrowed_snapshots,
    check_start,
    head_of_classes,
    load_weights,
    snapshot_files,
)
from trueshot.strategies.trained import TrainedSupernet
from trueshot.training.snapshots import load_snapshot, save_snapshot

CHAIN = Chain(layers=((8, 1), (8, 1)), image_size=8, in_channels=1)
CELLS = NasBench201(image_size=8, in_channels=1)


def sampler(tmp_path, space=SPACE, most=None, **values):
    budget = {} if most is None else {"budget": {"max_madds": most}}
    return shared_weights(make_search(tmp_path, space=space, supernet={"sampler": values}, **budget)).sampler()


def test_samplers_are_those_asked_for(tmp_path):
    assert isinstance(sampler(tmp_path, kind="auto"), Matched)
    assert isinstance(sampler(tmp_path, CHAIN, kind="auto"), Uniform)
    assert isinstance(sampler(tmp_path, kind="uniform"), Uniform)
    assert isinstance(sampler(tmp_path, kind="fair"), StrictlyFair)
    assert sampler(tmp_path, most=1, kind="auto").p_drop == MOST_DROPPED
    assert sampler(tmp_path, kind="auto").p_drop == 0
    middle = round(sampler(tmp_path, kind="matched").expected_madds * 0.8)
    assert sampler(tmp_path, kind="matched", target_madds=middle).expected_madds == pytest.approx(middle)
    assert describe_sampler(sampler(tmp_path, kind="auto")).startswith(
        "with each branch left out with probability 0.000"
    )
    assert describe_sampler(sampler(tmp_path, CHAIN, kind="auto")) == "uniform"


def test_samplers_of_cells(tmp_path):
    lazy = sampler(tmp_path, CELLS, kind="lazy-deisomorphic")
    assert isinstance(lazy, LazyDeisomorphic)
    assert isinstance(sampler(tmp_path, CELLS, kind="deisomorphic"), Deisomorphic)
    live = sampler(tmp_path, CELLS, kind="fair", require_live_conv=True)
    assert live == LiveConvolution(CELLS, StrictlyFair(CELLS))
    table = {"rule": "nb201", "member": "random", "require_live_conv": True, "per_step": 2}
    drawn = sampler(tmp_path, CELLS, kind="deisomorphic", **table)
    assert drawn == Deisomorphic(CELLS, "nb201", "random", True, 2)
    assert describe_sampler(drawn) == "de-isomorphic over 6321 classes"
    live = sampler(tmp_path, CELLS, kind="lazy-deisomorphic", rule="nb201", require_live_conv=True, per_step=4)
    assert (live.per_step, live.sampler.per_step, live.rule) == (4, 1, "nb201")
    assert describe_sampler(live) == "de-isomorphic by rejection from uniform, with a live convolution"


def test_samplers_that_cannot_be_had_are_said(tmp_path):
    with pytest.raises(ConfigError, match="no edge that can be dropped"):
        sampler(tmp_path, CHAIN, kind="matched")
    with pytest.raises(BudgetError, match="choose a target between"):
        sampler(tmp_path, kind="matched", target_madds=1)


@pytest.mark.parametrize(
    ("values", "sharing"),
    [
        ({"kind": "plain"}, single_path),
        ({"kind": "bias", "depth": 3}, Bias(depth=3)),
        ({"kind": "shared-bias", "priors": ((), (0,))}, SharedBias(priors=((), (0,)))),
        ({"kind": "attention", "layers": 2, "own": False}, Attention(layers=2, own=False)),
        ({"kind": "split", "epoch": 5, "lazy": True}, Split(lazy=True)),
    ],
)
def test_every_kind_of_sharing(tmp_path, values, sharing):
    search = make_search(tmp_path, supernet={"recipe": {"epochs": 100}, "sharing": values})
    assert search.config.strategy.config.supernet.sharing.build(search.context) == sharing


def test_the_split_comes_after_so_many_epochs(tmp_path):
    over = {"recipe": {"epochs": 100}, "sharing": {"kind": "split", "epoch": 50}, "averaging": "containing"}
    options = shared_weights(make_search(tmp_path, supernet=over)).options(7)
    assert (options.split_at, options.averaging) == (350, "containing")
    assert shared_weights(make_search(tmp_path)).options(7).split_at is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "split", "epoch": 100}, "sharing.epoch 100 splits the weights after the end of 100 epochs"),
        ({"kind": "split"}, "supernet.sharing.epoch: is missing: give a value"),
        ({"kind": "bias", "epoch": 3}, "supernet.sharing.epoch: there is no such value"),
        ({"kind": "bias", "depth": 0}, "supernet.sharing.depth: 0 is too small: give at least 1"),
        ({"kind": "mixture"}, "supernet.sharing: unknown sharing 'mixture': choose one of attention, bias, plain"),
    ],
)
def test_bad_sharing_is_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        make_config(supernet={"recipe": {"epochs": 100}, "sharing": values})


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def made(path, **over):
    search = make_search(path, **over)
    weights = shared_weights(search)
    supernet, batches = weights.make(), weights.batches()
    weights.train(supernet, batches)
    trained = {name: value.clone() for name, value in supernet.state_dict().items()}
    return search, trained, weights.sample(supernet, batches)


def test_snapshots_start_at_the_trained_weights_an_epoch_apart(tmp_path):
    search, trained, files = made(tmp_path)
    states = [load_snapshot(file) for file in files]
    assert len(states) == 3
    assert equal(states[0], trained)
    assert not equal(states[1], states[0])
    assert not equal(states[2], states[1])
    sampling = [event for event in search.context.observer.events if event[1] == "weight sampling"]
    assert sampling[0] == ("begin", "weight sampling", 4, 0)
    # BatchNorm's statistics are no parameters and get no noise, but go on with the images.
    assert all(torch.isfinite(value).all() for value in states[2].values())


def test_temperature_zero_is_plain_descent_and_one_is_noise(tmp_path):
    def distance(name, **sampling):
        _, trained, files = made(tmp_path / name, weight_sampling={"samples": 2, "lr": 1e-3, **sampling})
        state = load_snapshot(files[1])
        names = [n for n in state if n.endswith("weight")]
        return sum(float((state[n] - trained[n]).square().sum()) for n in names) ** 0.5

    cold, default, hot = distance("a", temperature=0.0), distance("b"), distance("c", temperature=1.0)
    assert cold < default < hot
    assert hot > 5 * default


def test_one_sample_samples_nothing(tmp_path):
    search, trained, files = made(tmp_path, weight_sampling={"samples": 1})
    assert [file.name for file in files] == ["snapshot-00.ckpt"]
    assert equal(load_snapshot(files[0]), trained)
    assert not search.context.run.checkpoint("sgld").exists()


def test_any_lost_snapshot_comes_back_as_it_was(tmp_path):
    _, _, files = made(tmp_path)
    contents = [file.read_bytes() for file in files]
    for lost in ([0], [1], [2], [0, 2]):
        for index in lost:
            files[index].unlink()
        made(tmp_path)
        assert [file.read_bytes() for file in files] == contents


def test_all_snapshots_of_a_long_sampling_are_found_in_order(tmp_path):
    files = snapshot_files(RunDirectory(tmp_path), 120)
    assert [file.name for file in files][99:101] == ["snapshot-99.ckpt", "snapshot-100.ckpt"]


def trained_supernet(path, **over):
    search, _, files = made(path, **over)
    weights = shared_weights(search)
    checkpoints = (files[1], files[2]) if len(files) > 2 else ()
    config = search.config.strategy.config.evaluation
    return TrainedSupernet(
        weights=weights, supernet=weights.make(), snapshots=files, config=config, checkpoints=checkpoints
    )


def test_every_way_of_scoring_works_and_is_another(tmp_path):
    trained = trained_supernet(tmp_path, evaluation={"fine_tune_steps": 2})
    archs = SPACE.sample(3, 0)
    digests = set()
    for way in ("single", "parameter", "score", "median", "fine-tuned"):
        evaluator = trained.evaluator(way)
        scores = evaluator(archs)
        assert scores.tolist() == evaluator(archs[::-1])[::-1].tolist()
        assert trained.describe(way).endswith("validation accuracy")
        digests.add(evaluator.digest)
    assert len(digests) == 5
    assert trained.evaluator().digest == trained.evaluator("parameter").digest
    losses = trained.evaluator("single", "loss")(archs)
    assert (losses < 0).all()
    assert losses.tolist() != trained.evaluator("single", "accuracy")(archs).tolist()


def test_ways_that_need_more_weights_than_there_are_say_what_to_do(tmp_path):
    trained = trained_supernet(tmp_path, weight_sampling={"samples": 1})
    assert trained.resolve("auto") == "single"
    for way in ("parameter", "score"):
        with pytest.raises(ConfigError, match=r"there is one: add --set weight_sampling\.samples=5"):
            trained.evaluator(way)
    with pytest.raises(ConfigError, match="needs the weights of several epochs: train for more than one"):
        trained.evaluator("median")


def test_recalibration_fits_the_images_there_are():
    large = EvaluationConfig().recalibration.replace(batches=2, batch_size=512)
    assert large.limited_to(160) == large.replace(batch_size=160)
    assert large.limited_to(512) is large
    running = large.replace(mode="running")
    assert running.limited_to(10) is running


def test_weights_are_borrowed_by_a_run_of_the_same_data_and_space(tmp_path):
    search, _, files = made(tmp_path / "one")
    source = kept_run(tmp_path / "source", search)
    with pytest.raises(RunError, match="has 0 of 3 snapshots: finish that run with --resume first"):
        borrowed_snapshots(search.context, source)
    (tmp_path / "one" / "checkpoints").rename(tmp_path / "source" / "checkpoints")

    def borrowed(**over):
        return borrowed_snapshots(make_search(tmp_path / "other", **over).context, source)

    assert [file.name for file in borrowed(seed=9, weight_sampling={"samples": 1})] == [file.name for file in files]
    for over in ({"data": {"max_images": 201}}, {"data": {"split_seed": 1}}, {"data": {"validation_fraction": 0.3}}):
        with pytest.raises(RunError, match="another space, other data or another split"):
            borrowed(**over)
    assert len(borrowed(data={"workers": 1, "max_bad_images": 3})) == 3


@pytest.mark.parametrize("sharing", [single_path, Bias(), SharedBias(), Attention(), Split()])
def test_the_head_is_what_depends_on_the_number_of_classes(sharing):
    before = torch.get_rng_state()
    names = head_of_classes(SPACE, sharing)
    assert torch.equal(torch.get_rng_state(), before)
    state = Supernet(SPACE, sharing).state_dict()
    assert len(names) == 2
    assert sorted(tuple(state[name].shape) for name in names) == [(10,), (10, SPACE.head_width)]


def test_weights_of_other_images_are_kept_but_for_the_head_and_trained_on(tmp_path):
    search, _, files = made(tmp_path / "one")
    start = kept_run(tmp_path / "source", search, space=describe(SPACE), source="other")
    with pytest.raises(RunError, match="has 0 of 3 snapshots: finish that run with --resume first"):
        check_start(search.context, start)
    (tmp_path / "one" / "checkpoints").rename(tmp_path / "source" / "checkpoints")
    three = dataclasses.replace(SPACE, classes=3)
    check_start(search.context.replace(space=three), start)

    def transferred(path, observer=None):
        context = make_search(path, observer, save_every=0).context.replace(start=start)
        return dataclasses.replace(shared_weights(search), context=context)

    there = load_snapshot(tmp_path / "source" / "checkpoints" / files[0].name)
    weights = transferred(tmp_path / "two")
    supernet, fresh = weights.make(), shared_weights(search).make().state_dict()
    head = head_of_classes(SPACE, single_path)
    for name, value in supernet.state_dict().items():
        assert torch.equal(value, (fresh if name in head else there)[name]), name
    assert not any(torch.equal(fresh[name], there[name]) for name in head)
    weights.train(supernet, weights.batches())
    moved = supernet.state_dict()
    assert not torch.equal(moved[min(head)], fresh[min(head)])

    class Killed(Said):
        def advance(self, phase, done):
            if done == 1:
                raise KeyboardInterrupt

    killed = transferred(tmp_path / "three", Killed())
    with pytest.raises(KeyboardInterrupt):
        killed.train(killed.make(), killed.batches())
    again = transferred(tmp_path / "three")
    supernet = again.make()
    again.train(supernet, again.batches())
    assert all(torch.equal(value, moved[name]) for name, value in supernet.state_dict().items())


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (
            dataclasses.replace(SPACE, image_size=12),
            "takes images of 8 pixels and 1 channels, and these have 12 pixels",
        ),
        (dataclasses.replace(SPACE, in_channels=3), "takes images of 8 pixels and 1 channels, and these have 8 pixels"),
        (dataclasses.replace(SPACE, widths=(4, 8)), "was trained for another space: leave --space"),
        (CHAIN, "was trained for another space: leave --space"),
    ],
)
def test_weights_of_another_space_or_input_are_refused(tmp_path, space, message):
    search = make_search(tmp_path / "one")
    start = kept_run(tmp_path / "source", search, space=describe(SPACE))
    with pytest.raises(RunError, match=message):
        check_start(search.context.replace(space=space), start)


def test_fine_tuning_is_a_share_of_a_training_from_scratch_or_what_is_asked_for():
    supernet = make_config(supernet={"recipe": {"epochs": 10, "lr": 0.4, "warmup_epochs": 4}}).strategy.config.supernet
    recipe = supernet.transferred().recipe
    assert (recipe.epochs, recipe.lr, recipe.warmup_epochs, recipe.final_lr) == (2, 0.1, 0.5, 0.001)
    recipe = supernet.replace(transfer={"epochs": 3, "lr": 0.0005}).transferred().recipe
    assert (recipe.epochs, recipe.lr, recipe.final_lr) == (3, 0.0005, 0.0005)


def test_borrowed_weights_split_the_supernet(tmp_path):
    space = Chain(image_size=8, classes=2, layers=((4, 1), (4, 1)), stem_width=4, fixed_width=4, head_width=4)
    source = Supernet(space, Split())
    split(source)
    save_snapshot(tmp_path / "snapshot", source.state_dict())
    supernet = Supernet(space, Split())
    load_weights(supernet, tmp_path / "snapshot")
    assert supernet.state_dict().keys() == source.state_dict().keys()
    arch = np.array([2, 3], dtype=np.uint8)
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(supernet.eval()(x, arch), source.eval()(x, arch))
    with pytest.raises(CheckpointError, match=r"give the same supernet\.sharing"):
        load_weights(Supernet(space, single_path), tmp_path / "snapshot")


def test_the_split_of_the_data_does_not_depend_on_the_seed_of_the_run(tmp_path):
    one, other = (make_search(tmp_path, seed=seed).context for seed in (0, 1))
    assert torch.equal(one.dataset.train.images, other.dataset.train.images)
    assert torch.equal(one.dataset.validation.labels, other.dataset.validation.labels)
    moved = make_search(tmp_path, data={"split_seed": 1}).context
    assert not torch.equal(one.dataset.train.images, moved.dataset.train.images)
    assert isinstance(one.observer, Said)


def test_supernets_and_networks_of_a_space_that_breaks_channels_last_train_in_the_contiguous_format(tmp_path):
    """The space beyond products has strided 1x1 convolutions, of 4 channels by default."""
    for width, expected in ((4, torch.contiguous_format), (8, torch.channels_last)):
        space = LooseEnds(width=width, classes=10, in_channels=1)
        search = make_search(tmp_path, space=space)
        row = space.sample(1, np.random.default_rng(0))[0]
        alone = search.context.stand_alone("accuracy").evaluator._scoring.evaluator
        for network in (shared_weights(search).make(), alone._network(row, search.context.streams)):
            kernels = [p for p in network.parameters() if p.ndim == 4 and min(p.shape[1:]) > 1]
            assert all(p.is_contiguous(memory_format=expected) for p in kernels)
