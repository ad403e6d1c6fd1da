"""Evaluators that train: repeatable, and without trace in the supernet."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from evaluation_parts import SPACE, batches, make_supernet, same, snapshot

from trueshot.core.errors import TrainingError
from trueshot.core.random import Streams
from trueshot.evaluation import FineTuned, StandAlone, Trial, fine_tuning, measure, train_and_measure
from trueshot.training.config import Recipe
from trueshot.training.plan import Plan
from trueshot.training.standalone import build, train_network

ARCHS = SPACE.sample(3, 5)


class Cycle:
    """The same few batches again and again."""

    batch_size, steps_per_epoch = 8, 2

    def iterate(self, start_step, stop_step):
        stored = batches(2, 8, 4)
        yield from (stored[step % 2] for step in range(start_step, stop_step))


PUBLISHED = fine_tuning(2.5e-4)


def trial(recipe=PUBLISHED, **options):
    values = {"data": "cycle", "steps": 3, "metric": "loss", **options}
    return Trial(Cycle(), batches(2, 8, 1), recipe, Streams(0), **values)


def test_fine_tuning_starts_at_the_shared_weights_and_leaves_them():
    supernet = make_supernet().eval()
    before = snapshot(supernet)
    scores = FineTuned(supernet, trial())(ARCHS)
    assert same(before, supernet.state_dict())
    untrained = [-measure(supernet.network(row), batches(2, 8, 1), 3).loss for row in ARCHS]
    assert not np.array_equal(scores, untrained)
    # Steps too small to move a weight leave the weights; running statistics adapt all the same.
    still = Recipe(epochs=1, batch_size=8, lr=1e-30, final_lr=1e-30, momentum=0.0)
    network = supernet.network(ARCHS[0]).train()
    with torch.no_grad():
        for images, _ in Cycle().iterate(0, 3):
            network(images)
    expected = -measure(network, batches(2, 8, 1), 3).loss
    np.testing.assert_allclose(FineTuned(supernet, trial(still))(ARCHS[:1]), [expected], rtol=1e-6)


def test_how_far_fine_tuning_moves():
    archs, supernet = SPACE.sample(8, 1), make_supernet().eval()
    before = snapshot(supernet)
    moved = FineTuned(supernet, trial(fine_tuning(0.1), steps=20)).movement(archs)
    assert same(before, supernet.state_dict())
    assert moved.n == 8
    assert moved.weights > 0.01
    assert moved.scores > 0.1 * moved.spread
    assert moved.ranks > 0
    # At a rate by which no weight moves there is nothing but other statistics.
    still = FineTuned(supernet, trial(fine_tuning(1e-30), steps=20)).movement(archs)
    assert (still.weights, still.scores, still.ranks) == (0.0, 0.0, 0)
    assert still.describe() == (
        "fine-tuning moved weights by 0.00%, scores by 0 of a spread of"
        f" {still.spread:.3g}, and the ranks of 0 of 8 architectures"
    )
    # The distance, by hand for one.
    networks = [supernet.network(archs[0]) for _ in range(2)]
    train_network(networks[1], Cycle(), fine_tuning(0.1), Streams(9), plan=Plan(phase="network", steps=20))
    first, second = (torch.cat([p.detach().flatten() for p in network.parameters()]) for network in networks)
    one = FineTuned(supernet, trial(fine_tuning(0.1), steps=20)).movement(archs[[0, 0]])
    assert one.weights == pytest.approx(float((second - first).norm() / first.norm()), rel=1e-4)


def test_scores_are_pure():
    recipe = Recipe(epochs=1, batch_size=8, lr=0.05)
    for evaluator in (FineTuned(make_supernet(), trial(recipe)), StandAlone(SPACE, trial(recipe))):
        together = evaluator(ARCHS)
        assert np.array_equal(evaluator(ARCHS[::-1])[::-1], together)
        assert np.array_equal(evaluator(ARCHS[1:2]), together[1:2])
        assert len(set(together)) == 3
        assert evaluator(ARCHS[:0]).shape == (0,)


def test_training_longer_fits_what_it_is_measured_on():
    recipe = Recipe(epochs=1, batch_size=8, lr=0.1)
    fitted = Trial(Cycle(), batches(2, 8, 4), recipe, Streams(0), data="cycle", steps=60, metric="loss")
    short = Trial(Cycle(), batches(2, 8, 4), recipe, Streams(0), data="cycle", steps=1, metric="loss")
    assert StandAlone(SPACE, fitted)(ARCHS[:1])[0] > StandAlone(SPACE, short)(ARCHS[:1])[0]


def test_digests_follow_data_settings_and_weights():
    base, supernet = trial(), make_supernet()
    trials = [base, trial(steps=4), trial(metric="accuracy"), trial(data="other"), trial(Recipe(epochs=1))]
    digests = [e.digest for t in trials for e in (FineTuned(supernet, t), StandAlone(SPACE, t))]
    digests.append(FineTuned(make_supernet(1), base).digest)
    assert len(set(digests)) == len(digests)
    assert FineTuned(make_supernet(), trial()).digest == digests[0]
    assert trial(steps=None).steps == 2


RECIPE = Recipe(epochs=3, batch_size=8, lr=0.05, ema_decay=0.9)


def trained(plan, **options):
    network = build(lambda: SPACE.network(ARCHS[0]), Streams(1), "cpu")
    measured = {"validation": batches(2, 8, 1), "test": batches(3, 8, 2)}
    values = {"classes": 3, "measured": measured, **options}
    return train_and_measure(network, Cycle(), RECIPE, Streams(2), plan=plan, **values)


def test_a_network_is_trained_and_measured_on_named_images():
    done = trained(Plan(phase="x", steps=6))
    oracle, epochs = train_network(
        build(lambda: SPACE.network(ARCHS[0]), Streams(1), "cpu"), Cycle(), RECIPE, Streams(2)
    )
    assert same(snapshot(oracle), done.network.state_dict())
    assert done.accuracies == {
        "validation": measure(oracle, batches(2, 8, 1), 3),
        "test": measure(oracle, batches(3, 8, 2), 3),
    }
    assert [row["loss"] for row in done.epochs] == [row["loss"] for row in epochs]
    assert done.steps == 6
    assert done.seconds == done.epochs[-1]["seconds"] > 0
    assert trained(Plan(phase="x", steps=6), measured={}).accuracies == {}


@pytest.mark.parametrize("kill_at", [1, 4, 6])
def test_a_killed_training_ends_with_the_same_measurements(tmp_path, kill_at):
    class Killing:
        def advance(self, phase, done):
            if done == kill_at:
                raise KeyboardInterrupt

        def begin(self, *_):
            pass

        record = end = say = begin

    plan = Plan(phase="x", steps=6, checkpoint=tmp_path / "x.ckpt", save_every=0.0)
    with pytest.raises(KeyboardInterrupt):
        trained(plan, observer=Killing())
    whole, again = trained(Plan(phase="x", steps=6)), trained(plan)
    assert again.accuracies == whole.accuracies
    assert same(snapshot(whole.network), again.network.state_dict())
    # The checkpoint stays until whoever records the result removes it: the weights are there without a step.
    assert trained(plan, observer=Killing()).accuracies == whole.accuracies


def test_a_network_that_explodes_is_said():
    network = build(lambda: SPACE.network(ARCHS[0]), Streams(1), "cpu")
    wild = Recipe(epochs=1, batch_size=8, lr=1e30)
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) at step 1 \(stand-alone network\)"):
        train_and_measure(network, Cycle(), wild, Streams(0), plan=Plan(phase="x", steps=4), classes=3, measured={})
