"""Inter-choice weights, Fig. 6: how reliable the truth is, by trainings of one architecture under two seeds.

Beside the chains of the paper stands NAS-Bench-201, whose table holds means over seeds: architectures that are one
function were trained as if they were several, so twins are independent trainings of one architecture.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from trueshot.core.random import Streams
from trueshot.criteria.power import pairs_needed
from trueshot.sampling import Uniform
from trueshot.spaces import Chain
from trueshot.studies.analysis import TAU, jackknifed_taus, tau
from trueshot.studies.bases import TRUTH
from trueshot.studies.interchoice_chain import ARGUMENTS, IMAGES
from trueshot.studies.interchoice_chain import TRUTH as TRAINING
from trueshot.studies.rates import space_name
from trueshot.studies.record import Claim, Finding, Outcome, Prior, Scale, Study
from trueshot.studies.tables import Tabled, Tables
from trueshot.studies.trainings import Design, TrainedNetworks, Trainings

_PUBLISHED, _FEW = 0.72, 0.5
"""Tau between one training and the mean of two, with 250 and with 50 test images of each class."""
_INDEPENDENT = Prior(2 / 3, "that of unrelated columns: tau of n architectures has a deviation of 2 / (3 sqrt(n))")


def designs(arguments: Mapping[str, Any], count: int, streams: Streams) -> dict[str, Design]:
    """Return random chains."""
    space = Chain(**arguments)
    rows = Uniform(space).sample(count, streams.numpy("truth/archs"))
    return {
        f"chain-{index}": Design(space_name(space, row), partial(space.network, row)) for index, row in enumerate(rows)
    }


def _analyse(trained: TrainedNetworks) -> Outcome:
    test, training = trained.values(), trained.values("train_top1")
    claims = {}
    findings = []
    if len(test) > 1:
        first, second, mean = test[0], test[1], test.mean(axis=0)
        claims = {
            "one and the mean of two": tuple(jackknifed_taus(first, mean).tolist()),
            "training and test": tuple(jackknifed_taus(training[0], first).tolist()),
        }
        within = float(np.sqrt(test.var(axis=0, ddof=1).mean()))
        findings = [
            Finding(what="one training and another", metric=TAU, values=(tau(first, second),)),
            Finding(what="trainings of one architecture", metric="std (points)", values=(within,)),
            Finding(what="architectures", metric="std (points)", values=(float(mean.std(ddof=1)),)),
        ]
    return Outcome(findings=tuple(findings), claims=claims)


def _scale(scale: Scale, count: int) -> dict[str, Any]:
    images = {name: IMAGES[scale][name] for name in ("source", "data")}
    return {
        **images,
        **TRAINING[scale],
        "arguments": ARGUMENTS[scale],
        "count": count,
        "repeats": 2,
        "everything": False,
    }


STUDY = Study(
    name="interchoice-fig6",
    title="Inter-choice weights, Fig. 6: how reliable the truth is on SubImageNet",
    question="Does one training of an architecture tell its rank?",
    work=Trainings(
        what="chains",
        scales={Scale.SMOKE: _scale(Scale.SMOKE, 11), Scale.PAPER: _scale(Scale.PAPER, 50)},
        designs=designs,
    ),
    analyse=_analyse,
    claims=(
        Claim(
            name="one and the mean of two",
            metric=TAU,
            says="one training and the mean of two agree better than with 50 test images of each class, above 0.5",
            above=_FEW,
            paper=_PUBLISHED,
            prior=_INDEPENDENT,
            over="architectures",
        ),
        Claim(
            name="training and test",
            metric=TAU,
            says="training accuracy and test accuracy are not correlated: less than 0.2",
            above=-0.2,
            below=0.2,
            prior=_INDEPENDENT,
            over="architectures",
        ),
    ),
    needs_more={
        Scale.CPU: f"{pairs_needed(_PUBLISHED - _FEW, _INDEPENDENT.std, claims=2)} chains to tell 0.72 from 0.5, two"
        " trainings of 240 epochs each: after three epochs two trainings agree with tau 0.07"
        " (153afeb:results/interchoice-fig6-cpu.json), which says how short they are"
    },
)

_GOOD = 91.0


def twins(labels: Int64[np.ndarray, " n"], streams: Streams) -> tuple[Int64[np.ndarray, " k"], Int64[np.ndarray, " k"]]:
    """Return the positions of two members, at random, of each class that has two or more."""
    order = streams.numpy("twins").permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    _, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    starts = starts[counts > 1]
    return order[starts], order[starts + 1]


def _analyse_table(table: Tabled) -> Outcome:
    truth = table.truth["truth"]
    first, second = twins(table.labels, table.streams)
    a, b = truth[first], truth[second]
    good = (a > _GOOD) & (b > _GOOD)
    return Outcome(
        findings=(
            *_agreement("all", a, b, np.ones_like(good)),
            *_agreement(f"above {_GOOD:g} %", a, b, good),
            *_columns(table),
        ),
        claims={
            "two trainings": tuple(jackknifed_taus(a, b).tolist()),
            "two good trainings": tuple(jackknifed_taus(a[good], b[good]).tolist()) if good.sum() > 2 else (),
        },
        notes=(f"{len(a)} pairs of twins, one of each class; each training is a mean over the benchmark's seeds.",),
    )


def _agreement(
    what: str, a: Float64[np.ndarray, " k"], b: Float64[np.ndarray, " k"], chosen: Bool[np.ndarray, " k"]
) -> list[Finding]:
    if not chosen.any():
        return []
    within = float(np.sqrt(((a[chosen] - b[chosen]) ** 2).mean() / 2))
    note = f"{int(chosen.sum())} pairs"
    return [Finding(what=f"trainings of one, {what}", metric="std of accuracy (points)", values=(within,), note=note)]


def _columns(table: Tabled) -> list[Finding]:
    truth = table.truth["truth"]
    return [
        Finding(what=f"{name} and 200", metric=TAU, values=(tau(values, truth),), note=f"{len(truth)} architectures")
        for name, values in table.truth.items()
        if name != "truth"
    ]


NASBENCH201 = Study(
    name="interchoice-fig6-nasbench201",
    title="Inter-choice weights, Fig. 6 asked of NAS-Bench-201: how reliable the truth of its table is",
    question="Do two trainings of one architecture of NAS-Bench-201 have one rank?",
    work=Tables(scales={scale: {"space": "nasbench201", "truth": TRUTH} for scale in Scale}),
    analyse=_analyse_table,
    claims=tuple(
        Claim(
            name=name,
            metric=f"{TAU} of two trainings",
            says=says,
            above=_PUBLISHED,
            prior=_INDEPENDENT,
            over="classes of architectures",
        )
        for name, says in (
            ("two trainings", "they agree better than one training and the mean of two on SubImageNet"),
            ("two good trainings", f"those above {_GOOD:g} % too"),
        )
    ),
)
