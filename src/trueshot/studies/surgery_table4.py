"""Surgery, Table 4: several architectures a step, at equal computation and at equal epochs, and FairNAS' sampling.

All supernets are scored after post de-isomorphism. As in the paper's code, gradients are averaged over the
architectures of a step that contain the weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from trueshot.core.config import Part
from trueshot.core.observe import SILENT, Observer
from trueshot.sampling.config import FairConfig, UniformConfig
from trueshot.studies import surgery as shared
from trueshot.studies.cost import estimate as sum_up
from trueshot.studies.result import Estimate, Row, Scale, StudyResult
from trueshot.studies.surgery_setting import PLAIN, SETTINGS, Condition, Setting

NAME = "surgery-table4"
TITLE = "Surgery, Table 4: architectures in a training step"
FOLDER = shared.FOLDER


@dataclass(frozen=True, kw_only=True)
class _Case:
    """One column of a half of the table.

    Attributes:
        what: name of its rows.
        sampler: architectures of a step.
        samples: how many.
        equal: what is equal to that of one sample a step: ``computation`` or ``epochs``.
        paper: published values, in the order of the criteria.
    """

    what: str
    sampler: Part
    samples: int
    equal: str
    paper: tuple[float, float, float]

    def condition(self, setting: Setting) -> Condition:
        """Return how its supernet is trained."""
        if self.samples == 1:
            return PLAIN
        whole = setting.recipe.epochs
        epochs = max(1, round(whole / self.samples)) if self.equal == "computation" else whole
        name = self.what.replace(" ", "-")
        return Condition(name=name, sampler=self.sampler, averaging="containing", recipe={"epochs": epochs})


def _several(samples: int) -> Part:
    return Part("uniform", UniformConfig(per_step=samples))


_FAIR = Part("fair", FairConfig())
_CASES = (
    _Case(what="1 sample", sampler=_several(1), samples=1, equal="computation", paper=(0.093, 24.77, 0.7226)),
    _Case(what="3 samples", sampler=_several(3), samples=3, equal="computation", paper=(0.139, 9.60, 0.7128)),
    _Case(what="5 samples", sampler=_several(5), samples=5, equal="computation", paper=(0.495, 20.74, 0.6714)),
    _Case(what="FairNAS", sampler=_FAIR, samples=5, equal="computation", paper=(0.139, 11.76, 0.7137)),
    _Case(what="3 samples", sampler=_several(3), samples=3, equal="epochs", paper=(0.015, 14.24, 0.7025)),
    _Case(what="5 samples", sampler=_several(5), samples=5, equal="epochs", paper=(0.124, 17.03, 0.7018)),
    _Case(what="FairNAS", sampler=_FAIR, samples=5, equal="epochs", paper=(0.031, 15.17, 0.6965)),
)
"""The column of one sample is the same in both halves."""


def run(
    scale: Scale,
    *,
    out: Path,
    device: torch.device,
    observer: Observer = SILENT,
    seed: int = 0,
    data: str | None = None,
) -> StudyResult:
    """Rank the groups by the final weights of each supernet."""
    surgery = shared.Surgery.open(scale, out=out, device=device, observer=observer, seed=seed, data=data)
    groups = shared.groups_of(surgery)
    rows: list[Row] = []
    taus: dict[str, float] = {}
    for case in _CASES:
        condition = case.condition(surgery.setting)
        epochs = surgery.setting.recipe_of(condition).epochs
        ranked = shared.ranking(surgery, condition, groups)
        what = case.what if case.samples == 1 else f"{case.what}, equal {case.equal}"
        paper = dict(zip(shared.CRITERIA, case.paper, strict=True))
        rows += shared.criterion_rows(surgery, what, ranked, paper, f"{epochs} epochs")
        taus[what] = shared.measured("Kendall tau", *ranked) or 0.0
    rows += surgery.baseline_rows(groups.rows[groups.first])
    order = sorted(taus, key=lambda name: -taus[name])
    notes = [
        shared.circumstances(surgery, groups),
        "Kendall tau here: "
        + ", ".join(f"{name} {taus[name]:.3f}" for name in order)
        + ". The paper finds that more samples a step do not help, at equal epochs neither.",
    ]
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    return surgery.work.result(NAME, TITLE, rows, notes, estimate=costs, details={"kendall_tau": taus})


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device``, from measured steps."""
    setting = SETTINGS[scale]
    parts = [shared.supernet_part(setting, device, case.condition(setting)) for case in _CASES]
    scores = len(_CASES) * shared.scored(scale)
    return sum_up(scale, device, *parts, shared.scoring_part(setting, device, scores))
