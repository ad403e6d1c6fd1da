"""Improvement curves of several supernets, and what a study tells of them.

Source: Laube and Zell, "Inter-choice dependent super-network weights", section 3.4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from trueshot.criteria.curves import improvement_curve
from trueshot.studies.result import Row
from trueshot.studies.supernets import tau

BASELINE = "baseline"
"""Label of plain weight sharing."""
LEFT = 10
"""Architectures left at the end of the published curves."""
BELOW = (LEFT, 5, 2, 1)
"""Where the curves that go on to the end are read."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """What supernets of one kind say of architectures whose truth is known.

    Attributes:
        truth: accuracy in percent, ``(n,)``.
        scores: of each supernet, ``(n,)`` each, higher is better.
    """

    truth: Float64[np.ndarray, " n"]
    scores: tuple[Float64[np.ndarray, " n"], ...]

    def improvements(self, left: int) -> tuple[float, ...]:
        """Return the normalised improvement of each supernet with so many architectures left."""
        return tuple(improvement(scores, self.truth, left) for scores in self.scores)

    def taus(self) -> tuple[float, ...]:
        """Return Kendall's tau of each supernet."""
        return tuple(tau(scores, self.truth) for scores in self.scores)

    def curve(self, smallest: int) -> dict[str, list[float]]:
        """Return the points of the mean curve, and its standard deviation where there are several supernets."""
        curves = [improvement_curve(predicted=s, true=self.truth, smallest=smallest) for s in self.scores]
        values = np.stack([curve.improvement for curve in curves])
        std = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(values.shape[1], np.nan)
        found = {"remaining": curves[0].remaining, "mean": np.stack([c.mean for c in curves]).mean(axis=0)}
        found |= {"improvement": values.mean(axis=0), **({"std": std} if len(values) > 1 else {})}
        return {name: column.tolist() for name, column in found.items()}


def improvement(scores: Float64[np.ndarray, " n"], truth: Float64[np.ndarray, " n"], left: int) -> float:
    """Return the normalised improvement with ``left`` architectures left: 0 as by chance, 1 the best architecture."""
    return float(improvement_curve(predicted=scores, true=truth, smallest=left).improvement[-1])


def improvement_rows(where: str, found: Mapping[str, Outcome], *, left: Sequence[int] = (LEFT,)) -> list[Row]:
    """Return the improvement of each outcome, with its tau, at each number of architectures left."""
    rows = []
    for label, one in found.items():
        taus = one.taus()
        note = f"tau {np.mean(taus):.3f}; n and spread over supernets"
        rows += [
            Row(
                what=f"{where}, {label}",
                metric=f"improvement, {count} left",
                values=one.improvements(count),
                note=note,
                figures={"kendall_tau": float(np.mean(taus)), "archs": len(one.truth)},
            )
            for count in left
        ]
    return rows


def difference_rows(where: str, found: Mapping[str, Outcome]) -> list[Row]:
    """Return what each outcome gains over the baseline, supernet by supernet of the same seed."""
    base = found[BASELINE]
    rows = []
    for label, one in found.items():
        if label == BASELINE:
            continue
        pairs = zip(one.improvements(LEFT), base.improvements(LEFT), strict=True)
        taus = zip(one.taus(), base.taus(), strict=True)
        rows.append(
            Row(
                what=f"{where}, {label} less {BASELINE}",
                metric=f"improvement, {LEFT} left",
                values=tuple(ours - theirs for ours, theirs in pairs),
                note=f"tau {np.mean([ours - theirs for ours, theirs in taus]):+.3f}; pairs of one seed",
            )
        )
    return rows


def rival_rows(
    where: str, rivals: Mapping[str, Float64[np.ndarray, " n"]], truth: Float64[np.ndarray, " n"]
) -> list[Row]:
    """Return the improvement by what is to be had without a supernet."""
    return [
        Row(
            what=f"{where}, {name}",
            metric=f"improvement, {LEFT} left",
            values=(improvement(scores, truth, LEFT),),
            note=f"tau {tau(scores, truth):.3f}; no supernet",
            figures={"kendall_tau": tau(scores, truth)},
        )
        for name, scores in rivals.items()
    ]


def gain_note(where: str, found: Mapping[str, Outcome]) -> str:
    """Say how the best of the variants stands to the baseline, and how far seeds move the latter."""
    means = {label: float(np.mean(one.improvements(LEFT))) for label, one in found.items()}
    base = found[BASELINE].improvements(LEFT)
    best = max((label for label in means if label != BASELINE), key=means.__getitem__)
    seeds = f"; seeds alone move the baseline by {np.ptp(base):.2f}" if len(base) > 1 else ""
    return (
        f"{where}: improvement with {LEFT} of {len(found[best].truth)} left is {means[BASELINE]:.2f} for the baseline"
        f" and {means[best]:.2f} for the best variant, {best}{seeds}."
    )


def seed_rows(where: str, found: Mapping[str, Outcome]) -> list[Row]:
    """Return how far supernets of one kind are apart at each number left; n and spread are over the kinds."""
    if any(len(one.scores) < 2 for one in found.values()):
        return []
    return [
        Row(
            what=f"{where}, supernets of one kind",
            metric=f"std of improvement, {count} left",
            values=tuple(float(np.std(one.improvements(count), ddof=1)) for one in found.values()),
            note="n and spread over the kinds",
        )
        for count in BELOW
    ]


def seed_note(where: str, found: Mapping[str, Outcome]) -> str:
    """Say what is left of the improvement at a single architecture, and how far supernets of one kind are apart."""
    lines = []
    for count in (LEFT, 1):
        values = [one.improvements(count) for one in found.values()]
        spread = float(np.mean([np.ptp(each) for each in values]))
        lines.append(
            f"{np.mean([np.mean(each) for each in values]):.2f} with {count} left (supernets {spread:.2f} apart)"
        )
    return f"{where}: mean improvement over all kinds {lines[0]}, {lines[1]}."
