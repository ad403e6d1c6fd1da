"""Short trainings: the best by an evaluator are trained for a few epochs, and the top is ordered by these.

One place for all strategies and for rankings. What trains and measures is the evaluator ``train``, at other lengths.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from trueshot.core.errors import TrainingError
from trueshot.core.files import write_text
from trueshot.core.results import Table
from trueshot.evaluation.costs import CostScore
from trueshot.evaluation.protocol import Evaluator
from trueshot.spaces import Space
from trueshot.strategies.protocol import Found
from trueshot.strategies.setup import Context
from trueshot.strategies.short_config import ShortConfig, half

PHASE = "short trainings"

Size = Callable[[Int64[np.ndarray, " k"]], Float64[np.ndarray, " k"]]

BROKEN = -np.inf
"""The accuracy of a training whose loss was not finite."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Shortened:
    """What short trainings said of a few architectures.

    Attributes:
        epochs: of each round.
        accuracies: on the validation images after each round, in [0, 1], ``(rounds, n)``; NaN of those that took no
            part, minus infinity of those whose training broke.
    """

    epochs: tuple[int, ...]
    accuracies: Float64[np.ndarray, "rounds n"]

    @property
    def rounds(self) -> Int64[np.ndarray, " n"]:
        """How many trainings of each went well."""
        found: Int64[np.ndarray, " n"] = np.isfinite(self.accuracies).sum(axis=0).astype(np.int64)
        return found

    @property
    def last(self) -> Float64[np.ndarray, " n"]:
        """The accuracy of the last of these; where there is none, minus infinity after one that broke, else 0."""
        known = self.accuracies[np.maximum(self.rounds - 1, 0), np.arange(self.accuracies.shape[1])]
        found: Float64[np.ndarray, " n"] = np.where(np.isnan(known), 0.0, known)
        return found

    def told(self) -> str:
        """Say in a line what was trained."""
        counts = (~np.isnan(self.accuracies)).sum(axis=1)
        parts = [
            f"{_count(count, 'architecture') if not index else f'{count:,} of these'} for {_count(epochs, 'epoch')}"
            for index, (count, epochs) in enumerate(zip(counts.tolist(), self.epochs, strict=True))
        ]
        return ", ".join(parts)


def standing(
    rounds: Int64[np.ndarray, " n"], last: Float64[np.ndarray, " n"], scores: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, " n"]:
    """Return numbers that order architectures, higher is better, equals alike.

    Those that went through more rounds come first, then those of the better last accuracy, then those of the better
    score; what broke at once comes last, after what was not trained.
    """
    keys = np.stack([rounds.astype(np.float64), last, scores], axis=1)
    _, place = np.unique(keys, axis=0, return_inverse=True)
    return place.reshape(-1).astype(np.float64)


@final
class ShortTrainings:
    """Successive halving of a few architectures, by accuracy on the validation images after a few epochs.

    Args:
        config: how many are trained, and for how long.
        context: of the run; its ``retraining`` says how. Trainings are jobs of its executor and keep their results in
            ``log/short.parquet``; a killed run goes on in the middle of one.
    """

    def __init__(self, config: ShortConfig, context: Context) -> None:
        assert context.retraining is not None
        self.config, self.context, self.retraining = config, context, context.retraining
        self._done = 0
        self._until = math.inf

    def run(self, archs: UInt8[np.ndarray, "n decisions"], scores: Float64[np.ndarray, " n"]) -> Shortened:
        """Train all, then the better half for longer, and so on.

        Args:
            archs: what to train, no twins; where the time is short, the first of them.
            scores: of them, for the log.
        """
        observer, whole = self.context.observer, self.retraining.recipe.epochs
        rounds = self.config.rounds(whole, len(archs))
        observer.begin(PHASE, sum(count * epochs for count, epochs in rounds), 0, "epoch")
        left = np.arange(len(archs))[: self.config.architectures]
        if self.context.deadline is not None:
            self._until = self.context.deadline.until(PHASE)
        accuracies: list[np.ndarray] = []
        for number, (_, epochs) in enumerate(rounds, start=1):
            found = self._round(number, epochs, archs[left]) if number == 1 or len(left) > 1 else np.empty(0)
            if not len(found):
                break
            row = np.full(len(archs), np.nan)
            row[left[: len(found)]] = found
            accuracies.append(row)
            self._say(number, epochs, row)
            # Those for which there was no time stay behind, and so do those that broke.
            order = np.argsort(-found, kind="stable")
            left = left[order[np.isfinite(found[order])][: half(len(left))]]
        observer.end(PHASE)
        done = Shortened(
            epochs=tuple(epochs for _, epochs in rounds[: len(accuracies)]), accuracies=np.array(accuracies)
        )
        self._log(archs, scores, done)
        return done

    def _round(self, number: int, epochs: int, archs: UInt8[np.ndarray, "k decisions"]) -> Float64[np.ndarray, " j"]:
        """Train for so many epochs, as many architectures as there is time for; return their accuracies."""
        deadline, observer, before = self.context.deadline, self.context.observer, self._done

        def report(more: int) -> None:
            self._done += more * epochs
            observer.advance(PHASE, self._done)

        recipe = self.retraining.recipe.with_epochs(epochs)
        context = self.context.replace(retraining=self.retraining.replace(recipe=recipe))
        evaluator = context.stand_alone("accuracy", kept="short", report=report)
        if deadline is None:
            found = _accuracies(evaluator, archs)
        else:
            name, group = f"short-{number}", max(1, self.context.executor.workers or 1)
            found = np.empty(0)
            while len(found) < len(archs):
                stop, now = deadline.decided(name), len(found)
                # The first of all are trained however short the time is.
                if stop is None and (now or number > 1) and deadline.used >= self._until:
                    stop = deadline.decide(name, lambda: {"architectures": now})  # noqa: B023
                    observer.say(f"the time for short trainings is over after {now} of {len(archs)} architectures")
                if stop is not None and now >= stop["architectures"]:
                    break
                found = np.concatenate([found, _accuracies(evaluator, archs[now : now + group])])
                deadline.mark()
            deadline.decide(name, lambda: {"architectures": len(found)})
        # What an earlier attempt trained was not reported.
        self._done = before + len(found) * epochs
        observer.advance(PHASE, self._done)
        return found

    def _say(self, number: int, epochs: int, row: Float64[np.ndarray, " n"]) -> None:
        known = row[~np.isnan(row)]
        told = f"short trainings, round {number}: {_count(len(known), 'architecture')}, {_count(epochs, 'epoch')}"
        well = known[np.isfinite(known)]
        best = f", best accuracy {100 * well.max():.2f} %" if len(well) else ""
        broken = len(known) - len(well)
        more = f"; {_count(broken, 'training')} broke" if broken else ""
        self.context.observer.say(f"{told}{best}{more}")

    def _log(self, archs: np.ndarray, scores: np.ndarray, done: Shortened) -> None:
        """Write ``log/short.jsonl``, a row for each round and architecture."""
        lines = []
        for number, (epochs, row) in enumerate(zip(done.epochs, done.accuracies, strict=True), start=1):
            for position in np.flatnonzero(~np.isnan(row)).tolist():
                one: dict[str, Any] = {"round": number, "epochs": epochs}
                one |= {"arch": self.context.space.format(archs[position]), "score": float(scores[position])}
                one["accuracy"] = None if row[position] == BROKEN else float(row[position])
                lines.append(json.dumps(one))
        write_text(self.context.run.log("short"), "".join(f"{line}\n" for line in lines))


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _accuracies(evaluator: Evaluator, archs: UInt8[np.ndarray, "n decisions"]) -> Float64[np.ndarray, " n"]:
    """Return the accuracies; a training that breaks is the worst, and does not stop the others."""
    try:
        return evaluator(archs)
    except TrainingError:
        if len(archs) == 1:
            return np.array([BROKEN])
        # The others are kept by now.
        return np.concatenate([_accuracies(evaluator, row[None]) for row in archs])


def shortlist(
    classes: Sequence[bytes],
    order: Int64[np.ndarray, " n"],
    cost: np.ndarray,
    budgets: Sequence[float],
    count: int,
    size: Size | None = None,
    pool: float = 0.0,
) -> Int64[np.ndarray, " k"]:
    """Return the positions of the architectures to train, in the order in which the budgets take them in turns.

    Each budget takes its best by the score or, with a pool, the largest of its best share.

    Args:
        classes: of twins, of which one is trained.
        order: positions, best by the evaluator first.
        cost: that the budgets bound, ``(n,)``.
        budgets: under each of which a winner will be picked.
        count: how many, where there are so many.
        size: given positions, tells how large each is.
        pool: share of the best under a budget, at least ``count`` of them, that are ordered by size.
    """
    under = [[position for position in order.tolist() if cost[position] <= budget] for budget in budgets]
    if size is not None and pool:
        under = [_largest_first(places, classes, count, size, pool) for places in under]
    queues = [iter(places) for places in under]
    taken: dict[bytes, int] = {}
    while queues and len(taken) < count:
        for queue in tuple(queues):
            found = next((position for position in queue if classes[position] not in taken), None)
            if found is None:
                queues.remove(queue)
            elif len(taken) < count:
                taken[classes[found]] = found
    return np.array(list(taken.values()), dtype=np.int64)


def _largest_first(places: list[int], classes: Sequence[bytes], count: int, size: Size, pool: float) -> list[int]:
    """Return positions with the first share of them, the largest first; of equals the better-scored."""
    first: dict[bytes, int] = {}
    for index, place in enumerate(places):
        first.setdefault(classes[place], index)
    needed = max([*first.values()][:count], default=-1) + 1
    best = np.array(places[: max(needed, math.ceil(pool * len(places)))], dtype=np.int64)
    if not len(best):
        return places
    return [*best[np.argsort(-size(best), kind="stable")].tolist(), *places[len(best) :]]


def live_params(space: Space, archs: UInt8[np.ndarray, "n decisions"]) -> Size:
    """Return what counts the parameters that are run, of the architectures at positions of ``archs``."""
    scores = CostScore(space, "params-live")
    return lambda positions: scores(archs[positions])


def reordered(found: Found, config: ShortConfig, context: Context, budgets: Sequence[float], cost: str) -> Found:
    """Return what a strategy found with its top ordered by short trainings.

    Args:
        found: what the strategy found, inside the bounds.
        config: of the short trainings.
        context: of the run.
        budgets: under each of which a winner will be picked.
        cost: name of the cost that they bound.
    """
    classes = [bytes(row) for row in context.space.canonical(found.archs)]
    costs = context.costs[cost](found.archs)
    size = live_params(context.space, found.archs)
    chosen = shortlist(classes, found.best_first, costs, budgets, config.architectures, size, config.pool)
    done = ShortTrainings(config, context).run(found.archs[chosen], found.scores[chosen])
    trained = {classes[position]: index for index, position in enumerate(chosen.tolist())}
    index = np.array([trained.get(one, -1) for one in classes])
    rounds, last = (np.where(index >= 0, values[index], 0) for values in (done.rounds, done.last))
    placed = standing(rounds, last, found.scores)
    return replace(
        found,
        standing=placed,
        told=(*found.told, ("Short trainings", f"{done.told()}; the top is ordered by these")),
        values={**found.values, "short_trainings": _summary(done)},
        more=(*found.more, _table(found, context, cost, chosen, done)),
    )


def _summary(done: Shortened) -> list[Mapping[str, Any]]:
    counts = (~np.isnan(done.accuracies)).sum(axis=1).tolist()
    return [{"architectures": count, "epochs": epochs} for count, epochs in zip(counts, done.epochs, strict=True)]


def _table(found: Found, context: Context, cost: str, chosen: np.ndarray, done: Shortened) -> Table:
    """Return what was trained, best first, as a section of the result."""
    function, scores = context.costs[cost], found.scores[chosen]
    rows, distinct = found.archs[chosen], np.unique(np.c_[found.archs, found.scores[:, None]], axis=0)[:, -1]
    rows_of_table: list[tuple[str | float | None, ...]] = []
    for index in np.argsort(-standing(done.rounds, done.last, scores), kind="stable").tolist():
        each = ["broke" if value == BROKEN else None if np.isnan(value) else 100 * float(value)
                for value in done.accuracies[:, index]]  # fmt: skip
        told = context.costs.format(cost, function(rows[index][None])[0].item())
        place = 1 + int((distinct > scores[index]).sum())
        rows_of_table.append((context.space.format(rows[index]), told, float(scores[index]), f"{place:,}", *each))
    return Table(
        name="short",
        title="Short trainings of the best",
        heads=(
            *("architecture", function.title, "score", "place by score"),
            *(f"accuracy after {_count(epochs, 'epoch')} (%)" for epochs in done.epochs),
        ),
        rows=tuple(rows_of_table),
        note="On the validation images. Each column is a training of its own, from the start; best first.",
    )
