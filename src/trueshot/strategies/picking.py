"""Which networks are trained from scratch: found ones, random ones of like cost, and one off the shelf."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, UInt8

from trueshot.core.random import Streams
from trueshot.core.records import Role
from trueshot.sampling import Matched, Uniform
from trueshot.search.extremes import cost_range, extremes
from trueshot.search.selection import best_under
from trueshot.spaces import Space
from trueshot.spaces.costs import CostFunctions, additive, standard_costs
from trueshot.spaces.offtheshelf import MobileNetV2, reduction_for
from trueshot.spaces.widths import scale_width
from trueshot.strategies.config import BudgetConfig

_POOL, _FEW, _TOLERANCE = 4000, 200, 0.05
"""Architectures drawn to find some of like cost: by tables of costs, and where each cost may take its time."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A network to train from scratch.

    Attributes:
        name: unique in the run.
        role: winner, random or off-the-shelf.
        space: that its network is built in.
        row: architecture ``(decisions,)``.
        budget: bound on the cost under which it was picked, or that of the winner it stands beside.
        score: what the evaluator said, ``None`` where it was not asked.
        repeat: number of the training, from 0; each has its own seed.
    """

    name: str
    role: Role
    space: Space
    row: UInt8[np.ndarray, " decisions"]
    budget: float | None
    score: float | None = None
    repeat: int = 0

    @property
    def arch(self) -> str:
        """The architecture as text; empty for a network that is the only one of its space."""
        return self.space.format(self.row)

    @property
    def stream(self) -> str:
        """What the random stream of its training is called."""
        return self.space.stream_name(self.row)


def budgets_of(costs: CostFunctions, config: BudgetConfig, most: float | None, cost: str) -> tuple[float, ...]:
    """Return the budgets under each of which a winner is picked, largest first; those nothing meets are left out.

    Args:
        costs: of the space.
        config: the shares.
        most: the bound on the cost, ``None`` without one.
        cost: its name; budgets are rounded where its range is one of whole numbers.
    """
    low, high = cost_range(costs, cost)
    top, whole = high if most is None else most, isinstance(high, int)
    budgets = {round(share * top) if whole else share * top for share in config.fractions if share * top >= low}
    return tuple(sorted(budgets, reverse=True))


def pick_winners(
    costs: CostFunctions,
    archs: UInt8[np.ndarray, "n decisions"],
    scores: Float64[np.ndarray, " n"],
    budgets: tuple[float, ...],
    cost: str,
) -> list[Candidate]:
    """Return the best evaluated architecture under each budget of ``cost``, no architecture twice."""
    positions = best_under(budgets, archs, scores, costs[cost](archs))
    return [
        Candidate(
            name=f"best-{index}",
            role="winner",
            space=costs.space,
            budget=budget,
            row=archs[position],
            score=float(scores[position]),
        )
        for index, (budget, position) in enumerate(zip(budgets, positions, strict=True), start=1)
        if position is not None
    ]


def pick_random(
    costs: CostFunctions, winners: list[Candidate], each: int, streams: Streams, cost: str
) -> list[Candidate]:
    """Return ``each`` random architectures for every winner whose ``cost`` is within 5 % of its (else the closest)."""
    measure = costs[cost]
    chosen: list[Candidate] = []
    taken = {bytes(winner.row) for winner in winners}
    for winner in winners:
        rng = streams.numpy("random-baseline", *winner.row.tolist())
        target = measure(winner.row[None])[0]
        pool = _pool(costs.space, rng, _FEW if additive(measure) is None else _POOL)
        distance = np.abs(measure(pool) - target) / target
        order = np.argsort(np.maximum(distance, _TOLERANCE), kind="stable")
        fresh = (row for row in pool[order] if bytes(row) not in taken)
        for row, _ in zip(fresh, range(each), strict=False):
            taken.add(bytes(row))
            name = f"random-{len(chosen) + 1}"
            chosen.append(Candidate(name=name, role="random", space=costs.space, budget=winner.budget, row=row))
    return chosen


def pick_off_the_shelf(space: Space, winners: list[Candidate]) -> list[Candidate]:
    """Return a MobileNetV2 scaled to the MAdds of the most expensive winner; nothing without winners."""
    if not winners:
        return []
    target = int(space.cost(np.stack([winner.row for winner in winners])).madds.max())
    plan = MobileNetV2(
        image_size=space.image_size,
        classes=space.classes,
        in_channels=space.in_channels,
        reduction=reduction_for(space.image_size),
        head_width=int(getattr(space, "head_width", 1280)),
    )
    budget = max(winner.budget or 0 for winner in winners) or None
    scaled = scale_width(plan, lambda network: network.madds, target)
    row = scaled.parse("")
    return [Candidate(name="mobilenetv2", role="off-the-shelf", space=scaled, row=row, budget=budget)]


def repeated(candidates: list[Candidate], repeats: int) -> list[Candidate]:
    """Return every candidate once for each repeat, with names of their own."""
    return [
        candidate
        if repeat == 0
        else dataclasses.replace(candidate, name=f"{candidate.name}-seed{repeat + 1}", repeat=repeat)
        for candidate in candidates
        for repeat in range(repeats)
    ]


def _pool(space: Space, rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw some ``size`` distinct architectures over the whole range of costs, in random order."""
    drawn = [Uniform(space).sample(size, rng)]
    if space.droppable.any() and space.cost_table is not None:
        drawn += [Matched(space, p_drop).sample(size // 4, rng) for p_drop in np.linspace(0.0, 1.0, 9)]
    # Mixtures with the most and least expensive options reach the ends of the range, where uniform draws never fall.
    ends = extremes(standard_costs(space), "madds")
    for end in (ends.cheapest, ends.most_expensive):
        mask = rng.random((size // 2, len(end))) < rng.random((size // 2, 1))
        drawn.append(np.where(mask, end, Uniform(space).sample(size // 2, rng)).astype(np.uint8))
    pool = np.unique(np.concatenate(drawn), axis=0)
    shuffled: np.ndarray = rng.permutation(pool[space.valid(pool)])
    return shuffled
