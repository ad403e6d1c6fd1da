"""Inter-choice weights, Fig. 5: bias and split weights against the baseline in a chain on SubImageNet.

The paper draws curves and prints no figures; its findings are in the notes. In this space a bias cannot do anything:
every block begins with a 1x1 convolution and BatchNorm, as does the head behind the last of them, and what is added to
a whole channel passes the convolution as a constant, which the batch statistics take away. Its gradient is zero but for
rounding, and so it stays where it began, at zero: supernets with it are baselines that rounding has led elsewhere.
"""

from __future__ import annotations

from pathlib import Path

import torch

from trueshot.core.observe import SILENT, Observer
from trueshot.sharing.bias import BiasTable
from trueshot.studies import interchoice, interchoice_chain, interchoice_curves
from trueshot.studies.cost import estimate as sum_up
from trueshot.studies.interchoice_chain_setting import SETTINGS, kinds
from trueshot.studies.result import Estimate, Row, Scale, StudyResult
from trueshot.studies.supernets import Trained

NAME = "interchoice-fig5"
TITLE = "Inter-choice weights, Fig. 5: bias and split weights against the baseline in a chain on SubImageNet"
FOLDER = interchoice.FOLDER

_WHERE, _BIAS = "chain", "bias D=1"


def run(
    scale: Scale,
    *,
    out: Path,
    device: torch.device,
    observer: Observer = SILENT,
    seed: int = 0,
    data: str | None = None,
) -> StudyResult:
    """Train the truth and the supernets of every kind and prune the architectures by what they say."""
    chains = interchoice_chain.Chains.open(scale, out=out, device=device, observer=observer, seed=seed, data=data)
    measured = chains.truth()
    truth = measured.by(chains.setting.truth_metric).mean(axis=0)
    found = {label: chains.outcome(kind, truth) for label, kind in kinds(scale).items()}
    accuracy = measured.accuracy.mean(axis=0)
    rows = [
        Row(
            what=f"{_WHERE}, all",
            metric="mean accuracy (%)",
            values=tuple(accuracy.tolist()),
            note=f"best {accuracy.max():.2f}; n and spread over architectures",
            figures={"best": float(accuracy.max())},
        ),
        *interchoice_curves.improvement_rows(_WHERE, found),
        *interchoice_curves.difference_rows(_WHERE, found),
        *interchoice_curves.rival_rows(_WHERE, chains.rivals(), truth),
        Row(
            what=f"{_WHERE}, {_BIAS}",
            metric="largest number in the trained bias",
            values=tuple(_largest(chains.trained(kinds(scale)[_BIAS], n)) for n in range(chains.setting.repeats)),
            note="rounding alone: BatchNorm takes the bias away",
        ),
    ]
    notes = [
        chains.note(),
        interchoice_curves.gain_note(_WHERE, found),
        f"In this space BatchNorm takes a bias on a block's input away, so that it has no gradient: what sets {_BIAS}"
        " apart from the baseline is rounding that training amplifies, in the paper too, whose blocks begin likewise."
        " Read the other differences by that one.",
        "The paper: pruning the first 30 of 50 hardly changes the mean; towards the last ten both bias and split"
        " weights improve on the baseline, less than on NAS-Bench-201's convolutions. Fig. 6 tells how reliable the"
        " truth is.",
    ]
    details = {
        "archs": [chains.space.format(row) for row in chains.archs()],
        "truth": truth.tolist(),
        "curves": {label: one.curve(interchoice_curves.LEFT) for label, one in found.items()},
    }
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    return chains.work.result(NAME, TITLE, rows, notes, estimate=costs, details=details)


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device``, from measured steps; each kind taken to cost what the baseline does."""
    chosen, setting = list(kinds(scale).values()), SETTINGS[scale]
    return sum_up(
        scale,
        device,
        interchoice_chain.truth_part(scale, device),
        interchoice_chain.supernet_part(scale, device, chosen),
        interchoice_chain.scoring_part(scale, device, len(chosen) * setting.repeats * setting.archs),
    )


def _largest(trained: Trained) -> float:
    """Return the largest absolute number in the bias of a supernet."""
    tables = (module for module in trained.supernet.modules() if isinstance(module, BiasTable))
    return max(float(table.vectors.detach().abs().max()) for table in tables)
