"""Inter-choice weights, Table 1: what bias, split weights and attention add to the time and memory of training."""

from __future__ import annotations

import math
from collections.abc import Mapping

from trueshot.studies.bases import DIGITS
from trueshot.studies.interchoice import BASELINE, BIASES, CELLS, EPOCHS, SPACES, sharing
from trueshot.studies.interchoice_chain import ARGUMENTS
from trueshot.studies.interchoice_chain import EPOCHS as CHAIN_EPOCHS
from trueshot.studies.record import Claim, Finding, Outcome, Prior, Scale, Study
from trueshot.studies.steps import Steps, Timed

_SHARED, _SPLIT = "shared bias D=1", "split"
_CONDITIONS = {
    BASELINE: {},
    **BIASES,
    # Timed after the split.
    _SPLIT: sharing("split", epoch=0),
    _SHARED: sharing("shared-bias", empty="published"),
    "attention, 1 layer": sharing("attention"),
    "attention, 2 layers": sharing("attention", layers=2),
}
_TIME = {
    "all operations": {"bias D=1": 24, "bias D=2": 25, "bias D=3": 32, "125": 21, "175": 13, "200": 14},
    "no Zero": {"bias D=1": 18, "bias D=2": 26, "bias D=3": 38, "125": 10, "175": 8, "200": 6},
    "only convolutions": {"bias D=1": 18, "bias D=2": 27, "bias D=3": 34, "125": 3, "175": 1, "200": 1},
    "chain": {"bias D=1": 1, "400": 1, "500": 1},
}
"""Percent of time added; for splits by their epoch."""
_MEMORY = {
    "all operations": {BASELINE: 15.8, "bias D=1": 17.4, "bias D=2": 17.4, "bias D=3": 17.7, _SPLIT: 15.9},
    "no Zero": {BASELINE: 16.0, "bias D=1": 17.4, "bias D=2": 17.4, "bias D=3": 17.5, _SPLIT: 16.0},
    "only convolutions": {BASELINE: 16.6, "bias D=1": 17.7, "bias D=2": 17.7, "bias D=3": 17.8, _SPLIT: 16.7},
    "chain": {},
}
"""Percent of the memory of a GPU with 11 GB."""
_BIAS, _SHARED_BIAS, _NEARLY_NOTHING = (18.0, 38.0), (38.0, 128.0), 2.0
"""Ranges of the text: what a bias and a shared bias add on NAS-Bench-201, and what is left in a chain."""


def _setting(
    arguments: Mapping[str, int], batch: int, chain: dict[str, object], chain_batch: int, **more: object
) -> dict[str, object]:
    """Return settings of a scale; supernets of NAS-Bench-201 and of the chain have their own batches."""
    fixed = {"affine": False, "skip": "linear_transformer"}
    cell = {"name": "nasbench201", "arguments": {**fixed, **arguments}}
    panels = {
        name: {"space": cell, "space.arguments.sub_space": space, "supernet.recipe.batch_size": batch}
        for name, space in SPACES.items()
    }
    last = {"supernet.recipe.batch_size": chain_batch, **chain}
    recipe = {"epochs": 1, "lr": 1e-4, "momentum": 0.9, "weight_decay": 3e-4}
    return {"source": "cifar10", **more, "supernet.recipe": recipe, "panels": {**panels, "chain": last}}


def _analyse(timed: Timed) -> Outcome:
    findings: list[Finding] = []
    claims: dict[str, list[float]] = {}
    for panel, record in timed.records.items():
        added = {name: timed.added(panel, name, BASELINE) for name in _CONDITIONS if name != BASELINE}
        steps = tuple(1000.0 * second for second in record["wall"][BASELINE])
        findings.append(Finding(what=f"{panel}, {BASELINE}", metric="step (ms)", values=steps, over="architectures"))
        for name, values in added.items():
            on_cpu = timed.added(panel, name, BASELINE, "cpu").mean()
            more = record["params"][name] - record["params"][BASELINE]
            findings.append(
                Finding(
                    what=f"{panel}, {name}",
                    metric="time added (%)",
                    paper=_TIME[panel].get(name),
                    values=tuple(values.tolist()),
                    over="architectures",
                    note=f"{on_cpu:+.1f} of processor time; {more:,} weights more than {record['params'][BASELINE]:,}",
                )
            )
            if record["peak"]:
                findings.append(_memory(panel, name, record["peak"]))
        total = CHAIN_EPOCHS if panel == "chain" else EPOCHS
        for epoch, paper in _TIME[panel].items():
            if epoch.isdigit():
                share = 1 - int(epoch) / total
                whole = tuple((share * added[_SPLIT]).tolist())
                what = f"{panel}, split at {epoch}"
                metric = "time added to a training (%)"
                findings.append(Finding(what=what, metric=metric, paper=paper, values=whole, over="architectures"))
        claims |= {f"{panel}, {name}": values.tolist() for name, values in added.items()}
    return Outcome(findings=tuple(findings), claims=claims, notes=_NOTES)


def _memory(panel: str, name: str, peak: dict[str, int]) -> Finding:
    published = _MEMORY[panel]
    paper = 100 * (published[name] / published[BASELINE] - 1) if name in published else None
    value = 100.0 * (peak[name] / peak[BASELINE] - 1)
    return Finding(what=f"{panel}, {name}", metric="memory of a step added (%)", paper=paper, values=(value,))


_NOTES = (
    "Time added is the mean over architectures of a step's more, in percent of the mean step of the baseline. The paper"
    " timed whole trainings on a GTX 1080 Ti, batch 256 (chain: batch 128 at 224 pixels).",
    "A split adds its overhead to what is left of the training after its epoch. All its sets are real weights here; the"
    " paper keeps those not in use in main memory.",
)
_SPREAD = Prior(3.5, "between the architectures of 153afeb:results/interchoice-table1-cpu.json")


def _claim(panel: str, name: str, says: str, above: float, below: float) -> Claim:
    return Claim(
        name=f"{panel}, {name}",
        metric="time added (%)",
        says=says,
        above=above,
        below=below,
        paper=_TIME[panel].get(name),
        prior=_SPREAD,
        over="architectures",
    )


STUDY = Study(
    name="interchoice-table1",
    title="Inter-choice weights, Table 1: time and memory that they add to training",
    question="How much longer does training take with inter-choice weights?",
    work=Steps(
        scales={
            Scale.SMOKE: _setting(
                {"cells": 1, "channels": 4},
                4,
                {"space": {"name": "chain", "arguments": ARGUMENTS[Scale.SMOKE]}},
                4,
                source=DIGITS["source"],
                **{"archs.count": 2, "seeds": 1},
            ),
            Scale.CPU: _setting(
                {"cells": CELLS},
                32,
                {"source": "subimagenet64", "data": {"image_size": 224}, "space": {"name": "chain"}},
                16,
                **{"archs.count": 16, "seeds": 3},
            ),
            Scale.PAPER: _setting(
                {"cells": CELLS},
                256,
                {"source": "subimagenet64", "data": {"image_size": 224}, "space": {"name": "chain"}},
                128,
                **{"archs.count": 100, "seeds": 4},
            ),
        },
        conditions=_CONDITIONS,
    ),
    analyse=_analyse,
    claims=(
        *(
            _claim(panel, name, "on NAS-Bench-201 a bias adds 18 to 38 % to the time of a training", *_BIAS)
            for panel in SPACES
            for name in BIASES
        ),
        *(_claim(panel, _SHARED, "a shared bias adds 38 to 128 %", *_SHARED_BIAS) for panel in SPACES),
        _claim(
            "chain", "bias D=1", "in a chain the overhead nearly disappears: less than 2 %", -math.inf, _NEARLY_NOTHING
        ),
    ),
)
