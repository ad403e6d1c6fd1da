"""One-shot scores: right, pure, and without trace in the supernet."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parent))
from evaluation_parts import SPACE, batches, make_supernet, same, snapshot

from trueshot.core.errors import ArchitectureError, ConfigError, DataError, TrainingError
from trueshot.evaluation import PRESETS, OneShot, Recalibration
from trueshot.evaluation.recalibration import arrange, take
from trueshot.sharing import Supernet, single_path

MODES = [
    Recalibration(mode="running"),
    Recalibration(mode="adapt", batches=3, batch_size=8),
    Recalibration(mode="reset", batches=3, batch_size=8),
    Recalibration(mode="reset", batches=1, batch_size=24),
    Recalibration(mode="batch", batch_size=10),
]
VALIDATION, CALIBRATION = batches(3, 10, 1), batches(4, 6, 2)
ARCHS = SPACE.sample(5, 0)


def one_shot(supernet, recalibration, metric="loss", **options):
    return OneShot(supernet, VALIDATION, calibration=CALIBRATION, recalibration=recalibration, metric=metric, **options)


def oracle(supernet, row, recalibration, metric, momentum=0.1):
    """Score a fresh stand-alone copy by the book: PyTorch's own training mode and momentum."""
    network = supernet.network(row).eval()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    images = torch.cat([images for images, _ in CALIBRATION])
    with torch.no_grad():
        if recalibration.needs_images:
            for norm in norms:
                norm.train()
                norm.momentum = momentum
                if recalibration.mode == "reset":
                    norm.reset_running_stats()
                    norm.momentum = None
            for index in range(recalibration.batches):
                network(images[index * recalibration.batch_size : (index + 1) * recalibration.batch_size])
            network.eval()
        if recalibration.mode == "batch":
            network.train()
        logits = torch.cat([network(images) for images, _ in VALIDATION])
        labels = torch.cat([labels for _, labels in VALIDATION])
    if metric == "accuracy":
        return (logits.argmax(dim=1) == labels).double().mean().item()
    return -F.cross_entropy(logits, labels).item()


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
@pytest.mark.parametrize("recalibration", MODES, ids=str)
def test_scores_equal_those_of_a_fresh_copy_of_the_network(recalibration, metric):
    supernet = make_supernet()
    scores = one_shot(supernet, recalibration, metric)(ARCHS)
    expected = [oracle(supernet, row, recalibration, metric) for row in ARCHS]
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    assert scores.dtype == np.float64
    assert metric == "accuracy" or len(set(scores)) == len(ARCHS)


@pytest.mark.parametrize("recalibration", MODES, ids=str)
def test_cumulative_momentum_of_the_layers_is_honoured(recalibration):
    supernet = make_supernet()
    for module in supernet.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum, module.num_batches_tracked = None, torch.tensor(5)
    scores = one_shot(supernet, recalibration)(ARCHS)
    expected = [oracle(supernet, row, recalibration, "loss", momentum=None) for row in ARCHS]
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


@pytest.mark.parametrize("recalibration", MODES, ids=str)
def test_the_supernet_is_left_as_it_was(recalibration):
    supernet = make_supernet()
    before = snapshot(supernet)
    norms = [module for module in supernet.modules() if isinstance(module, nn.BatchNorm2d)]
    norms[0].momentum, norms[1].training = 0.03, False

    def settings_of():
        return [(n.momentum, n.training, n.track_running_stats, *map(id, n._buffers.values())) for n in norms]

    settings_before = settings_of()
    one_shot(supernet, recalibration)(ARCHS)
    assert same(before, supernet.state_dict())
    assert settings_of() == settings_before
    assert supernet.training
    assert not torch.is_inference(norms[0].running_mean)


@pytest.mark.parametrize("recalibration", MODES, ids=str)
def test_the_supernet_is_left_as_it_was_by_an_error(recalibration):
    supernet = make_supernet()
    before = snapshot(supernet)
    calls = []

    def fail(*_):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    evaluator = one_shot(supernet, recalibration)
    handle = supernet.body.head.register_forward_pre_hook(fail)
    with pytest.raises(KeyboardInterrupt):
        evaluator(ARCHS)
    handle.remove()
    assert same(before, supernet.state_dict())
    assert all(module.training for module in supernet.modules())
    assert all(n.momentum == 0.1 and n.track_running_stats for n in supernet.modules() if isinstance(n, nn.BatchNorm2d))


@given(order=st.permutations(range(5)), cut=st.integers(0, 5), mode=st.sampled_from(MODES))
@settings(max_examples=15, deadline=None)
def test_scores_depend_on_neither_order_nor_company(order, cut, mode):
    evaluator = one_shot(make_supernet(), mode)
    together = evaluator(ARCHS)
    order = np.array(order)
    apart = np.concatenate([evaluator(ARCHS[order[:cut]]), evaluator(ARCHS[order[cut:]])])
    assert np.array_equal(apart, together[order])


def test_training_goes_on_as_if_nothing_had_been_scored():
    def train(score):
        supernet = make_supernet()
        optimizer = torch.optim.SGD(supernet.parameters(), 0.1, momentum=0.9)
        for row in ARCHS[:3]:
            if score:
                one_shot(supernet, MODES[2])(ARCHS[3:])
            optimizer.zero_grad()
            F.cross_entropy(supernet(CALIBRATION[0][0], row), CALIBRATION[0][1]).backward()
            optimizer.step()
        return supernet.state_dict()

    assert same(train(True), train(False))


def test_dropout_is_off():
    space = type(SPACE)(**{**SPACE.arguments(), "dropout": 0.5})
    evaluator = one_shot(make_supernet(space=space), MODES[2])
    assert np.array_equal(evaluator(ARCHS), evaluator(ARCHS))


def test_reset_forgets_the_trained_statistics_and_adapt_does_not():
    scores = {}
    for name, scale in (("trained", 1.0), ("other", 2.0)):
        supernet = make_supernet()
        for module in supernet.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_var.mul_(scale)
        scores[name] = [one_shot(supernet, mode)(ARCHS) for mode in MODES]
    for mode, trained, other in zip(MODES, scores["trained"], scores["other"], strict=True):
        assert np.array_equal(trained, other) == (mode.mode in ("reset", "batch"))


def test_lower_precision_changes_scores_a_little():
    supernet = make_supernet()
    exact, rough = (one_shot(supernet, MODES[2], precision=p)(ARCHS) for p in (torch.float32, torch.bfloat16))
    assert not np.array_equal(exact, rough)
    np.testing.assert_allclose(rough, exact, rtol=0.1)


def test_the_digest_follows_weights_data_and_settings():
    supernet = make_supernet()
    base = one_shot(supernet, MODES[2])
    assert base.digest == one_shot(make_supernet(), MODES[2]).digest
    others = [
        one_shot(make_supernet(seed=1), MODES[2]),
        one_shot(supernet, MODES[1]),
        one_shot(supernet, MODES[2], metric="accuracy"),
        one_shot(supernet, MODES[2], precision=torch.bfloat16),
        OneShot(supernet, VALIDATION[:2], calibration=CALIBRATION, recalibration=MODES[2], metric="loss"),
        OneShot(supernet, VALIDATION, calibration=CALIBRATION[::-1], recalibration=MODES[2], metric="loss"),
    ]
    digests = {evaluator.digest for evaluator in [base, *others]}
    assert len(digests) == len(others) + 1
    base(ARCHS)
    first = base.digest
    with torch.no_grad():
        next(supernet.parameters()).flatten()[0].add_(1e-3)
    assert base.digest != first


def test_a_new_option_at_its_default_leaves_the_digest():
    class More(Recalibration):
        """One option more.

        Attributes:
            more: new.
        """

        more: int = 3

    old = MODES[0]
    same, other = (More(**old.whole(), more=value) for value in (3, 4))
    digests = [one_shot(make_supernet(), mode).digest for mode in (old, same, other)]
    assert digests[0] == digests[1] != digests[2]


def test_equal_batches_of_another_space_have_another_digest():
    other = type(SPACE)(**{**SPACE.arguments(), "residual": False})
    assert one_shot(make_supernet(), MODES[0]).digest != one_shot(Supernet(other, single_path), MODES[0]).digest


def test_logits_that_are_not_finite_are_an_error_that_names_the_architecture():
    supernet = make_supernet()
    broken = ARCHS[3]
    others = [row for row in ARCHS if row[0] != broken[0]]
    assert others
    with torch.no_grad():
        for parameter in supernet.body.edges["1-2"].candidates[int(broken[0])].parameters():
            parameter.fill_(torch.nan)
    for metric in ("accuracy", "loss"):
        evaluator = one_shot(supernet, MODES[2], metric)
        with pytest.raises(TrainingError, match=SPACE.format(broken)):
            evaluator(np.stack([others[0], broken]))
        assert np.isfinite(evaluator(np.stack(others))).all()


def test_no_architectures_give_no_scores_and_foreign_ones_an_error():
    evaluator = one_shot(make_supernet(), MODES[0])
    assert evaluator(ARCHS[:0]).shape == (0,)
    with pytest.raises(ArchitectureError, match="architectures of topology are an integer array"):
        evaluator(ARCHS[:, :-1])


def test_a_short_source_is_gone_through_again_and_an_endless_one_is_cut():
    recalibration = Recalibration(mode="reset", batches=5, batch_size=10)
    taken = take(recalibration, CALIBRATION)
    images = torch.cat([images for images, _ in CALIBRATION])
    assert [len(batch) for batch in taken] == [10] * 5
    assert torch.equal(torch.cat(taken), torch.cat([images, images, images])[:50])

    def endless():
        while True:
            yield CALIBRATION[0]

    assert torch.cat(take(Recalibration(mode="adapt", batches=2, batch_size=5), endless())).shape[0] == 10
    with pytest.raises(DataError, match="too few training images"):
        take(recalibration, iter(CALIBRATION))
    with pytest.raises(DataError, match="too few training images"):
        take(recalibration, [])


def test_validation_is_cut_evenly_for_statistics_of_the_batch():
    arranged = arrange(MODES[4], [VALIDATION[0], (VALIDATION[1][0][:1], VALIDATION[1][1][:1])])
    assert [len(labels) for _, labels in arranged] == [6, 5]


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"mode": "reset", "batch_size": 8}, "batches of 1 or more"),
        ({"mode": "adapt", "batches": 2, "batch_size": 1}, "batch_size of 2 or more"),
        ({"mode": "batch"}, "batch_size of 2 or more"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(values, match):
    with pytest.raises(ConfigError, match=match):
        Recalibration(**values)


def test_an_evaluator_without_images_is_refused():
    with pytest.raises(DataError, match="no validation images"):
        OneShot(make_supernet(), [])


def test_presets_are_those_of_the_papers():
    assert (PRESETS["spos"].mode, PRESETS["spos"].batches, PRESETS["spos"].batch_size) == ("reset", 200, 128)
    assert (PRESETS["interchoice"].mode, PRESETS["interchoice"].batches) == ("adapt", 20)
    assert PRESETS["surgery"].mode == "running"
