"""What is told of the mistakes of a network, against scikit-learn and by hand."""

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix

from trueshot.core.results import check_section
from trueshot.evaluation.accuracy import Answers
from trueshot.strategies.finish.mistakes import MOST, mistakes_of
from trueshot.training.data.dataset import Part
from trueshot.training.data.thumbnails import thumbnail

CLASSES = ("a", "b", "c", "without images")


@pytest.fixture
def part():
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (60, 3, 8, 8), dtype=torch.uint8, generator=draw)
    return Part(images=images, labels=torch.randint(0, 3, (60,), generator=draw))


def answers(part, wrong):
    """Return answers that are wrong at so many places, the first surest but for two equally sure ones."""
    true = part.labels.numpy()
    given = np.where(np.arange(60) < wrong, (true + 1) % 3, true)
    sure = np.linspace(0.9, 0.3, 60)
    sure[4] = sure[3]
    return Answers(given, sure, np.full(60, 0.05))


def test_the_matrix_is_scikit_learn_s(part):
    confusion, _ = mistakes_of("best", found := answers(part, 30), part, CLASSES)
    matrix = np.zeros((4, 4), dtype=int)
    for true, given, count in confusion.counts:
        assert count > 0
        matrix[true, given] = count
    np.testing.assert_array_equal(matrix, confusion_matrix(part.labels, found.given, labels=range(4)))
    check_section(confusion, "the finish")


@pytest.mark.parametrize("wrong", [30, 5])
def test_the_surest_mistakes_are_shown_a_dozen_at_most(part, wrong):
    confusion, section = mistakes_of("best", found := answers(part, wrong), part, CLASSES)
    assert sum(count for *_, count in confusion.confused) == wrong
    assert len(section.mistakes) == min(wrong, MOST) <= 12
    for place, mistake in enumerate(section.mistakes):
        assert (mistake.image, mistake.side) == thumbnail(part.images[place])
        assert (mistake.true, mistake.given) == (CLASSES[part.labels[place]], CLASSES[found.given[place]])
        assert (mistake.probability, mistake.of_true) == (found.probability[place], 0.05)
    assert f"Of {wrong} wrong answers to 60 test images" in section.note
    check_section(section, "the finish")


def test_no_mistake_is_said(part):
    confusion, section = mistakes_of("best", answers(part, 0), part, CLASSES)
    assert (confusion.confused, section.mistakes) == ([], ())
    assert section.note == "It made no mistake on the 60 test images."


def test_names_that_are_no_text_can_be_written(part, monkeypatch):
    monkeypatch.setattr(Part, "name", lambda self, position: "folder/\udcff.png")
    _, section = mistakes_of("best", answers(part, 1), part, CLASSES)
    assert section.mistakes[0].name == r"folder/\udcff.png"
    section.mistakes[0].name.encode()
