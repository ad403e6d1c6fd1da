"""ST-NAS, Table 1: random residual blocks added to ResNet-18 at equal MAdds.

Four residual blocks join random feature maps of ResNet-18, the width is rescaled. Published is one accuracy of each of
three random topologies; which pairs were drawn, how often each was trained, and how long, is not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from trueshot.core.random import Streams
from trueshot.criteria.power import pairs_needed
from trueshot.studies.bases import DIGITS, IMAGENET
from trueshot.studies.record import Claim, Finding, Outcome, Prior, Scale, Study
from trueshot.studies.searches import METRIC
from trueshot.studies.skip_resnet import SkipResNet, at_madds, random_skips
from trueshot.studies.trainings import Design, TrainedNetworks, Trainings

_BASE, _SKIPS, _LARGEST_SMALL = "Res-18", 4, 64
_PAPER = {_BASE: 70.2, "Rand0": 71.5, "Rand1": 72.0, "Rand2": 69.6}
_EFFECT = round((71.5 + 72.0 + 69.6) / 3 - 70.2, 2)
_SPREAD = Prior(3.9, "between the three topologies of 153afeb:results/stnas-table1-cpu.json")


def designs(arguments: Mapping[str, Any], count: int, streams: Streams) -> dict[str, Design]:
    """Return ResNet-18 and random topologies of equal MAdds; small images have a stem of stride 1."""
    base = SkipResNet(**arguments, small=arguments["image_size"] <= _LARGEST_SMALL)
    plans = {_BASE: base}
    for index in range(count):
        skips = random_skips(_SKIPS, streams.numpy("table1/skips", index))
        plans[f"Rand{index}"] = at_madds(dataclasses.replace(base, skips=skips), base.madds)
    return {name: Design(repr(plan), plan.network) for name, plan in plans.items()}


def _analyse(trained: TrainedNetworks) -> Outcome:
    values = dict(zip(trained.records, trained.values().T, strict=True))
    findings = [
        Finding(what=name, metric=METRIC, paper=_PAPER.get(name), values=tuple(map(float, one)), over="trainings")
        for name, one in values.items()
    ]
    # Trainings of one topology are no independent draws of a topology: each counts once, by its mean.
    base = values.pop(_BASE).mean()
    gains = tuple(float(one.mean() - base) for one in values.values())
    return Outcome(findings=tuple(findings), claims={"random less ResNet-18": gains})


STUDY = Study(
    name="stnas-table1",
    title="ST-NAS, Table 1: random residual blocks added to ResNet-18 at equal MAdds",
    question="Are random topologies better than ResNet-18 of equal MAdds?",
    work=Trainings(
        what="residual networks",
        scales={
            Scale.SMOKE: {
                "source": DIGITS["source"],
                "data": DIGITS["data"],
                "augmentation": DIGITS["supernet.augmentation"],
                "arguments": {"width": 4.0},
                "count": 3,
                "recipe": {"epochs": 1, "batch_size": 64, "lr": 0.05},
            },
            # The training of Table 1 is not published: this is the usual one of ResNet-18 on ImageNet.
            Scale.PAPER: {
                "source": IMAGENET["source"],
                "data": IMAGENET["data"],
                "augmentation": IMAGENET["supernet.augmentation"],
                "arguments": {"width": 64.0},
                "count": 3,
                "recipe": {"epochs": 90, "batch_size": 256, "lr": 0.1, "nesterov": True},
            },
        },
        designs=designs,
    ),
    analyse=_analyse,
    claims=(
        Claim(
            name="random less ResNet-18",
            metric="points of top-1",
            says="random topologies are better on average",
            above=0.0,
            paper=_EFFECT,
            prior=_SPREAD,
            over="topologies",
        ),
    ),
    needs_more={
        Scale.CPU: f"{pairs_needed(_EFFECT, _SPREAD.std)} random topologies to see the published {_EFFECT} points, as"
        f" topologies trained for 8 epochs spread by {_SPREAD.std} points; {pairs_needed(_EFFECT, 1.3)} where a pilot"
        " of converged trainings shows a spread of 1.3"
    },
)
