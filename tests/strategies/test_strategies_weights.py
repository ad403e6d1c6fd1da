"""The shared weights of a run: samplers, snapshots, and weights borrowed from another run."""

import pytest
import torch
from strategy_parts import SPACE, Said, make_setup

from trueshot.core.errors import BudgetError, ConfigError, RunError
from trueshot.core.run import RunDirectory
from trueshot.sampling import Matched, StrictlyFair, Uniform
from trueshot.spaces import Chain
from trueshot.strategies.config import BudgetConfig, SamplerConfig, WeightSamplingConfig
from trueshot.strategies.weights import (
    MOST_DROPPED,
    borrowed_snapshots,
    describe_sampler,
    make_sampler,
    make_supernet,
    sample_weights,
    snapshot_files,
    supernet_batches,
    train_supernet,
)
from trueshot.training.sgld import load_snapshot

CHAIN = Chain(layers=((8, 1), (8, 1)), image_size=8)


def sampler(space=SPACE, budget=None, **values):
    return make_sampler(space, SamplerConfig(**values), BudgetConfig(max_madds=budget))


def test_samplers_are_those_asked_for():
    assert isinstance(sampler(), Matched)
    assert isinstance(sampler(CHAIN), Uniform)
    assert isinstance(sampler(kind="uniform"), Uniform)
    assert isinstance(sampler(kind="fair"), StrictlyFair)
    assert sampler(budget=1).p_drop == MOST_DROPPED
    assert sampler().p_drop == 0
    middle = round(sampler(kind="matched", budget=None).expected_madds * 0.8)
    assert sampler(target_madds=middle).expected_madds == pytest.approx(middle)
    assert "p_drop" in describe_sampler(sampler())
    assert describe_sampler(sampler(CHAIN)) == "uniform"


def test_samplers_that_cannot_be_had_are_said():
    with pytest.raises(ConfigError, match="no edge that can be dropped"):
        sampler(CHAIN, kind="matched")
    with pytest.raises(BudgetError, match="choose a target between"):
        sampler(kind="matched", target_madds=1)


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def made(path, **over):
    setup = make_setup(path, **over)
    supernet, batches = make_supernet(setup), supernet_batches(setup)
    train_supernet(setup, supernet, batches)
    trained = {name: value.clone() for name, value in supernet.state_dict().items()}
    return setup, trained, sample_weights(setup, supernet, batches)


def test_snapshots_start_at_the_trained_weights_an_epoch_apart(tmp_path):
    setup, trained, files = made(tmp_path)
    states = [load_snapshot(file) for file in files]
    assert len(states) == 3
    assert equal(states[0], trained)
    assert not equal(states[1], states[0])
    assert not equal(states[2], states[1])
    sampling = [event for event in setup.observer.events if event[1] == "weight sampling"]
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
    setup, trained, files = made(tmp_path, weight_sampling={"samples": 1})
    assert [file.name for file in files] == ["snapshot-00.ckpt"]
    assert equal(load_snapshot(files[0]), trained)
    assert not setup.run.checkpoint("sgld").exists()


def test_any_lost_snapshot_comes_back_as_it_was(tmp_path):
    _, _, files = made(tmp_path)
    contents = [file.read_bytes() for file in files]
    for lost in ([0], [1], [2], [0, 2]):
        for index in lost:
            files[index].unlink()
        made(tmp_path)
        assert [file.read_bytes() for file in files] == contents


def test_all_snapshots_of_a_long_sampling_are_found_in_order(tmp_path):
    files = snapshot_files(RunDirectory(tmp_path), WeightSamplingConfig(samples=120))
    assert [file.name for file in files][99:101] == ["snapshot-99.ckpt", "snapshot-100.ckpt"]


def test_weights_are_borrowed_by_a_run_of_the_same_data_and_space(tmp_path):
    setup, _, files = made(tmp_path / "one")
    source = RunDirectory.open(
        tmp_path / "source",
        {"identity": setup.identity(), "search": setup.config.model_dump(mode="json")},
        resume=False,
    )
    with pytest.raises(RunError, match="has 0 of 3 snapshots: finish that run with --resume first"):
        borrowed_snapshots(setup, source)
    (tmp_path / "one" / "checkpoints").rename(tmp_path / "source" / "checkpoints")
    found = borrowed_snapshots(make_setup(tmp_path / "other", seed=9, weight_sampling={"samples": 1}), source)
    assert [file.name for file in found] == [file.name for file in files]
    for over in ({"data": {"max_images": 201}}, {"data": {"split_seed": 1}}, {"data": {"validation_fraction": 0.3}}):
        with pytest.raises(RunError, match="another space, other data or another split"):
            borrowed_snapshots(make_setup(tmp_path / "other", **over), source)
    more = {"data": {"workers": 1, "max_bad_images": 3}}
    assert len(borrowed_snapshots(make_setup(tmp_path / "other", **more), source)) == 3


def test_the_split_does_not_depend_on_the_seed_of_the_run(tmp_path):
    one, other = make_setup(tmp_path, seed=0), make_setup(tmp_path, seed=1)
    assert torch.equal(one.dataset.train.images, other.dataset.train.images)
    assert torch.equal(one.dataset.validation.labels, other.dataset.validation.labels)
    moved = make_setup(tmp_path, data={"split_seed": 1})
    assert not torch.equal(one.dataset.train.images, moved.dataset.train.images)
    assert isinstance(one.observer, Said)
