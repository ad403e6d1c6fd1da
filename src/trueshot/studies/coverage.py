"""Which tables and figures of the papers stand where: what hours cannot settle, and what measures nothing."""

from __future__ import annotations

from collections.abc import Sequence

from trueshot.reporting.studies import Unsettled
from trueshot.studies.record import Scale, Study

_PREDICTORS = (
    "the paper's predictors (MLP, LSTM, GATES, random forest), which the package does not have yet; with them two cores"
    " would do, as the truth is a table"
)

WITHOUT_STUDY = (
    Unsettled(
        title="ST-NAS, Table 4: detection on COCO",
        study="",
        needs="detectors on our backbones, which the package does not have yet, the backbones of Table 3 trained on"
        " ImageNet, and 13 epochs of COCO under three seeds for each of them",
    ),
    *(
        Unsettled(title=f"Surgery, {item}", study="", needs=_PREDICTORS)
        for item in (
            "Fig. 4: predictors by the size of their training set",
            "Fig. 5: predictors after five stages",
            "Table A1: ranking and regression losses of predictors",
            "Table A2: five stages of GATES and LSTM",
            "Fig. A2: predictors by computation",
        )
    ),
)
"""Tables and figures for which there is no study."""

NOT_MEASURED = {
    "ST-NAS": ("Fig. 1", "Fig. 2", "Fig. 3", "Fig. 6"),
    "Inter-choice weights": ("Fig. 1", "Fig. 2", "Table 3", "Table 4", "Table 5"),
    "Surgery": ("Fig. 1", "Fig. A1", "Table 1"),
}
"""Drawings, sizes of supernets and settings of trainings: nothing of them is measured; presets and tests hold them."""


def unsettled(studies: Sequence[Study]) -> list[Unsettled]:
    """Return the tables and figures that hours on two cores cannot settle, those with a study first."""
    without = [
        Unsettled(title=study.title, study=study.name, needs=study.needs_more[Scale.CPU])
        for study in studies
        if Scale.CPU in study.needs_more
    ]
    return [*without, *WITHOUT_STUDY]
