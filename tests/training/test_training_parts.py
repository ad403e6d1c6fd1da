"""A batch in parts: the gradients of the whole, where nothing normalises across images."""

import pytest
import torch
from torch import nn
from training_parts import SPACE, make_supernet

from trueshot.core.random import Streams
from trueshot.sampling import Uniform
from trueshot.training.classification import Loss
from trueshot.training.config import Recipe
from trueshot.training.optimizers import make_optimizer
from trueshot.training.parts import in_parts
from trueshot.training.standalone import NetworkTask
from trueshot.training.supernet import StepOptions, SupernetTask

IMAGES, LABELS = torch.randn(14, 3, 8, 8), torch.arange(14) % 3


def test_parts_are_few_and_of_like_size():
    assert [len(labels) for _, labels in in_parts(IMAGES, LABELS, 6)] == [5, 5, 4]
    assert [len(labels) for _, labels in in_parts(IMAGES, LABELS, 7)] == [7, 7]
    for at_once in (None, 14, 20):
        ((images, labels),) = in_parts(IMAGES, LABELS, at_once)
        assert images is IMAGES
        assert labels is LABELS
    assert torch.equal(torch.cat([images for images, _ in in_parts(IMAGES, LABELS, 4)]), IMAGES)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.ReLU(), nn.Linear(8, 3))


def stepped(at_once):
    trained = network()
    recipe = Recipe(epochs=1, batch_size=14, at_once=at_once, lr=0.5)
    task = NetworkTask(trained, recipe, make_optimizer(trained, recipe), None, Loss(label_smoothing=0.1), Streams(0))
    metrics = task.step(0, {"train": (IMAGES, LABELS)})
    return trained, {name: float(metric.value) for name, metric in metrics.items()}


@pytest.mark.parametrize("at_once", [3, 5, 7])
def test_a_network_takes_the_same_step(at_once):
    (whole, told), (parts, told_too) = stepped(None), stepped(at_once)
    assert told_too == pytest.approx(told, rel=1e-5)
    for first, second in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(first, second)


def test_a_supernet_takes_the_same_step_but_for_norms(monkeypatch):
    after = {}
    for at_once in (None, 5):
        supernet = make_supernet()
        recipe = Recipe(epochs=1, batch_size=14, lr=0.1, momentum=0.0)
        options = StepOptions(at_once=at_once)
        task = SupernetTask(
            supernet, Uniform(SPACE, 2), make_optimizer(supernet, recipe), None, Loss(), None, Streams(0), options
        )
        # In evaluation mode no image has a part in how another is normalised.
        supernet.eval()
        monkeypatch.setattr(supernet, "train", lambda supernet=supernet: supernet)
        told = task.step(0, {"train": (IMAGES, LABELS)})
        after[at_once] = supernet.state_dict(), {name: float(metric.value) for name, metric in told.items()}
    assert after[5][1] == pytest.approx(after[None][1], rel=1e-4)
    for name, value in after[None][0].items():
        torch.testing.assert_close(after[5][0][name], value, msg=name)
