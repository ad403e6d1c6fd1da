"""Surgery, Fig. 2: how fast each criterion converges while a supernet is trained with de-isomorphic sampling.

The paper draws curves; its text gives the order in which they settle, and Table 3 some of the values at each fifth.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from trueshot.core.observe import SILENT, Observer
from trueshot.core.run import read_log
from trueshot.studies import surgery as shared
from trueshot.studies.cost import estimate as sum_up
from trueshot.studies.lab import Lab, scoring_part, supernet_part
from trueshot.studies.result import Estimate, Row, Scale, StudyResult
from trueshot.studies.surgery_table3 import PAPER

NAME = "surgery-fig2"
TITLE = "Surgery, Fig. 2: criteria along the training of a supernet (de-isomorphic sampling)"
FOLDER = shared.FOLDER

_SETTLED = 0.9
_PROXIES = ("synflow", "naswot")


def run(
    scale: Scale,
    *,
    out: Path,
    device: torch.device,
    observer: Observer = SILENT,
    seed: int = 0,
    data: str | None = None,
) -> StudyResult:
    """Score the first member of each group at every mark and compute all criteria."""
    lab = Lab.open(shared.SETTINGS, scale, out=out, device=device, observer=observer, seed=seed, data=data)
    groups = shared.groups_of(lab)
    marks = lab.setting.marks_of(shared.DEISOMORPHIC)
    published = {mark: PAPER["de-isomorphic"][epoch] for epoch, mark in shared.fifths(lab.setting).items()}
    rows: list[Row] = []
    curves: dict[str, list[float | None]] = {"epoch": [float(mark) for mark in marks]}
    for mark in marks:
        pairs = shared.ranking(lab, shared.DEISOMORPHIC, groups, "representatives", mark)
        rows += shared.criterion_rows(
            lab,
            shared.told(lab.setting, mark),
            pairs,
            tuple(shared.CRITERIA),
            paper=published.get(mark, {}),
            certain=mark == marks[-1],
        )
        for criterion in shared.CRITERIA:
            values = [value for pair in pairs if (value := shared.measured(criterion, *pair)) is not None]
            curves.setdefault(criterion, []).append(float(np.mean(values)) if values else None)
    rows += _training(lab, marks)
    rows += lab.rival_rows(groups.asked("representatives"), proxies=_PROXIES)
    details = {"curves": curves, "criteria_in_percent": [name for name in shared.CRITERIA if "@" in name]}
    notes = [shared.circumstances(lab, groups), *_notes(curves)]
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    return lab.work.result(NAME, TITLE, rows, notes, estimate=costs, details=details)


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device``, from measured steps."""
    setting = shared.SETTINGS[scale]
    scores = setting.repeats * len(setting.marks_of(shared.DEISOMORPHIC)) * shared.scored(scale, "representatives")
    return sum_up(
        scale,
        device,
        supernet_part(setting, device, setting.repeats, shared.DEISOMORPHIC),
        scoring_part(setting, device, scores, shared.DEISOMORPHIC),
    )


def _training(lab: Lab, marks: tuple[int, ...]) -> list[Row]:
    """Return the accuracy of the architectures that were trained, on the training batches of each marked epoch."""
    logs = [
        read_log(lab.trained(shared.DEISOMORPHIC, repeat).setup.run.log("supernet"))
        for repeat in range(lab.setting.repeats)
    ]
    return [
        Row(
            what=shared.told(lab.setting, mark),
            metric="training accuracy (%)",
            values=tuple(100.0 * log[mark - 1]["accuracy"] for log in logs),
            note="of the architectures that the epoch trained",
        )
        for mark in marks
    ]


def _notes(curves: dict[str, list[float | None]]) -> list[str]:
    """Say when each criterion first came within a tenth of its whole gain of the best it reached."""
    found = []
    epochs = [epoch for epoch in curves["epoch"] if epoch is not None]
    for criterion in shared.CRITERIA:
        values = [value for value in curves[criterion] if value is not None]
        if len(values) < len(epochs):
            continue
        gains = np.array(values) * (-1 if criterion.startswith("BR") else 1)
        enough = gains.min() + _SETTLED * (gains.max() - gains.min())
        found.append(f"{criterion} {epochs[int(np.argmax(gains >= enough))]:g}")
    return [
        "Epoch at which a criterion first has nine tenths of all it gains: " + ", ".join(found) + ".",
        "The paper: BR@K settles at once, P@K after a quarter of the training and then falls slowly, the correlations"
        " grow for half of it, and the accuracy to the end.",
    ]
