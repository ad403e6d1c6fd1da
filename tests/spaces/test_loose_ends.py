"""A space beyond products goes all the way: drawn, costed, shared, trained, scored, searched and rebuilt."""

import copy
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch.nn.functional import cross_entropy
from torch.nn.modules.batchnorm import _BatchNorm

sys.path.insert(0, str(Path(__file__).parent))
import loose_ends
from loose_ends import LooseEnds
from mixture import Mixed

from trueshot.core.cache import EvaluationCache
from trueshot.core.errors import ArchitectureError, ConfigError
from trueshot.core.random import Streams
from trueshot.evaluation import OneShot
from trueshot.evaluation.recalibration import RUNNING, Recalibration
from trueshot.reporting.drawing import draw_architecture
from trueshot.sampling import Deisomorphic, LiveConvolution, Matched, StrictlyFair, Uniform, has_live_convolution
from trueshot.search.bounds import Bounds
from trueshot.search.config import EvolutionConfig, NSGA2Config
from trueshot.sharing import Attention, Bias, SharedBias, Split, Supernet, single_path, split
from trueshot.spaces.canonical import every, unique
from trueshot.spaces.canonical.classes import positions
from trueshot.spaces.costs import standard_costs
from trueshot.spaces.counting import count_madds, count_params
from trueshot.strategies.asking import Asking
from trueshot.training.classification import Loss
from trueshot.training.supernet import SupernetTask
from trueshot.training.task import TRAIN

SPACE = LooseEnds()
SMALL = LooseEnds(cells=("normal", "normal"))
ROWS = SPACE.sample(6, 1)
IMAGES = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(8) % 3
SHARINGS = {
    "single path": single_path,
    "bias": Bias(depth=2),
    "shared bias": SharedBias(),
    "attention": Attention(),
    "split": Split(),
    "mixture": Mixed,
}
by_any = pytest.mark.parametrize("sharing", SHARINGS.values(), ids=SHARINGS)
FIRST = "0-conv-1-skip-2-pool-0-conv"


def supernet(sharing, space=SPACE):
    """A supernet whose weights and statistics are not those of its start."""
    net = Supernet(space, sharing)
    generator = torch.Generator().manual_seed(0)
    for parameter in net.parameters():
        parameter.data.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    for norm in (module for module in net.modules() if isinstance(module, _BatchNorm)):
        norm.running_mean.normal_(0.0, 0.2, generator=generator)
        norm.running_var.uniform_(0.5, 2.0, generator=generator)
    split(net)
    return net


def test_it_takes_at_most_80_lines():
    lines = Path(loose_ends.__file__).read_text().splitlines()
    assert len(lines) <= 80


def test_genes_and_strings():
    assert [decision.name for decision in SMALL.decisions[:4]] == [
        f"normal 2 {g}" for g in ("in1", "op1", "in2", "op2")
    ]
    assert SMALL.options.tolist() == [2, 3, 2, 3, 3, 3, 3, 3]
    row = SMALL.parse(FIRST)
    assert row.tolist() == [0, 0, 1, 2, 2, 1, 0, 0]
    assert SMALL.format(row) == FIRST


def test_what_the_space_forbids_is_refused_by_name():
    wrong = "1-conv-1-skip-2-pool-0-conv"
    with pytest.raises(ArchitectureError, match=rf"loose-ends architecture 0, {wrong}, is not valid"):
        SMALL.parse(wrong)
    rows = np.stack([SMALL.parse(FIRST)] * 3)
    rows[2, 6] = 2
    for use in (SMALL.check, SMALL.cost, SMALL.canonical):
        with pytest.raises(ArchitectureError, match="loose-ends architecture 2, 0-conv-1-skip-2-pool-2-conv, is not"):
            use(rows)
    for use in (SMALL.format, SMALL.network, Supernet(SMALL, single_path).network):
        with pytest.raises(ArchitectureError, match="loose-ends architecture 0, 0-conv-1-skip-2-pool-2-conv, is not"):
            use(rows[2])


def test_every_valid_row_is_counted_and_equally_likely():
    rows = every(SMALL)
    # Two inputs in either order with three operations each, then an ordered pair of three inputs.
    assert len(rows) == SMALL.architectures == (2 * 9) * (6 * 9)
    assert SMALL.valid(rows).all()
    assert (positions(SMALL, rows) == np.arange(len(rows))).all()
    drawn = SMALL.sample(20 * len(rows), 5)
    counts = np.bincount(positions(SMALL, drawn), minlength=len(rows))
    assert chisquare(counts).pvalue > 0.01
    assert SPACE.architectures is None
    assert not SPACE.is_product
    assert SPACE.valid(SPACE.sample(500, 0)).all()


def test_a_space_without_a_valid_row_says_so():
    class Barren(LooseEnds):
        def valid(self, archs):
            return np.zeros(len(archs), dtype=bool)

    with pytest.raises(ConfigError, match="1000 rounds of 1024 combinations of options or more of space loose-ends"):
        Barren().sample(1, 0)


def test_costs_follow_the_structure_and_equal_what_is_built():
    assert SPACE.cost_table is None
    assert SPACE.bounds() is None
    costs = SPACE.cost(ROWS)
    for row, params, madds in zip(ROWS, costs.params, costs.madds, strict=True):
        network = SPACE.network(row)
        assert (count_params(network), count_madds(network, SPACE.input_shape)) == (params, madds)
    one, two = SMALL.parse(FIRST), SMALL.parse("0-conv-1-skip-1-pool-0-conv")
    # The second leaves node 2 loose: the second cell's input and what follows the cells read 8 channels, not 4.
    assert np.diff(SMALL.cost(np.stack([one, two])).params).tolist() == [2 * 4 * 4]


def test_its_twins_are_itself():
    assert (SPACE.canonical(ROWS, "literal") == ROWS).all()
    assert unique(SMALL) == SMALL.architectures


def test_it_is_drawn():
    figure = draw_architecture(SPACE, ROWS[0])
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts[:4] == ["normal 2 in1", str(ROWS[0][0]), "normal 2 op1", ("conv", "pool", "skip")[ROWS[0][1]]]


@by_any
@pytest.mark.parametrize("training", [True, False])
def test_a_network_with_inherited_weights_computes_the_same(sharing, training):
    net = supernet(sharing).train(training)
    for row in ROWS:
        alone = net.network(row)
        assert torch.equal(alone(IMAGES), net(IMAGES, *net.context_of(row)))
        if sharing is single_path:
            assert alone.state_dict().keys() == SPACE.network(row).state_dict().keys()


@by_any
def test_what_is_active_is_what_gets_a_gradient(sharing):
    net = supernet(sharing)
    for row in ROWS:
        net.zero_grad()
        cross_entropy(net(IMAGES, *net.context_of(row)), LABELS).backward()
        active = {id(p) for p in net.active(*net.context_of(row)).parameters}
        assert {id(p) for p in net.parameters() if p.grad is not None} == active


@pytest.mark.parametrize("sharing", [single_path, Bias(depth=2)], ids=["single path", "bias"])
def test_it_is_trained_by_the_task_of_supernets(sharing):
    net = Supernet(SPACE, sharing)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    task = SupernetTask(net, Uniform(SPACE, per_step=2), optimizer, None, Loss(), None, Streams(0))
    start = copy.deepcopy(net.state_dict())
    losses = [float(task.step(step, {TRAIN: (IMAGES, LABELS)})["loss"].value) for step in range(40)]
    assert np.mean(losses[-10:]) < np.mean(losses[:10])
    used = {id(p) for step in range(40) for arch in task.archs(step) for p in net.active(arch).parameters}
    for name, parameter in net.named_parameters():
        assert torch.equal(parameter, start[name]) or id(parameter) in used


def test_a_mixture_is_trained_and_says_what_it_favours():
    net = Supernet(SPACE, Mixed)
    sizes = {site.key: len(site.candidates) for site in SPACE.all_sites}
    logits = {key: torch.zeros(size, requires_grad=True) for key, size in sizes.items()}
    optimizer = torch.optim.SGD([*net.parameters(), *logits.values()], lr=0.1)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = cross_entropy(net(IMAGES, {key: values.softmax(0) for key, values in logits.items()}), LABELS)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    assert all(values.grad.abs().sum() > 0 for values in logits.values())
    # While nodes are read to a degree only, all are loose ends.
    weights = {key: values.softmax(0) for key, values in logits.items()}
    assert [len(step.sources) for step in net.body.steps(weights) if hasattr(step, "sources")] == [2, 2, 2]
    row = SPACE.derive(weights)
    expected = {key: int(values[:3].argmax()) for key, values in logits.items()}
    options = dict(zip((decision.name for decision in SPACE.decisions), row.tolist(), strict=True))
    for node in ("normal 2", "normal 3", "reduce 2", "reduce 3"):
        kind, target = node.split()
        for side in "12":
            assert options[f"{node} op{side}"] == expected[f"{kind} {options[f'{node} in{side}']}-{target}"]


def test_one_hot_weights_derive_their_row():
    net = Supernet(SPACE, Mixed)
    for row in ROWS:
        derived = SPACE.derive(*net.context_of(row))
        assert torch.equal(net.network(derived)(IMAGES), net.network(row)(IMAGES))


@pytest.mark.parametrize(
    "recalibration", [RUNNING, Recalibration(mode="batch", batch_size=4)], ids=["running", "batch"]
)
@pytest.mark.parametrize("sharing", [single_path, Bias(depth=2), Mixed], ids=["single path", "bias", "mixture"])
def test_swept_scores_are_those_of_the_plain_loop(sharing, recalibration):
    net = supernet(sharing)
    evaluator = OneShot(net, [(IMAGES, LABELS)], recalibration=recalibration, metric="loss")
    swept = evaluator(ROWS)
    assert swept.tolist() == [float(evaluator(row[None])[0]) for row in ROWS]
    assert len(set(swept.tolist())) == len(ROWS)


def test_samplers_say_what_they_need():
    with pytest.raises(ConfigError, match="strictly fair sampling chooses each option by itself, but space loose-ends"):
        StrictlyFair(SPACE)
    with pytest.raises(ConfigError, match="sampling with p_drop chooses each option by itself, but space loose-ends"):
        Matched(SPACE, 0.5)
    classes = Deisomorphic(SMALL)
    assert classes.classes == SMALL.architectures
    assert SMALL.valid(classes.sample(50, np.random.default_rng(0))).all()


def test_live_convolutions_are_those_that_are_run():
    rows = every(SMALL)
    live = has_live_convolution(SMALL, rows)
    # No operation of a node is a convolution; all nodes lead somewhere.
    assert (live == (rows[:, 1::2] == 0).any(axis=1)).all()
    drawn = LiveConvolution(SMALL, Uniform(SMALL)).sample(100, np.random.default_rng(0))
    assert has_live_convolution(SMALL, drawn).all()


@pytest.mark.parametrize(
    "config",
    [NSGA2Config(population=8, generations=4), EvolutionConfig(evaluations=32, population=8, sample=4)],
    ids=["NSGA-II", "evolution"],
)
def test_it_is_searched_under_a_bound_and_the_best_is_rebuilt(config, tmp_path):
    net = supernet(single_path)
    evaluator = OneShot(net, [(IMAGES, LABELS)], metric="loss")
    drawn = SPACE.sample(40, 3)
    most = float(np.median(SPACE.cost(drawn).madds))
    costs, bounds = standard_costs(SPACE), Bounds.of(least={}, most={"madds": most})
    proposer = config.build(SimpleNamespace(space=SPACE, costs=costs, bounds=bounds, seed=0, sampler=None))
    history = Asking(proposer, EvaluationCache(tmp_path / "evaluations.parquet"), space=SPACE).run(evaluator)
    assert len(history) == 32
    assert SPACE.valid(history.archs).all()
    assert (SPACE.cost(history.archs).madds <= most).all()
    assert history.scores.max() > np.median(evaluator(drawn))
    best = history.archs[history.scores.argmax()]
    network = net.network(SPACE.parse(SPACE.format(best))).eval()
    assert torch.equal(network(IMAGES), net.eval()(IMAGES, *net.context_of(best)))
    assert count_madds(network, SPACE.input_shape) <= most
    assert -cross_entropy(network(IMAGES), LABELS).item() == pytest.approx(history.scores.max(), rel=1e-6)


def test_its_networks_have_levels():
    network = SPACE.network(ROWS[0])
    assert [(level.channels % SPACE.width, level.reduction) for level in network.pyramid] == [(0, 1), (0, 2)]
    assert torch.equal(network.head(network.features(IMAGES)), network(IMAGES))
