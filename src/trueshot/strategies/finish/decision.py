"""The decision: found, random and off-the-shelf networks at the user's cost, and which to take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trueshot.core.decision import Decision, Kind, Row
from trueshot.core.records import NetworkRecord, Role
from trueshot.core.results import Estimate
from trueshot.criteria.bootstrap import mean_interval, proportion_difference_interval, proportion_interval
from trueshot.strategies.finish.choice import Choice, Rule

_TOLD: dict[Role, str] = {
    "winner": "found by the search",
    "random": "drawn at random",
    "at-bound": "drawn at random",
    "off-the-shelf": "off the shelf",
    "pretrained": "pretrained on other images",
}


def decide(records: Sequence[NetworkRecord], choice: Choice, rule: Rule, *, notes: Sequence[str] = ()) -> Decision:
    """Return the decision on tested networks, the recommended one among them.

    The found network is the most accurate winner on validation images; the random ones are those beside it, or where
    it has none, beside another winner; of networks off the shelf the most accurate is shown, of pretrained ones all.

    Args:
        records: of all networks.
        choice: what was chosen of them.
        rule: how.
        notes: what else a reader should know.
    """
    named = {record.name: record for record in records}
    recommended = next(record for record in records if record.role == "recommended")
    found = _best(records, "winner", rule)
    rows = [_row("recommended", [recommended], rule), *([] if found is None else [_row("found", [found], rule)])]
    random = [record for record in records if record.role == "random"]
    beside = [record for record in random if found is not None and record.budget == found.budget]
    if random:
        rows.append(_row("random", beside or [one for one in random if one.budget == random[0].budget], rule))
    shelf = _best(records, "off-the-shelf", rule)
    if shelf is not None:
        rows.append(_row("off-the-shelf", [shelf], rule))
    pretrained = [record for record in records if record.role == "pretrained"]
    rows += [_row("pretrained", [record], rule) for record in pretrained]
    chosen = named[choice.name]
    fresh = recommended.validation is None
    trained = ", trained anew on training and validation images" if fresh else ""
    sentence = (
        f"Take {recommended.name}, the architecture of {chosen.name} ({_TOLD[chosen.role]}){trained}: {choice.because}."
    )
    return Decision(
        network=recommended.name,
        of=chosen.name,
        because=choice.because,
        sentence=sentence,
        rows=tuple(rows),
        notes=(*([] if found is None else [_less(found, one) for one in pretrained]), *notes),
    )


def _less(found: NetworkRecord, other: NetworkRecord) -> str:
    """Say how much better the found network is than another, whatever the sign, on the same test images."""
    assert found.test is not None
    assert other.test is not None
    shares = [(round(one.top1 * one.n), one.n) for one in (found.test, other.test)]
    interval = proportion_difference_interval(shares[0], shares[1])
    points = [f"{100 * value:+.1f}".replace("-", "−") for value in (interval.low, interval.high)]
    difference = f"{100 * (found.test.top1 - other.test.top1):+.1f}".replace("-", "−")
    return f"{found.name} less {other.name}: {difference} points (95 % interval {points[0]} to {points[1]})."


def _best(records: Sequence[NetworkRecord], role: Role, rule: Rule) -> NetworkRecord | None:
    """Return the most accurate of a role on validation images, one within the bounds where there is one."""
    known = [(record, record.validation) for record in records if record.role == role]
    return max(
        (record for record, validation in known if validation is not None),
        key=lambda record: (rule.allows(record), rule.estimate(record.validation).value if record.validation else 0.0),
        default=None,
    )


def _row(kind: Kind, records: Sequence[NetworkRecord], rule: Rule) -> Row:
    """Return the line of one network, or of the mean of several."""
    tested = [record.test for record in records if record.test is not None]
    top1 = np.array([accuracy.top1 for accuracy in tested])
    n, over = len({record.arch for record in records}), "architectures"
    interval = mean_interval(_by_architecture(records))
    if len(tested) == 1:
        n, over = tested[0].n, "test images"
        interval = proportion_interval(round(tested[0].top1 * n), n)
    costs = {name: float(np.mean([r.costs[name] for r in records])) for name in records[0].costs}
    return Row(
        kind=kind,
        names=tuple(record.name for record in records),
        test=Estimate(
            value=float(top1.mean()),
            low=None if interval is None else interval.low,
            high=None if interval is None else interval.high,
            std=float(top1.std(ddof=1)) if len(top1) > 1 else None,
            n=n,
            over=over,
        ),
        balanced=float(np.mean([accuracy.balanced for accuracy in tested])),
        costs=costs,
        steps=_mean([record.steps for record in records]),
        epochs=_mean([record.epochs for record in records]),
        remarks=tuple(
            remark
            for remark, holds in (
                ("above the bound", not all(map(rule.allows, records))),
                ("only its head was trained", all(record.steps == 0 for record in records)),
                ("not converged", any(record.converged is False for record in records)),
            )
            if holds
        ),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    """Return the mean, ``None`` where a value is not known."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def _by_architecture(records: Sequence[NetworkRecord]) -> np.ndarray:
    """Return the mean top-1 of each architecture."""
    found: dict[str, list[float]] = {}
    for record in records:
        if record.test is not None:
            found.setdefault(record.arch, []).append(record.test.top1)
    return np.array([np.mean(values) for values in found.values()])
