"""Which networks are trained from scratch: found ones, random ones of like cost, and one off the shelf."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float64, UInt8

from trueshot.core.random import Streams
from trueshot.core.records import Role
from trueshot.sampling import Sampler, Uniform, describe_sampler
from trueshot.search.bounds import Bounds
from trueshot.search.extremes import cost_range
from trueshot.search.selection import best_under
from trueshot.spaces import Space
from trueshot.spaces.costs import CostFunctions
from trueshot.spaces.offtheshelf import MobileNetV2, reduction_for, scaled_to
from trueshot.spaces.timm_model import TimmModel
from trueshot.strategies.config import BudgetConfig
from trueshot.strategies.finish.baselines import BELOW, LEAST, NEAR, draw_costing

Way = Literal["scratch", "tuned", "frozen"]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A network to train from scratch.

    Attributes:
        name: unique in the run.
        role: where it comes from; a ``check`` is no network to choose, it tells whether others have converged.
        space: that its network is built in.
        row: architecture ``(decisions,)``.
        budget: bound on the cost under which it was picked, or that of the winner it stands beside.
        score: what the evaluator said, ``None`` where it was not asked.
        repeat: number of the training, from 0; each has its own seed.
        share: of the steps of the others; half of them tells whether those have converged.
        way: trained from scratch, or a pretrained network: fine-tuned, or frozen but for a linear head.
    """

    name: str
    role: Role | Literal["check"]
    space: Space
    row: UInt8[np.ndarray, " decisions"]
    budget: float | None
    score: float | None = None
    repeat: int = 0
    share: float = 1.0
    way: Way = "scratch"

    @property
    def kind(self) -> Literal["space", "shelf", "tuned", "frozen"]:
        """What has to converge by itself: networks of the ``space``, off the ``shelf``, or fine-tuned ones."""
        if self.way != "scratch":
            return self.way
        return "shelf" if not self.row.size else "space"

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
    standing: Float64[np.ndarray, " n"] | None = None,
) -> list[Candidate]:
    """Return the best evaluated architecture under each budget of ``cost``, no architecture twice.

    The best is that of the highest ``standing``; without it, of the highest score.
    """
    positions = best_under(budgets, archs, scores if standing is None else standing, costs[cost](archs))
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


@dataclass(frozen=True)
class Baselines:
    """Random architectures beside the winners, and what there is to say of groups that are not there."""

    candidates: list[Candidate]
    notes: tuple[str, ...]


def pick_random(
    costs: CostFunctions,
    winners: list[Candidate],
    streams: Streams,
    cost: str,
    *,
    each: int,
    at_bound: int = 0,
    sampler: Sampler | None = None,
    bounds: Bounds | None = None,
) -> Baselines:
    """Return random architectures for every winner, by the rule of :mod:`trueshot.strategies.finish.baselines`.

    Args:
        costs: of the space.
        winners: one for each budget.
        streams: source of all draws.
        cost: name of the cost that is bounded.
        each: architectures within 2 % of each winner's cost; a winner near which fewer than two are found gets none.
        at_bound: architectures within 5 % below each budget; none where the winner is as expensive itself.
        sampler: the distribution of the first proposals; uniform by default.
        bounds: of other costs, which random architectures meet as the found ones do.
    """
    sampler = sampler or Uniform(costs.space)
    chosen: list[Candidate] = []
    notes = []
    taken = {bytes(winner.row) for winner in winners}
    for winner in winners:
        target = costs[cost](winner.row[None])[0].item()
        near = (target * (1 - NEAR), target * (1 + NEAR))
        rng = streams.numpy("random-baseline", *winner.row.tolist())
        drawn = draw_costing(costs, sampler, cost, near, max(each, LEAST) if each else 0, rng, taken, bounds)
        if each and len(drawn.rows) < LEAST:
            few = "none" if not len(drawn.rows) else "one"
            notes.append(
                f"{winner.name} has no random networks beside it: of {drawn.draws:,} architectures drawn"
                f" {describe_sampler(sampler)}, {few} costs within {NEAR:.0%} of it"
            )
            drawn = replace(drawn, rows=drawn.rows[:0])
        chosen += _named("random", winner, drawn.rows[:each], chosen)
        taken |= {bytes(row) for row in drawn.rows[:each]}
        if at_bound and winner.budget is not None and near[1] < winner.budget:
            bound = (winner.budget * (1 - BELOW), winner.budget)
            rng = streams.numpy("random-at-bound", *winner.row.tolist())
            rows = draw_costing(costs, sampler, cost, bound, at_bound, rng, taken, bounds).rows
            chosen += _named("at-bound", winner, rows, chosen)
            taken |= {bytes(row) for row in rows}
    return Baselines(chosen, tuple(notes))


def _named(role: Role, winner: Candidate, rows: np.ndarray, before: list[Candidate]) -> list[Candidate]:
    first = 1 + sum(candidate.role == role for candidate in before)
    return [
        Candidate(name=f"{role}-{number}", role=role, space=winner.space, budget=winner.budget, row=row)
        for number, row in enumerate(rows, start=first)
    ]


def pick_off_the_shelf(space: Space, winners: list[Candidate]) -> list[Candidate]:
    """Return a MobileNetV2 scaled to at most the MAdds of the most expensive winner; nothing without winners."""
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
    scaled = scaled_to(plan, target)
    row = scaled.parse("")
    return [Candidate(name="mobilenetv2", role="off-the-shelf", space=scaled, row=row, budget=budget)]


def pick_pretrained(space: TimmModel, budget: float | None) -> list[Candidate]:
    """Return a pretrained network frozen and fine-tuned, in this order: the second starts from the first one's head."""
    ways: tuple[Way, ...] = ("frozen", "tuned")
    row = space.parse("")
    return [
        Candidate(name=f"{space.model}-{way}", role="pretrained", space=space, row=row, budget=budget, way=way)
        for way in ways
    ]


def repeated(candidates: list[Candidate], repeats: int) -> list[Candidate]:
    """Return every candidate once for each repeat, with names of their own."""
    return [
        candidate
        if repeat == 0
        else dataclasses.replace(candidate, name=f"{candidate.name}-seed{repeat + 1}", repeat=repeat)
        for candidate in candidates
        for repeat in range(repeats)
    ]
