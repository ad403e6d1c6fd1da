"""Inter-choice weights, Fig. 4: bias of depth 2 against the baseline, convolutions only.

Source: Laube and Zell, "Inter-choice dependent super-network weights", section 4.1. Strictly fair sampling stands
beside the uniform one of the paper.
"""

from __future__ import annotations

from trueshot.criteria.curves import improvement_curve
from trueshot.studies.analysis import TAU, differences, tau
from trueshot.studies.bases import NB201_CPU, NB201_SMOKE, TRUTH
from trueshot.studies.record import Claim, Finding, Outcome, Prior, Scale, Study
from trueshot.studies.scored import Scored
from trueshot.studies.supernets import Rankings

_LEFT = 10
_BIAS = {"supernet.sharing": {"kind": "bias", "depth": 2}}
_FAIR = {"supernet.sampler": {"kind": "fair"}}
_IMPROVEMENT = f"improvement, {_LEFT} left"


def _improvement(scored: Scored, condition: str) -> tuple[float, ...]:
    truth = scored.truth["truth"]
    found = (
        improvement_curve(predicted=row, true=truth, smallest=_LEFT).improvement[-1]
        for row in scored.scores[condition, "single"]
    )
    return tuple(float(value) for value in found)


def _analyse(scored: Scored) -> Outcome:
    truth = scored.truth["truth"]
    conditions = ("uniform, baseline", "uniform, bias D=2", "fair, baseline", "fair, bias D=2")
    taus = {name: tuple(tau(row, truth) for row in scored.scores[name, "single"]) for name in conditions}
    gains = {name: _improvement(scored, name) for name in conditions}
    findings = [
        Finding(what=name, metric=metric, values=values[name])
        for name in conditions
        for metric, values in ((_IMPROVEMENT, gains), (TAU, taus))
    ]
    claims = {
        f"{sampling}, {metric}": differences(values[f"{sampling}, bias D=2"], values[f"{sampling}, baseline"])
        for sampling in ("uniform", "fair")
        for metric, values in ((_IMPROVEMENT, gains), (TAU, taus))
    }
    return Outcome(findings=tuple(findings), claims=claims, notes=(f"{len(scored.archs)} architectures.",))


_SPACE = {"space.arguments.sub_space": "only_conv"}

STUDY = Study(
    name="interchoice-fig4",
    title="Inter-choice weights, Fig. 4: bias against the baseline, convolutions only",
    question="Does an inter-choice bias of depth 2 rank networks of convolutions better?",
    work=Rankings(
        conditions={
            "uniform, baseline": {},
            "uniform, bias D=2": _BIAS,
            "fair, baseline": _FAIR,
            "fair, bias D=2": {**_FAIR, **_BIAS},
        },
        scales={
            Scale.SMOKE: {**NB201_SMOKE, **_SPACE, "archs.count": 14},
            Scale.CPU: {**NB201_CPU, **_SPACE, "supernet.recipe.epochs": 8, "seeds": 10},
            Scale.PAPER: {
                "source": "cifar10",
                "data": {"image_size": 32, "validation_fraction": 0.1},
                "space": {
                    "name": "nasbench201",
                    "arguments": {"cells": 2, "affine": False, "skip": "linear_transformer", "sub_space": "only_conv"},
                },
                "supernet.augmentation": {"crop_padding": 4, "padding": "black", "flip": 0.5},
                "supernet.recipe": {
                    "epochs": 250,
                    "batch_size": 256,
                    "lr": 0.025,
                    "final_lr": 1e-5,
                    "weight_decay": 3e-4,
                },
                "supernet.sampler": "uniform",
                "evaluation.recalibration": {"mode": "adapt", "batches": 20, "batch_size": 256},
                "truth": TRUTH,
                "seeds": 3,
            },
        },
        base={"scores": {"single": {}}},
    ),
    analyse=_analyse,
    claims=tuple(
        Claim(
            name=f"{sampling}, {metric}",
            metric=metric,
            says=f"with only convolutions the bias ranks better ({sampling} sampling)",
            above=0.0,
            prior=Prior(std, "two supernets of results/interchoice-fig4-cpu.json"),
        )
        for sampling in ("uniform", "fair")
        for metric, std in ((_IMPROVEMENT, 0.15), (TAU, 0.1))
    ),
)
