"""ST-NAS, Table 3: winners beside off-the-shelf networks in two groups of MAdds."""

from __future__ import annotations

from trueshot.studies import baselines
from trueshot.studies.record import Claim, Finding, Outcome, Scale, Study
from trueshot.studies.searches import GREATER, LESSER, ScaledBaseline, Searched, Searches
from trueshot.studies.stnas_winners import NOTES, SCALES, SPREAD, needs, published

_MODELS = {"ST-NAS-A": (LESSER, 76.4), "ST-NAS-B": (GREATER, 77.9)}
_BASELINES = {
    "MNASNet, scaled to ST-NAS-A": (ScaledBaseline(baselines.mnasnet, LESSER), None),
    "MobileNetV2, scaled to ST-NAS-A": (ScaledBaseline(baselines.mobilenet_v2, LESSER), None),
    "MobileNetV2, scaled to ST-NAS-B": (ScaledBaseline(baselines.mobilenet_v2, GREATER), 74.7),
    "ShuffleNetV2, scaled to ST-NAS-B": (ScaledBaseline(baselines.shufflenet_v2, GREATER), 74.9),
    "MNASNet, scaled to ST-NAS-B": (ScaledBaseline(baselines.mnasnet, GREATER), None),
}
_PUBLISHED = (
    ("MNASNet-A1", 312, 75.2),
    ("MNASNet-A2", 340, 75.6),
    ("RCNet-B", 471, 74.7),
    ("NASNet-B", 488, 72.8),
    ("EfficientNet-B0", 390, 76.3),
    ("NASNet-C", 558, 72.5),
    ("NASNet-A", 564, 74.0),
    ("1.4-MNASNet-A1", 600, 77.2),
    ("RENASNet", 580, 75.7),
    ("PNASNet", 588, 74.2),
)
_LEADS = {
    "ST-NAS-A less MobileNetV2": ("ST-NAS-A", "MobileNetV2, scaled to ST-NAS-A", None),
    "ST-NAS-B less MobileNetV2": ("ST-NAS-B", "MobileNetV2, scaled to ST-NAS-B", 3.2),
    "ST-NAS-B less ShuffleNetV2": ("ST-NAS-B", "ShuffleNetV2, scaled to ST-NAS-B", 3.0),
}


def _analyse(searched: Searched) -> Outcome:
    found = {model: searched.searched(model, "winner", top1, place) for model, (place, top1) in _MODELS.items()}
    random = [
        searched.searched(f"random, as expensive as {model}", "random", None, place)
        for model, (place, _) in _MODELS.items()
    ]
    found |= {name: searched.scaled_baseline(name, name, paper) for name, (_, paper) in _BASELINES.items()}
    findings = [*found.values(), *random, *(published(*row) for row in _PUBLISHED)]
    claims = {name: _lead(found[model], found[scaled_baseline]) for name, (model, scaled_baseline, _) in _LEADS.items()}
    notes = (*NOTES, "MNASNet is B1: A1 of the paper adds squeeze and excitation.")
    return Outcome(findings=tuple(findings), claims=claims, notes=notes)


def _lead(model: Finding, scaled_baseline: Finding) -> tuple[float, ...]:
    return (
        () if model.ours is None or scaled_baseline.ours is None else (model.ours.value - scaled_baseline.ours.value,)
    )


STUDY = Study(
    name="stnas-table3",
    title="ST-NAS, Table 3: winners beside off-the-shelf networks in two groups of MAdds",
    question="Are searched networks better than off-the-shelf ones in both groups of MAdds?",
    work=Searches(
        scales=SCALES, scaled_baselines={name: scaled_baseline for name, (scaled_baseline, _) in _BASELINES.items()}
    ),
    analyse=_analyse,
    claims=tuple(
        Claim(
            name=name,
            metric="points of top-1",
            says="the searched network is better",
            above=0.0,
            paper=paper,
            prior=SPREAD,
            over="searches",
        )
        for name, (_, _, paper) in _LEADS.items()
    ),
    needs_more={Scale.CPU: needs(3.0)},
)
