"""Evaluators that train: repeatable, and without trace in the supernet."""

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from evaluation_parts import SPACE, batches, make_supernet, same, snapshot

from trueshot.core.random import Streams
from trueshot.evaluation import FINE_TUNING, FineTuned, StandAlone, Trial, measure
from trueshot.training.recipe import Recipe

ARCHS = SPACE.sample(3, 5)


class Cycle:
    """The same few batches again and again."""

    batch_size, steps_per_epoch = 8, 2

    def iterate(self, start_step, stop_step):
        stored = batches(2, 8, 4)
        yield from (stored[step % 2] for step in range(start_step, stop_step))


def trial(recipe=FINE_TUNING, **options):
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
