"""Weights split in the middle of a training: momentum, resumption, samplers, averaging."""

import copy

import numpy as np
import pytest
import torch
from training_parts import take

from trueshot.core.errors import ConfigError
from trueshot.core.random import Streams
from trueshot.sampling import Deisomorphic, FixedPool, LazyDeisomorphic, StrictlyFair, Uniform
from trueshot.sharing import Bias, Split, Supernet, clones, single_path
from trueshot.spaces import Chain, NasBench201
from trueshot.training.classification import Loss
from trueshot.training.config import Recipe
from trueshot.training.loop import train
from trueshot.training.optimizers import make_optimizer
from trueshot.training.plan import Plan
from trueshot.training.schedules import make_schedule
from trueshot.training.sgld import SGLD
from trueshot.training.splitting import adopt, split_step
from trueshot.training.standalone import build
from trueshot.training.supernet import StepOptions, SupernetTask
from trueshot.training.task import TRAIN

CHAIN = Chain(image_size=8, classes=4, layers=((6, 1), (6, 2), (8, 1)), stem_width=6, fixed_width=6, head_width=8)
CELLS = NasBench201(image_size=8, channels=4, cells=1, affine=False, skip="linear_transformer")
RECIPE = Recipe(epochs=4, batch_size=8, lr=0.1, momentum=0.9, weight_decay=1e-3)
EPOCH = 4
STEPS = RECIPE.epochs * EPOCH
SPLIT = split_step(2, RECIPE.epochs, EPOCH)


class Noise:
    """Batches of noise that depend on the step alone."""

    batch_size, steps_per_epoch = 8, EPOCH

    def iterate(self, start_step, stop_step):
        for step in range(start_step, stop_step):
            generator = torch.Generator().manual_seed(step)
            yield torch.randn(8, 3, 8, 8, generator=generator), torch.randint(4, (8,), generator=generator)


def make_task(space, sharing, sampler=None, options=None, recipe=RECIPE):
    supernet = build(lambda: Supernet(space, sharing), Streams(0), "cpu")
    optimizer = make_optimizer(supernet, recipe)
    schedule = make_schedule(recipe, Plan(phase="supernet", steps=STEPS), EPOCH)
    options = options or StepOptions(split_at=SPLIT)
    return SupernetTask(supernet, sampler or Uniform(space), optimizer, schedule, Loss(), None, Streams(1), options)


def run(task, start, stop):
    return [float(take(task, step, batch)[0]) for step, batch in enumerate(Noise().iterate(start, stop), start)]


def equal_states(first, second):
    left, right = first.state_dict(), second.state_dict()
    assert left["model"].keys() == right["model"].keys()
    assert all(torch.equal(value, right["model"][name]) for name, value in left["model"].items())
    assert [g["params"] for g in left["optimizer"]["param_groups"]] == [
        g["params"] for g in right["optimizer"]["param_groups"]
    ]
    for number, state in left["optimizer"]["state"].items():
        other = right["optimizer"]["state"].get(number, {})
        assert state.keys() == other.keys()
        assert all(value is None or torch.equal(value, other[key]) for key, value in state.items())


@pytest.mark.parametrize("space", [CHAIN, CELLS], ids=["chain", "cells"])
def test_until_the_split_nothing_differs_from_plain_sharing(space):
    task, plain = make_task(space, Split()), make_task(space, single_path, options=StepOptions())
    assert run(task, 0, SPLIT) == run(plain, 0, SPLIT)
    assert not clones(task.supernet)
    # The step after the split still starts from equal weights, the one after it need not.
    assert run(task, SPLIT, SPLIT + 1) == run(plain, SPLIT, SPLIT + 1)
    assert clones(task.supernet)
    assert run(task, SPLIT + 1, STEPS) != run(plain, SPLIT + 1, STEPS)


def test_clones_start_with_the_momentum_of_their_source():
    task = make_task(CHAIN, Split())
    run(task, 0, SPLIT)
    momentum = {
        id(p): state["momentum_buffer"].clone()
        for p, state in task.optimizer.state.items()
        if "momentum_buffer" in state
    }
    # A step without learning rate moves no weight but those it trains get momentum.
    task.schedule = None
    for group in task.optimizer.param_groups:
        group["lr"] = 0.0
    weights = copy.deepcopy(task.supernet.state_dict())
    run(task, SPLIT, SPLIT + 1)
    used = {id(p) for p in task.supernet.active(task.archs(SPLIT)[0]).parameters}
    found = clones(task.supernet)
    idle = [clone for clone in found if id(clone.parameter) not in used]
    assert 0 < len(idle) < len(found)
    groups = {id(p): number for number, group in enumerate(task.optimizer.param_groups) for p in group["params"]}
    cloned = 0
    for source, parameter, shares in idle:
        assert not shares
        assert torch.equal(source, parameter)
        assert groups[id(source)] == groups[id(parameter)]
        if id(source) in momentum:
            buffer = task.optimizer.state[parameter]["momentum_buffer"]
            assert torch.equal(buffer, momentum[id(source)])
            assert buffer is not task.optimizer.state[source].get("momentum_buffer")
            cloned += 1
    assert cloned > 10
    for name, value in weights.items():
        if "running" not in name and "num_batches" not in name:
            assert torch.equal(task.supernet.state_dict()[name], value)


@pytest.mark.parametrize("stop", [SPLIT, SPLIT + 1])
@pytest.mark.parametrize(
    ("space", "sharing"),
    [
        (CHAIN, Split()),
        (CHAIN, Split(lazy=True)),
        (CELLS, Split()),
        (CELLS, Split(lazy=True)),
        (CHAIN, Split(over=Bias())),
    ],
    ids=["chain", "chain lazy", "cells", "cells lazy", "bias"],
)
def test_a_resumed_training_is_the_same(space, sharing, stop, tmp_path):
    whole = make_task(space, sharing)
    train(whole, {TRAIN: Noise()}, Plan(phase="supernet", steps=STEPS))
    file = tmp_path / "checkpoint"
    train(make_task(space, sharing), {TRAIN: Noise()}, Plan(phase="supernet", steps=stop, checkpoint=file))
    resumed = make_task(space, sharing)
    train(resumed, {TRAIN: Noise()}, Plan(phase="supernet", steps=STEPS, checkpoint=file))
    equal_states(whole, resumed)


def test_lazily_split_weights_share_their_momentum():
    task = make_task(CHAIN, Split(lazy=True))
    run(task, 0, STEPS)
    restored = make_task(CHAIN, Split(lazy=True))
    restored.load_state_dict(task.state_dict())
    for one in (task, restored):
        found = clones(one.supernet)
        assert found
        assert all(one.optimizer.state[source] is one.optimizer.state[parameter] for source, parameter, _ in found)
    assert run(task, STEPS, STEPS + 3) == run(restored, STEPS, STEPS + 3)


def test_strictly_fair_sampling_trains_split_weights():
    task = make_task(CHAIN, Split(), StrictlyFair(CHAIN))
    run(task, 0, SPLIT)
    before = copy.deepcopy(task.supernet)
    run(task, SPLIT, SPLIT + 1)
    from trueshot.sharing import split

    split(before)
    # Every candidate of every layer is trained in exactly one set.
    old, new = before.body.blocks["1"].sets, task.supernet.body.blocks["1"].sets
    moved = np.array(
        [
            [not torch.equal(a[0].weight, b[0].weight) for a, b in zip(x.candidates, y.candidates, strict=True)]
            for x, y in zip(old, new, strict=True)
        ]
    )
    assert moved.sum(axis=0).tolist() == [1] * 6
    assert moved.sum(axis=1).tolist() == [1] * 6


def test_split_weights_are_sampled_by_sgld_after_the_training():
    task = make_task(CHAIN, Split())
    run(task, 0, SPLIT + 2)
    supernet = task.supernet
    generator = torch.Generator().manual_seed(0)
    optimizer = SGLD(supernet.parameters(), 0.01, temperature=1e-4, generator=generator)
    sampling = SupernetTask(supernet, Uniform(CHAIN), optimizer, None, Loss(), None, Streams(2))
    run(sampling, 0, 2)
    fresh = make_task(CHAIN, Split()).supernet
    fresh.load_state_dict(supernet.state_dict())
    again = SGLD(fresh.parameters(), 0.01, temperature=1e-4, generator=generator)
    resumed = SupernetTask(fresh, Uniform(CHAIN), again, None, Loss(), None, Streams(2))
    resumed.load_state_dict(sampling.state_dict())
    assert run(sampling, 2, 4) == run(resumed, 2, 4)


def test_what_cannot_be_split_is_refused():
    with pytest.raises(ConfigError, match="no weights to split"):
        make_task(CHAIN, single_path)
    with pytest.raises(ConfigError, match="one architecture a step, not by 6"):
        make_task(CHAIN, Split(lazy=True), StrictlyFair(CHAIN))
    for epoch in (4, 9, -1):
        with pytest.raises(ConfigError, match=rf"split at epoch {epoch} of a training of 4: choose 0 to 3"):
            split_step(epoch, 4, 10)
    assert split_step(3, 4, 10) == 30


def test_adopting_twice_changes_nothing():
    task = make_task(CHAIN, Split())
    run(task, 0, SPLIT + 1)
    before = [len(group["params"]) for group in task.optimizer.param_groups]
    adopt(task.optimizer, clones(task.supernet))
    assert [len(group["params"]) for group in task.optimizer.param_groups] == before
    assert sum(before) == sum(1 for _ in task.supernet.parameters())


@pytest.mark.parametrize("averaging", ["all", "containing"])
def test_gradients_are_averaged_over_all_or_over_those_that_contain_a_weight(averaging):
    plain = Recipe(epochs=4, batch_size=8, lr=1.0, momentum=0.0, weight_decay=0.0)
    archs = np.array([[0, 1, 2], [0, 1, 3], [0, 2, 4], [1, 1, 5]], dtype=np.uint8)
    pool = FixedPool(CHAIN, archs, per_step=4)
    task = make_task(CHAIN, single_path, pool, StepOptions(averaging=averaging), plain)
    before = copy.deepcopy(task.supernet)
    images, labels = next(Noise().iterate(0, 1))
    drawn = task.archs(0)
    learning_rate = 1.0
    take(task, 0, (images, labels))
    expected = {name: torch.zeros_like(p) for name, p in before.named_parameters()}
    names = {id(p): name for name, p in before.named_parameters()}
    times = dict.fromkeys(expected, 0)
    for arch in drawn:
        before.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(before(images, arch), labels).backward()
        for parameter in before.active(arch).parameters:
            expected[names[id(parameter)]] += parameter.grad
            times[names[id(parameter)]] += 1
    assert len(set(times.values())) > 2
    for (name, old), new in zip(before.named_parameters(), task.supernet.parameters(), strict=True):
        number = len(drawn) if averaging == "all" else max(times[name], 1)
        torch.testing.assert_close(old - new, learning_rate * expected[name] / number, rtol=1e-3, atol=1e-5)


def test_a_sampler_with_a_memory_draws_the_same_after_a_resumption():
    sampler = Uniform(CELLS)
    tasks = [make_task(CELLS, single_path, LazyDeisomorphic(CELLS, sampler), StepOptions()) for _ in range(2)]
    steps = (0, 1023, 1024, 2500, 3100)
    straight = [tasks[0].archs(step) for step in steps]
    resumed = tasks[1].archs(3100)
    np.testing.assert_array_equal(resumed, straight[-1])
    # Going back, as an error message may, draws again as well.
    np.testing.assert_array_equal(tasks[1].archs(1024), straight[2])
    tables = [make_task(CELLS, single_path, Deisomorphic(CELLS), StepOptions()) for _ in range(2)]
    np.testing.assert_array_equal(tables[0].archs(5000), tables[1].archs(5000))
