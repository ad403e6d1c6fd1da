"""Which networks are retrained: winners, random architectures of like cost, and one off the shelf."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt8

from trueshot.core.random import Streams
from trueshot.core.records import Role
from trueshot.sampling import Matched, Uniform
from trueshot.search.bounds import cheapest, cost_range, dearest
from trueshot.search.evolve import History
from trueshot.search.selection import best_under
from trueshot.spaces import Space
from trueshot.spaces.offtheshelf import MobileNetV2, reduction_for, scale_to_madds
from trueshot.strategies.config import BudgetConfig

_POOL, _TOLERANCE = 4000, 0.05


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A network to train from scratch.

    Attributes:
        name: unique in the run.
        role: winner, random or off-the-shelf.
        budget: bound on the objective's cost under which it was picked, or that of the winner it stands beside.
        row: architecture ``(decisions,)``, ``None`` for a network off the shelf.
        plan: the off-the-shelf network, else ``None``.
        score: what the evaluator said, ``None`` where it was not asked.
        repeat: number of the training, from 0; each has its own seed.
    """

    name: str
    role: Role
    budget: int | None
    row: UInt8[np.ndarray, " decisions"] | None = None
    plan: MobileNetV2 | None = None
    score: float | None = None
    repeat: int = 0


def budgets_of(space: Space, config: BudgetConfig, objective: str) -> tuple[int, ...]:
    """Return the budgets under each of which a winner is picked, largest first; those nothing meets are left out."""
    bound = config.max_madds if objective == "madds" else config.max_params
    low, high = cost_range(space, "madds" if objective == "madds" else "params")
    top = bound or high
    return tuple(sorted({round(share * top) for share in config.fractions if share * top >= low}, reverse=True))


def pick_winners(space: Space, history: History, budgets: tuple[int, ...], objective: str) -> list[Candidate]:
    """Return the best evaluated architecture under each budget, no architecture twice."""
    positions = best_under(budgets, history.archs, history.scores, _cost(space, history.archs, objective))
    return [
        Candidate(
            name=f"best-{index}",
            role="winner",
            budget=budget,
            row=history.archs[position],
            score=float(history.scores[position]),
        )
        for index, (budget, position) in enumerate(zip(budgets, positions, strict=True), start=1)
        if position is not None
    ]


def pick_random(
    space: Space, winners: list[Candidate], each: int, streams: Streams, objective: str = "madds"
) -> list[Candidate]:
    """Return ``each`` random architectures for every winner whose cost is within 5 % of its (else the closest).

    The cost is that which was minimised, ``madds`` or ``params``.
    """
    chosen: list[Candidate] = []
    taken = {bytes(winner.row) for winner in winners if winner.row is not None}
    for winner in winners:
        assert winner.row is not None
        rng = streams.numpy("random-baseline", *winner.row.tolist())
        target = int(_cost(space, winner.row[None], objective)[0])
        pool = _pool(space, rng)
        distance = np.abs(_cost(space, pool, objective) - target) / target
        order = np.argsort(np.maximum(distance, _TOLERANCE), kind="stable")
        fresh = (row for row in pool[order] if bytes(row) not in taken)
        for row, _ in zip(fresh, range(each), strict=False):
            taken.add(bytes(row))
            chosen.append(Candidate(name=f"random-{len(chosen) + 1}", role="random", budget=winner.budget, row=row))
    return chosen


def pick_off_the_shelf(space: Space, winners: list[Candidate]) -> list[Candidate]:
    """Return a MobileNetV2 scaled to the MAdds of the dearest winner; nothing without winners."""
    rows = [winner.row for winner in winners if winner.row is not None]
    if not rows:
        return []
    target = int(space.cost(np.stack(rows)).madds.max())
    plan = MobileNetV2(
        image_size=space.image_size,
        classes=space.classes,
        in_channels=space.in_channels,
        reduction=reduction_for(space.image_size),
        head_width=int(getattr(space, "head_width", 1280)),
    )
    budget = max(winner.budget or 0 for winner in winners) or None
    return [Candidate(name="mobilenetv2", role="off-the-shelf", budget=budget, plan=scale_to_madds(target, plan))]


def repeated(candidates: list[Candidate], repeats: int) -> list[Candidate]:
    """Return every candidate once for each repeat, with names of their own."""
    return [
        candidate if repeat == 0 else _again(candidate, repeat) for candidate in candidates for repeat in range(repeats)
    ]


def _again(candidate: Candidate, repeat: int) -> Candidate:
    fields = {**vars(candidate), "name": f"{candidate.name}-seed{repeat + 1}", "repeat": repeat}
    return Candidate(**fields)


def _cost(space: Space, archs: UInt8[np.ndarray, "n decisions"], objective: str) -> Int64[np.ndarray, " n"]:
    costs = space.cost(archs)
    return costs.madds if objective == "madds" else costs.params


def _pool(space: Space, rng: np.random.Generator) -> np.ndarray:
    """Draw distinct architectures over the whole range of costs, in random order."""
    drawn = [Uniform(space).sample(_POOL, rng)]
    if space.droppable.any():
        drawn += [Matched(space, p_drop).sample(_POOL // 4, rng) for p_drop in np.linspace(0.0, 1.0, 9)]
    # Mixtures with the dearest and cheapest options reach the ends of the range, where uniform draws never fall.
    ends = np.stack([cheapest(space), dearest(space)])
    for end in ends:
        mask = rng.random((_POOL // 2, len(end))) < rng.random((_POOL // 2, 1))
        drawn.append(np.where(mask, end, Uniform(space).sample(_POOL // 2, rng)).astype(np.uint8))
    pool = np.unique(np.concatenate(drawn), axis=0)
    shuffled: np.ndarray = rng.permutation(pool)
    return shuffled
