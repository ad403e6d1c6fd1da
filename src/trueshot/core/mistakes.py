"""What a network gets wrong: sections of a result that the report shows as a matrix and as pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """How many images of each class were taken for which.

    Attributes:
        name: short name, unique in the result.
        title: for people.
        classes: names; a class number is a position in it.
        counts: number of the true class, number of the class given, and how many images, wherever there are any.
    """

    kind: ClassVar[str] = "confusion"
    name: str
    title: str
    classes: tuple[str, ...]
    counts: tuple[tuple[int, int, int], ...]

    @property
    def images(self) -> int:
        """How many images there were."""
        return sum(count for *_, count in self.counts)

    @property
    def of_class(self) -> dict[int, int]:
        """How many images each true class had, by its number; classes without images are left out."""
        found: dict[int, int] = {}
        for true, _, count in self.counts:
            found[true] = found.get(true, 0) + count
        return found

    @property
    def confused(self) -> list[tuple[int, int, int]]:
        """The counts of wrong answers, the most first; of equally many, those of the smaller class."""
        sizes = self.of_class
        wrong = [entry for entry in self.counts if entry[0] != entry[1]]
        return sorted(wrong, key=lambda entry: (-entry[2], sizes[entry[0]], entry))

    def check(self) -> str | None:
        """Say what is wrong with the numbers, ``None`` where nothing is."""
        for true, given, count in self.counts:
            if not (0 <= true < len(self.classes) and 0 <= given < len(self.classes) and count >= 0):
                return f"counts {count} images of class {true} taken for {given}, of {len(self.classes)} classes"
        return None


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """One image and the wrong answer to it.

    Attributes:
        image: the picture as a data URI, ``data:image/...``.
        side: of the picture, in pixels.
        name: of the image in its source, such as its file; empty where it has none.
        true: name of its class; ``given``: of the class that the network gave.
        probability: that the network gave to its answer; ``of_true``: to the true class.
    """

    image: str
    side: int
    name: str
    true: str
    given: str
    probability: float
    of_true: float


@dataclass(frozen=True, kw_only=True)
class Mistakes:
    """Wrong answers as pictures.

    Attributes:
        name: short name, unique in the result.
        title: for people.
        mistakes: in the order in which they are shown.
        note: a sentence below them.
    """

    kind: ClassVar[str] = "mistakes"
    name: str
    title: str
    mistakes: tuple[Mistake, ...]
    note: str = ""

    def check(self) -> str | None:
        """Say which picture is none, ``None`` where all are."""
        for mistake in self.mistakes:
            if not mistake.image.startswith("data:image/"):
                return f"has a picture '{mistake.image[:40]}': give the image itself, as data:image/png;base64,..."
        return None
