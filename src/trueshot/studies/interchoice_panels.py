"""Inter-choice weights: Figs. 4 and 8 in all their panels, appendices C and D, which print curves or words alone."""

from __future__ import annotations

from collections.abc import Mapping

from trueshot.criteria.power import pairs_needed
from trueshot.studies.analysis import differences, spread
from trueshot.studies.interchoice import (
    BASELINE,
    BIASES,
    IMPROVEMENT,
    SPLITS,
    SPREAD,
    Conditions,
    improvements,
    panel_curves,
    panel_findings,
    panels,
    sharing,
)
from trueshot.studies.interchoice_fig8 import BELOW, WIDER, wider
from trueshot.studies.panels import PanelsScored
from trueshot.studies.record import Claim, Outcome, Scale, Study

_EFFECT = 0.1
_NEEDED = pairs_needed(_EFFECT, SPREAD.std)

_EQUAL = -_EFFECT
"""Border of a gain that is to be no loss."""

Pairs = Mapping[str, tuple[str, str, str, float]]
"""By what a claim says: panel, condition, the condition that it is compared with, and what the gain lies above."""


def _study(
    name: str, title: str, question: str, conditions: Conditions, pairs: Pairs, spaces: tuple[str, ...]
) -> Study:
    """Return a study of paired improvements."""
    names = {says: f"{panel}, {one} less {other}" for says, (panel, one, other, _) in pairs.items()}

    def analyse(scored: PanelsScored) -> Outcome:
        claims = {
            names[says]: differences(*(improvements(scored.panels[panel], condition) for condition in (one, other)))
            for says, (panel, one, other, _) in pairs.items()
        }
        return Outcome(findings=panel_findings(scored), claims=claims, pictures=panel_curves(scored))

    return Study(
        name=name,
        title=title,
        question=question,
        work=panels(conditions, spaces),
        analyse=analyse,
        claims=tuple(
            Claim(name=names[says], metric=IMPROVEMENT, says=says, above=above, prior=SPREAD)
            for says, (*_, above) in pairs.items()
        ),
        needs_more={Scale.CPU: _needs(len(conditions) * len(spaces))},
    )


def _needs(kinds: int) -> str:
    return (
        f"{_NEEDED} pairs of supernets to see {_EFFECT} of improvement at a spread of {SPREAD.std}, so"
        f" {_NEEDED * kinds} supernets of {kinds} kinds, each trained until it ranks at all: after 8 epochs tau with"
        " all operations is 0.00 (153afeb:results/interchoice-fig4-cpu.json), the published training has 250"
    )


_BOTH = ("all operations", "only convolutions")
_ALL, _NO_ZERO, _CONVOLUTIONS = "all operations", "no Zero", "only convolutions"

FIG4 = _study(
    "interchoice-fig4-panels",
    "Inter-choice weights, Fig. 4: bias and split weights in three sub-spaces, all depths and epochs",
    "Does what inter-choice weights gain grow as the space shrinks?",
    {BASELINE: {}, **BIASES, **SPLITS},
    {
        "with all operations the baseline is hard to beat": (_ALL, BASELINE, "bias D=2", 0.0),
        "also by split weights": (_ALL, BASELINE, "split at 175", 0.0),
        "without Zero a bias is at least equal, to 0.1": (_NO_ZERO, "bias D=2", BASELINE, _EQUAL),
        "as are split weights": (_NO_ZERO, "split at 175", BASELINE, _EQUAL),
        "with only convolutions a bias is better": (_CONVOLUTIONS, "bias D=2", BASELINE, 0.0),
        "as are split weights there": (_CONVOLUTIONS, "split at 175", BASELINE, 0.0),
    },
    (_ALL, _NO_ZERO, _CONVOLUTIONS),
)

APPENDIX_C = _study(
    "interchoice-appendixC",
    "Inter-choice weights, appendix C: cells in each stage of the supernet",
    "How many cells of one topology should a supernet stack in each stage?",
    {f"{count} cell(s)": {"space.arguments.cells": count} for count in (1, 2, 3, 4, 5)},
    {
        "two cells are better than one with all operations": (_ALL, "2 cell(s)", "1 cell(s)", 0.0),
        "and than four": (_ALL, "2 cell(s)", "4 cell(s)", 0.0),
        "three are better than two with only convolutions": (_CONVOLUTIONS, "3 cell(s)", "2 cell(s)", 0.0),
        "and than five": (_CONVOLUTIONS, "3 cell(s)", "5 cell(s)", 0.0),
    },
    _BOTH,
)

APPENDIX_D = _study(
    "interchoice-appendixD",
    "Inter-choice weights, appendix D: shared bias and attention",
    "Do a shared bias and attention rank as well as a bias?",
    {
        BASELINE: {},
        "bias D=1": BIASES["bias D=1"],
        **{f"shared bias D={d}": sharing("shared-bias", depth=d, empty="published") for d in (1, 2, 3)},
        "attention, 1 layer": sharing("attention"),
        "attention, 2 layers": sharing("attention", layers=2),
        "attention, 1 layer, without the own choice": sharing("attention", own=False),
    },
    {
        "a shared bias is worse than a bias": (_CONVOLUTIONS, "bias D=1", "shared bias D=1", 0.0),
        "attention is worse than a bias": (_CONVOLUTIONS, "bias D=1", "attention, 1 layer", 0.0),
        "with only convolutions attention beats the baseline": (_CONVOLUTIONS, "attention, 1 layer", BASELINE, 0.0),
        "with two layers too": (_CONVOLUTIONS, "attention, 2 layers", BASELINE, 0.0),
    },
    _BOTH,
)


def _analyse_fig8(scored: PanelsScored) -> Outcome:
    claims = {
        f"{_CONVOLUTIONS}, 1 left less 10 left": wider(scored.panels[_CONVOLUTIONS], BASELINE),
        f"1 left, {_CONVOLUTIONS} less {_ALL}": differences(
            *(spread(improvements(scored.panels[panel], BASELINE, 1)) for panel in (_CONVOLUTIONS, _ALL))
        ),
    }
    return Outcome(findings=panel_findings(scored, BELOW), claims=claims, pictures=panel_curves(scored, 1))


FIG8 = Study(
    name="interchoice-fig8-panels",
    title="Inter-choice weights, Fig. 8: improvement below ten architectures in three sub-spaces",
    question="Does the spread between supernets below ten architectures grow as the space shrinks?",
    work=panels({BASELINE: {}, **BIASES}),
    analyse=_analyse_fig8,
    claims=tuple(
        Claim(name=name, metric="distance of improvements from their median", says=says, above=0.0, prior=WIDER)
        for name, says in (
            (f"{_CONVOLUTIONS}, 1 left less 10 left", "with only convolutions the spread grows below ten"),
            (f"1 left, {_CONVOLUTIONS} less {_ALL}", "it is greater there than with all operations"),
        )
    ),
    needs_more={Scale.CPU: _needs(12)},
)
