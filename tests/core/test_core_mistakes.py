"""Sections on mistakes: what is told of them, and what is refused."""

from dataclasses import replace

import pytest

from trueshot.core.errors import ConfigError
from trueshot.core.mistakes import Confusion, Mistake, Mistakes
from trueshot.core.results import check_section

CONFUSION = Confusion(
    name="c", title="C", classes=("a", "b", "c"), counts=((0, 0, 9), (0, 1, 3), (1, 0, 3), (1, 1, 1), (2, 0, 5))
)
MISTAKE = Mistake(
    image="data:image/png;base64,AAAA", side=8, name="a.png", true="a", given="b", probability=0.9, of_true=0.1
)


def test_the_most_confused_come_first_and_of_equally_many_those_of_the_smaller_class():
    assert CONFUSION.images == 21
    assert CONFUSION.of_class == {0: 12, 1: 4, 2: 5}
    assert CONFUSION.confused == [(2, 0, 5), (1, 0, 3), (0, 1, 3)]


@pytest.mark.parametrize("entry", [(0, 3, 1), (-1, 0, 1), (0, 1, -2)])
def test_classes_that_are_none_are_refused(entry):
    check_section(CONFUSION, "strategy mine")
    with pytest.raises(ConfigError, match=r"section 'c' that strategy mine adds counts .* of 3 classes"):
        check_section(replace(CONFUSION, counts=(entry,)), "strategy mine")


@pytest.mark.parametrize("image", ["https://example.org/a.png", "a.png", "data:text/html,<script>"])
def test_pictures_are_part_of_the_result(image):
    check_section(Mistakes(name="m", title="M", mistakes=(MISTAKE,)), "strategy mine")
    with pytest.raises(ConfigError, match=r"has a picture '.*': give the image itself"):
        check_section(Mistakes(name="m", title="M", mistakes=(replace(MISTAKE, image=image),)), "strategy mine")
