"""What studies need, counted once where they share it, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Need:
    """One piece of work, which studies share where its key is the same.

    Attributes:
        key: fingerprint of what is made; ``seed``: which repetition of it.
        kind: what it is, for people.
        what: ``training``, ``samples``, ``scores``, ``truth`` or ``search``.
        seconds: of one core, or of the device.
        done: whether it is there already.
    """

    key: str
    seed: int
    kind: str
    what: str
    seconds: float
    done: bool


@dataclass(kw_only=True)
class Line:
    """All work on one kind.

    Attributes:
        kind: what it is.
        seeds: repetitions of it.
        training: seconds of training and of samples of weights; ``scoring``: of scores; ``left``: of what is not there.
        studies: that need it.
    """

    kind: str
    seeds: int
    training: float
    scoring: float
    left: float
    studies: tuple[str, ...]

    @property
    def total(self) -> float:
        """Seconds of all of it."""
        return self.training + self.scoring


def summed(needs: Iterable[tuple[str, Need]]) -> list[Line]:
    """Return a line for each kind, most expensive first; equal work of several studies counts once.

    Args:
        needs: the name of a study and one of its needs.
    """
    lines: dict[str, Line] = {}
    seen: dict[tuple[str, int, str], Need] = {}
    seeds: dict[str, set[int]] = {}
    for study, need in needs:
        line = lines.setdefault(
            need.kind, Line(kind=need.kind, seeds=0, training=0.0, scoring=0.0, left=0.0, studies=())
        )
        if study not in line.studies:
            line.studies += (study,)
        if (place := (need.key, need.seed, need.what)) in seen:
            continue
        seen[place] = need
        seeds.setdefault(need.kind, set()).add(need.seed)
        if need.what == "scores":
            line.scoring += need.seconds
        else:
            line.training += need.seconds
        line.left += 0.0 if need.done else need.seconds
    for line in lines.values():
        line.seeds = len(seeds[line.kind])
    return sorted(lines.values(), key=lambda line: -line.total)
