"""What is trained for how long within the time left: which networks stay, and how many steps all of them get.

Networks that are compared are trained for equally many steps, in turns: a part of each, then the next part of each. So
their number of steps may change with the speed measured, for all of them alike, until the last part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PARTS = (0.1, 0.4, 0.7, 1.0)
"""Shares of the steps after which networks take turns, where there is a deadline."""

Order = tuple[int, float]


@dataclass(frozen=True, kw_only=True)
class Job:
    """A network that is to be trained.

    Attributes:
        name: of the network.
        drop: when it is given up for lack of time: the highest first, 0 never.
        share: of the common number of steps; a half for the training that tells whether the others have converged.
    """

    name: str
    drop: int = 0
    share: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Which networks train on, for how many steps in all, and until which share of them before the next turn.

    Attributes:
        names: of the networks that stay, in order.
        steps: of each with share 1.
        part: share of its steps until which each trains now.
    """

    names: tuple[str, ...]
    steps: int
    part: float


def seconds_left(jobs: Sequence[Job], steps: int, done: float, rates: Mapping[str, float], again: float) -> float:
    """Return the seconds that the rest of all trainings takes.

    Args:
        jobs: the networks.
        steps: of each with share 1.
        done: steps of these that are done, in each.
        rates: seconds a step, by name.
        again: trainings of one network more, the one that will be chosen, whole.
    """
    rest = sum(rates[job.name] * job.share * max(0.0, steps - done) for job in jobs)
    slowest = max((rates[job.name] for job in jobs), default=0.0)
    return rest + again * steps * slowest


def next_turn(
    jobs: Sequence[Job],
    *,
    number: int,
    wanted: int,
    done: float,
    seconds: float,
    rates: Mapping[str, float],
    least: int,
    most: int,
    again: float = 1.0,
) -> Turn:
    """Return the next turn, within the seconds left if at all possible.

    Networks are given up before steps are, down to those that never are; then steps, down to ``least``. Where the time
    is more than enough, all get more steps, up to ``most``.

    Args:
        jobs: the networks that have stayed so far.
        number: of the turn, from 0.
        wanted: steps of each with share 1 under which they should converge.
        done: of these, how many are done.
        seconds: that are left.
        rates: seconds a step, by name.
        least: steps below which such networks cannot converge.
        most: steps at most.
        again: trainings of the chosen network that are to follow.
    """
    kept = list(jobs)
    while kept and seconds_left(kept, wanted, done, rates, again) > seconds:
        dropped = max(job.drop for job in kept)
        if dropped == 0:
            break
        kept = [job for job in kept if job.drop < dropped]
    price = sum(rates[job.name] * job.share for job in kept)
    more = again * max((rates[job.name] for job in kept), default=0.0)
    affordable = (seconds + price * done) / max(price + more, 1e-12)
    chosen = int(min(max(affordable, least, done + 1), most))
    part = PARTS[min(number, len(PARTS) - 1)]
    return Turn(names=tuple(job.name for job in kept), steps=chosen, part=part)
