"""Work shared between architectures changes no score, whatever is shared and however little memory there is."""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))
from evaluation_parts import batches

from trueshot.evaluation import OneShot, Recalibration
from trueshot.evaluation import one_shot as module
from trueshot.evaluation.sweep import Plan, planned, widest
from trueshot.operations import conv_bn
from trueshot.sharing import Attention, Bias, SharedBias, Split, Supernet, single_path, split
from trueshot.sharing.supernet import IDENTITY, SinglePath, weight_free
from trueshot.spaces import Chain, NasBench201, Site, Space, Topology
from trueshot.spaces.canonical.classes import every
from trueshot.spaces.steps import Concatenate, Step, run


class Joining(nn.Module):
    """Nodes 2, 3 and 4 are the stem's children and grandchildren; those that nothing reads are joined, then squeezed.

    The source of the edges ``c`` and ``d`` is node 2 where ``a`` is option 0, else node 1, so that steps follow rows.
    """

    def __init__(self, stem, edges, squeeze, head):
        super().__init__()
        self.stem, self.edges, self.squeeze, self.head = stem, nn.ModuleDict(edges), nn.ModuleDict(squeeze), head

    def steps(self, row):
        source = 2 if row[0] == 0 else 1
        loose = (3, 4) if source == 2 else (4, 2, 3)
        return [
            Step(self.stem, 0, 1),
            Step(self.edges["a"], 1, 2, True),
            Step(self.edges["b"], 1, 3, True),
            Step(self.edges["c"], source, 3, True),
            Step(self.edges["d"], source, 4, True),
            Concatenate((1,), 5),
            Concatenate(loose, 6),
            Step(self.squeeze[str(len(loose))], 6, 5),
            Step(self.head, 5, 7),
        ]

    def forward(self, x, row):
        return run(self.steps(row), x, (row,))


class Joined(Space):
    name = "joined"

    def assemble(self, place):
        candidates = {f"k{k}": partial(lambda k: nn.Sequential(*conv_bn(4, 4, k)), k) for k in (1, 3)}
        candidates["identity"] = nn.Sequential
        edges = {
            name: place(Site(decision=name, candidates=candidates, in_channels=4, out_channels=4)) for name in "abcd"
        }
        squeeze = {str(n): nn.Sequential(*conv_bn(4 * n, 4, 1)) for n in (2, 3)}
        head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, self.classes))
        return Joining(nn.Sequential(*conv_bn(self.in_channels, 4, 3)), edges, squeeze, head)


JOINED = Joined(image_size=8, classes=3)
CELLS = NasBench201(channels=4, cells=1, image_size=8, classes=3, affine=False)
SPACES = [
    Topology(nodes=(2, 2), widths=(4, 6), stem_stride=1, head_width=8, image_size=8, classes=3, kernels=(3,)),
    Chain(image_size=8, classes=3, stem_width=8, fixed_width=8, layers=((8, 1), (8, 1)), kernels=(3,), head_width=8),
    CELLS,
    JOINED,
]
MODES = [
    Recalibration(mode="running"),
    Recalibration(mode="adapt", batches=3, batch_size=8),
    Recalibration(mode="reset", batches=2, batch_size=12),
    Recalibration(mode="batch", batch_size=15),
]
SHARINGS = [single_path, Bias(depth=2), SharedBias(), Attention(layers=2), Split()]
VALIDATION, CALIBRATION = batches(2, 15, 1), batches(4, 6, 2)


def trained_looking(space, sharing):
    torch.manual_seed(0)
    supernet = Supernet(space, sharing)
    split(supernet)
    with torch.no_grad():
        for value in [*supernet.parameters(), *supernet.buffers()]:
            if value.is_floating_point():
                value.add_(0.1 * torch.rand_like(value))
    return supernet


def evaluator(supernet, recalibration, metric="loss"):
    return OneShot(supernet, VALIDATION, calibration=CALIBRATION, recalibration=recalibration, metric=metric)


def one_by_one(scores, archs):
    return np.concatenate([scores(archs[index : index + 1]) for index in range(len(archs))])


def some(space, count=24):
    rows = space.sample(count, 0)
    return np.concatenate([rows, rows[::-3]])


@pytest.mark.parametrize("recalibration", MODES, ids=str)
@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_scores_are_those_of_the_plain_loop_to_the_last_bit(space, recalibration):
    scores, archs = evaluator(trained_looking(space, single_path), recalibration), some(space)
    assert np.array_equal(scores(archs), one_by_one(scores, archs))
    accuracy = evaluator(scores.supernet, recalibration, "accuracy")
    assert np.array_equal(accuracy(archs), one_by_one(accuracy, archs))


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
@pytest.mark.parametrize("sharing", SHARINGS, ids=lambda sharing: type(sharing).__name__)
def test_every_way_of_sharing_weights_gives_the_scores_of_the_plain_loop(space, sharing):
    scores, archs = evaluator(trained_looking(space, sharing), MODES[2]), some(space)
    assert np.array_equal(scores(archs), one_by_one(scores, archs))


def test_scores_do_not_depend_on_the_memory(monkeypatch):
    supernet, archs = trained_looking(CELLS, single_path), some(CELLS)
    for recalibration in MODES[2:]:
        scores = evaluator(supernet, recalibration)
        expected = scores(archs)
        # One value of a node is 30 images x 4 channels x 64 pixels x 4 bytes = 30 kB: nothing fits, or very little.
        monkeypatch.setattr(module, "_VALUES", 0.01)
        for memory in (1, 400_000):
            monkeypatch.setattr(module, "MEMORY", memory)
            assert np.array_equal(scores(archs), expected)
        monkeypatch.undo()


def test_validation_batches_are_grouped_by_what_fits(monkeypatch):
    scores, archs = evaluator(trained_looking(CELLS, single_path), MODES[0]), some(CELLS)
    rows = [tuple(row) for row in archs.tolist()]
    assert [len(group) for group in scores._groups(rows)] == [2]
    bytes_each = widest(scores.supernet, rows[0], VALIDATION[0][0])
    assert bytes_each == 4 * 8 * 8 * 4
    expected = scores(archs)
    monkeypatch.setattr(module, "MEMORY", 20 * 8 * bytes_each)
    assert [len(group) for group in scores._groups(rows)] == [1, 1]
    assert np.array_equal(scores(archs), expected)
    # Statistics adapted on other images are not adapted twice: then each architecture goes alone.
    assert evaluator(scores.supernet, MODES[1])._groups(rows) == []


def test_each_distinct_value_is_planned_once():
    supernet = Supernet(CELLS, single_path)
    archs = every(CELLS)
    plan, positions = planned(supernet, [tuple(row) for row in archs.tolist()])
    # Dead edges are not run, and edges without weights are one function wherever they stand.
    assert len(np.unique(CELLS.prune(archs), axis=0)) == 9445
    assert len(positions) == 8162
    assert sorted(where for group in positions.values() for where in group) == list(range(15_625))
    # Two convolutions on each of six edges, for a node may be the stem itself, and one pool for all.
    stem = next(number for number, operation in enumerate(plan.operations) if number and operation.context is None)
    first = [op for op in plan.operations[1:] if getattr(op, "source", None) == stem and op.context is not None]
    assert len({op.function for op in first}) == len(first) == 6 * 2 + 1


def test_a_concatenated_value_is_one_of_its_own_and_counts_in_the_memory():
    supernet = Supernet(JOINED, single_path)
    plan = Plan(supernet)
    assert plan.add((0, 0, 0, 0)) == plan.add((0, 0, 0, 0)) != plan.add((0, 0, 0, 1))
    joined = [operation for operation in plan.operations if hasattr(operation, "sources") and len(operation) == 1]
    # The second row has another node 4; a concatenation of one is that value itself.
    assert [len(operation.sources) for operation in joined] == [2, 2]
    image = VALIDATION[0][0]
    assert widest(supernet, (0, 0, 0, 0), image) == 2 * 4 * 8 * 8 * 4
    assert widest(supernet, (1, 0, 0, 0), image) == 3 * 4 * 8 * 8 * 4


def test_the_stem_is_run_once_for_all():
    supernet, archs = trained_looking(CELLS, single_path), some(CELLS)
    calls = []
    supernet.body.stem.register_forward_hook(lambda *_: calls.append(1))
    evaluator(supernet, MODES[3])(archs)
    # To measure the size of values, to see whether it writes into its input, and once for each batch.
    assert len(calls) <= 2 + len(VALIDATION)


class Spoiler(nn.Module):
    def forward(self, x):
        return x.mul_(0.5).add(1.0)


def test_modules_that_write_into_their_input_do_no_harm():
    supernet, archs = trained_looking(CELLS, single_path), some(CELLS)
    for path in [inner for inner in supernet.modules() if isinstance(inner, SinglePath)]:
        path.candidates[-1].insert(0, Spoiler())
    # The plain forward pass suffers from such a module itself where a node has several readers: no reader but one here.
    rows = np.array([row for row in archs if np.count_nonzero(CELLS.live(row[None]) & (row != 0)) == 1])
    rows = np.concatenate([rows, [[0, 0, 0, option, 0, 0] for option in range(1, 5)]]).astype(np.uint8)
    scores = evaluator(supernet, MODES[0])
    assert np.array_equal(scores(rows), one_by_one(scores, rows))


def test_what_does_not_say_which_function_it_is_shares_nothing_but_is_right():
    class Silent(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x, arch):
            return self.inner(x, arch)

        def absent(self, arch):
            return self.inner.absent(arch)

        def active(self, arch):
            return self.inner.active(arch)

        def chosen(self, arch):
            return self.inner.chosen(arch)

    def silent(space):
        place = single_path(space)
        return lambda site: Silent(place(site))

    supernet, archs = trained_looking(CELLS, silent), CELLS.sample(12, 0)
    scores = evaluator(supernet, MODES[2])
    assert np.array_equal(scores(archs), one_by_one(scores, archs))
    plan = Plan(supernet)
    assert plan.add((1, 1, 1, 1, 1, 1)) != plan.add((1, 1, 1, 1, 1, 2))


def test_functions_without_weights_are_told_apart_by_their_settings():
    pool = nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=False))
    assert weight_free(nn.Sequential()) == IDENTITY
    assert weight_free(nn.Sequential(nn.Identity())) == IDENTITY
    assert weight_free(pool) == weight_free(nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=False)).eval())
    assert weight_free(pool) != weight_free(nn.Sequential(nn.AvgPool2d(3, 1, 1)))
    assert weight_free(nn.Sequential(nn.Conv2d(1, 1, 1))) is None
    assert weight_free(Spoiler()) is None
    assert weight_free(None) not in (None, IDENTITY)
