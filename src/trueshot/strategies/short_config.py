"""The configuration of short trainings of the best by an evaluator."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from trueshot.core.config import Config, Flag


class ShortConfig(Config):
    """Short trainings of the best by the evaluator, by successive halving (Jamieson and Talwalkar, 2016).

    All are trained for a few epochs, then the better half for more, from the start again, then the better half of
    these; each length has a schedule of its own.

    Attributes:
        architectures: how many are trained; 0 for none, twins count once.
        shares: of the epochs of the retraining, for all, for the better half, for the better half of these, and so on.
        pool: share of the best by the score from which those with the most live parameters are trained; 0 trains the
            best by the score itself. On NAS-Bench-201 this order finds better ones (docs/methods/ranking.md); nothing
            is known of other spaces.
    """

    architectures: Annotated[
        int,
        Flag("--short-trainings", metavar="N", help="Train the N best for a few epochs and order the top by these."),
    ] = Field(default=0, ge=0)
    shares: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(default=(0.06, 0.12, 0.25), min_length=1)
    pool: float = Field(default=0.1, ge=0, le=1)

    @model_validator(mode="after")
    def _check_short(self) -> ShortConfig:
        if self.architectures == 1:
            raise ValueError("one short training has nothing to be compared with: choose 2 or more")
        if list(self.shares) != sorted(set(self.shares)):
            raise ValueError(f"shares {list(self.shares)} must rise: fewer architectures are trained for longer")
        return self

    def epochs(self, whole: int) -> tuple[int, ...]:
        """Return the epochs of each round; no round is as short as the one before or longer than the retraining.

        Args:
            whole: epochs of the retraining.
        """
        found: list[int] = []
        for share in self.shares:
            least = found[-1] + 1 if found else 1
            if least <= whole:
                found.append(min(whole, max(least, round(share * whole))))
        return tuple(found)

    def rounds(self, whole: int, architectures: int | None = None) -> tuple[tuple[int, int], ...]:
        """Return how many architectures each round trains, and for how many epochs; one alone is not trained longer.

        Args:
            whole: epochs of the retraining.
            architectures: that there are, where there are fewer than asked for.
        """
        left = self.architectures if architectures is None else min(self.architectures, architectures)
        found: list[tuple[int, int]] = []
        for epochs in self.epochs(whole):
            if left < (1 if not found else 2):
                break
            found.append((left, epochs))
            left = half(left)
        return tuple(found)

    def total_epochs(self, whole: int) -> int:
        """Return the epochs of all rounds and architectures together."""
        return sum(count * epochs for count, epochs in self.rounds(whole))

    def scaled(self, factor: float) -> ShortConfig:
        """Return the configuration with so many times the epochs, at most those of the retraining."""
        return self.replace(shares=tuple(sorted({min(1.0, share * factor) for share in self.shares})))


class RankShortConfig(ShortConfig):
    """Short trainings of the best by a ranking's first evaluator.

    Attributes:
        column: of the truth that stands for short trainings; with it the best found after k look-ups is told too.
    """

    column: Annotated[
        str | None, Flag("--short-column", metavar="C", help="Column of the truth that stands for short trainings.")
    ] = None


def half(count: int) -> int:
    """Return how many of ``count`` architectures are the better half, the one in the middle among them."""
    return (count + 1) // 2
