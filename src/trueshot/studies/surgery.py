"""What the studies of the Surgery paper share: its protocol, its isomorphic groups and its criteria along a training.

Source: "A Surgery of the Neural Architecture Evaluators" (under review at ICLR 2021), section 4.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from trueshot.core.errors import CriteriaError
from trueshot.criteria.columns import Criterion
from trueshot.criteria.correlation import kendall_tau, pearson, spearman
from trueshot.criteria.groups import group_means
from trueshot.criteria.top import best_rank_at_k, precision_at_k
from trueshot.evaluation.one_shot import Metric
from trueshot.evaluation.recalibration import RUNNING, Recalibration
from trueshot.spaces import NasBench201
from trueshot.spaces.canonical.classes import every
from trueshot.strategies.config import SamplerConfig
from trueshot.studies.lab import LAB_IMAGES, PLAIN, Condition, Lab, Setting
from trueshot.studies.result import Row, Scale
from trueshot.training.data.options import DataOptions
from trueshot.training.recipe import Plateau, Recipe

FOLDER = "surgery"

RULE = "nb201"
"""The paper's groups: 6,466 of 15,625 architectures."""

_CPU_IMAGES = dataclasses.replace(
    LAB_IMAGES[Scale.CPU],
    train=50_000,
    validation=5_000,
    options=DataOptions(image_size=16, validation_fraction=0.1, max_test_images=100),
)

SETTINGS: Mapping[Scale, Setting] = MappingProxyType(
    {
        Scale.SMOKE: Setting(
            images=LAB_IMAGES[Scale.SMOKE],
            space=NasBench201(channels=4, cells=1, affine=False),
            recipe=Recipe(epochs=2, batch_size=64, lr=0.05, weight_decay=5e-4, clip=5.0, dropout=0.1),
            marks=(1,),
            repeats=1,
            archs=12,
            recalibration=Recalibration(mode="batch", batch_size=80),
            metric="loss",
        ),
        # So early, the loss on batch statistics ranks best. As that of the paper, the rate stays high while the loss
        # falls: the end of a cosine makes the ranks of so short a training worse.
        Scale.CPU: Setting(
            images=_CPU_IMAGES,
            space=NasBench201(channels=8, cells=1, affine=False),
            recipe=Recipe(epochs=10, batch_size=256, lr=0.1, weight_decay=5e-4, clip=5.0, plateau=Plateau(patience=1)),
            marks=(1, 2, 3, 4, 5, 6, 8),
            repeats=2,
            archs=300,
            recalibration=Recalibration(mode="batch", batch_size=500),
            metric="loss",
            score_images=500,
        ),
        Scale.PAPER: Setting(
            images=LAB_IMAGES[Scale.PAPER],
            space=NasBench201(channels=16, cells=5, affine=False),
            recipe=Recipe(
                epochs=1000, batch_size=512, lr=0.05, weight_decay=5e-4, clip=5.0, plateau=Plateau(), dropout=0.1
            ),
            marks=tuple(range(50, 1001, 50)),
            repeats=1,
            archs=None,
            recalibration=RUNNING,
            metric="accuracy",
        ),
    }
)
"""At its own scale Table 1 of the paper, with running statistics and accuracy as its code has it.

``archs`` is the number of groups here, of which all members are scored where a study needs them.
"""

UNIFORM = PLAIN
"""Every architecture equally likely: the paper's "No De-isomorphism"."""

DEISOMORPHIC = Condition(name="deisomorphic", sampler=SamplerConfig(kind="deisomorphic", rule=RULE))
"""Every group equally likely, by its first member."""

CRITERIA: Mapping[str, Criterion] = MappingProxyType(
    {
        "BR@1": partial(best_rank_at_k, k=1),
        "BR@1%": partial(best_rank_at_k, k=0.01),
        "BR@5%": partial(best_rank_at_k, k=0.05),
        "P@5%": partial(precision_at_k, k=0.05),
        "P@50%": partial(precision_at_k, k=0.5),
        "Kendall tau": kendall_tau,
        "Spearman correlation": spearman,
        "linear correlation": pearson,
    }
)
"""Criteria of section 3 by the names of their rows; BR and P are printed in percent."""

TABLE = ("BR@1", "BR@1%", "BR@5%", "P@5%", "P@50%", "Kendall tau")
"""Criteria of Table 3, in its order."""

Ranking = tuple[Float64[np.ndarray, " k"], Float64[np.ndarray, " k"]]
"""What is ranked by one supernet: scores and truth."""

View = Literal["all", "representatives", "post"]
"""What is ranked: all architectures; the first member of each group; each group by the mean score of its members. The
truth of a group is the mean over its members."""


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Isomorphic groups, all members of each.

    Attributes:
        rows: architectures, group by group, lexicographically ascending within each.
        labels: number of the group of each architecture, from 0.
        first: position of the first member of each group.
        truth: test accuracy in percent of each architecture.
    """

    rows: UInt8[np.ndarray, "n 6"]
    labels: Int64[np.ndarray, " n"]
    first: Int64[np.ndarray, " g"]
    truth: Float64[np.ndarray, " n"]

    def asked(self, view: View) -> UInt8[np.ndarray, "m 6"]:
        """Return the architectures that a view needs scores of."""
        return self.rows[self.first] if view == "representatives" else self.rows

    def pair(
        self, scores: Float64[np.ndarray, " m"], view: View
    ) -> tuple[Float64[np.ndarray, " k"], Float64[np.ndarray, " k"]]:
        """Return what is ranked and its truth, given scores of the architectures that :meth:`asked` names."""
        if view == "all":
            return scores, self.truth
        true = group_means(values=self.truth, labels=self.labels)
        return (scores if view == "representatives" else group_means(values=scores, labels=self.labels)), true


def groups_of(lab: Lab, count: int | None = None) -> Groups:
    """Return random isomorphic groups of the full space, or all; every architecture is as likely as any other.

    Args:
        lab: its seed draws them.
        count: how many; the number of the scale without it.
    """
    space = NasBench201()
    rows = every(space)
    _, inverse = np.unique(space.canonical(rows, RULE), axis=0, return_inverse=True)
    group_of = inverse.reshape(-1).astype(np.int64)
    number, wanted = int(group_of.max()) + 1, lab.setting.archs if count is None else count
    if wanted is not None and wanted < number:
        chosen = np.sort(lab.streams.numpy("groups").permutation(number)[:wanted])
        keep = np.isin(group_of, chosen)
        rows, group_of = rows[keep], np.searchsorted(chosen, group_of[keep]).astype(np.int64)
    order = np.argsort(group_of, kind="stable")
    rows, labels = np.ascontiguousarray(rows[order]), group_of[order]
    first = np.searchsorted(labels, np.arange(labels.max() + 1)).astype(np.int64)
    return Groups(rows=rows, labels=labels, first=first, truth=lab.truth(rows))


def measured(criterion: str, predicted: Float64[np.ndarray, " k"], true: Float64[np.ndarray, " k"]) -> float | None:
    """Return a criterion, BR and P in percent; ``None`` where it is undefined, as for a K that selects none."""
    try:
        value = CRITERIA[criterion](predicted=predicted, true=true)
    except CriteriaError:
        return None
    return in_percent(criterion) * value


def in_percent(criterion: str) -> float:
    """Return the factor from a criterion to what is printed."""
    return 100.0 if "@" in criterion else 1.0


def ranking(
    lab: Lab,
    condition: Condition,
    groups: Groups,
    view: View,
    epoch: int,
    *,
    metric: Metric | None = None,
    repeats: int | None = None,
) -> list[Ranking]:
    """Return what each supernet of a condition ranks after ``epoch`` epochs; ``None`` takes the setting's own."""
    found = []
    for repeat in range(lab.setting.repeats if repeats is None else repeats):
        trained = lab.trained(condition, repeat)
        scores = lab.scores(trained, epoch, groups.asked(view), metric=metric)
        found.append(groups.pair(scores, view))
    return found


def criterion_rows(
    lab: Lab,
    what: str,
    pairs: Sequence[Ranking],
    criteria: Sequence[str],
    *,
    paper: Mapping[str, float] = MappingProxyType({}),
    note: str = "",
    certain: bool = False,
) -> list[Row]:
    """Return a row for each criterion that is defined.

    Args:
        lab: its seed draws the bootstrap.
        what: name of the rows.
        pairs: scores and truth, one pair for each supernet.
        criteria: names of :data:`CRITERIA`.
        paper: published values by criterion.
        note: for the reader.
        certain: whether Kendall's tau of a single supernet gets its interval over what is ranked, which takes seconds.
    """
    rows = []
    for criterion in criteria:
        values = [measured(criterion, predicted, true) for predicted, true in pairs]
        defined = tuple(value for value in values if value is not None)
        if not defined:
            continue
        alone = certain and len(pairs) == 1 and criterion == "Kendall tau"
        rows.append(
            Row(
                what=what,
                metric=f"{criterion} (%)" if "@" in criterion else criterion,
                paper=paper.get(criterion),
                values=defined,
                interval=lab.interval(*pairs[0]) if alone else None,
                note=note,
            )
        )
    return rows


def fifths(setting: Setting) -> dict[int, int]:
    """Return the marks at each fifth of the training, by the epoch of the paper's 1,000 that it stands for.

    Where a training is too short for five marks, later fifths take the place of earlier ones.
    """
    epochs, marks = setting.recipe.epochs, setting.marks_of(PLAIN)
    nearest = {share: min(marks, key=lambda mark: abs(mark - share * epochs / 1000)) for share in _FIFTHS}
    latest = {mark: share for share, mark in nearest.items()}
    return {share: mark for mark, share in latest.items()}


_FIFTHS = (200, 400, 600, 800, 1000)


def told(setting: Setting, epoch: int) -> str:
    """Say how far a training is."""
    return f"epoch {epoch} of {setting.recipe.epochs}"


def circumstances(lab: Lab, groups: Groups) -> str:
    """Say in a sentence what was ranked and how, and how that differs from the paper."""
    setting = lab.setting
    recipe, space = setting.recipe, setting.space
    return (
        f"{len(groups.first)} isomorphic groups with {len(groups.rows)} architectures (the paper: 6,466 with 15,625);"
        f" {setting.repeats} supernet(s) of each kind, {recipe.epochs} epochs (the paper: 1,000), {space.channels}"
        f" channels (16), {space.cells} cell(s) a stage (5), {space.image_size} pixels (32); scored by validation"
        f" {setting.metric} with BatchNorm statistics '{setting.recalibration.mode}' (accuracy, running). Epochs stand"
        " beside those of the paper at the same share of the training. Intervals of two supernets or more are Student's"
        " t over supernets; of one, only the last tau has one, the bootstrap over what is ranked."
    )


def scored(scale: Scale, view: View) -> int:
    """Return how many architectures a view needs scores of, on average over the choice of groups."""
    count = SETTINGS[scale].archs
    if view == "representatives":
        return 6466 if count is None else count
    return 15_625 if count is None else round(count * 15_625 / 6466)
