"""Inter-choice weights, Fig. 6: how reliable the truth is, seed against seed and training against test accuracy.

For the chain from stand-alone trainings. For NAS-Bench-201 from its table, which holds means over seeds: architectures
that are one function were trained as if they were several, so twins are independent trainings of one architecture.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64

from trueshot.core.observe import SILENT, Observer
from trueshot.core.random import Streams
from trueshot.criteria.correlation import pearson, spearman
from trueshot.spaces import NasBench201
from trueshot.spaces.canonical.classes import every
from trueshot.studies import interchoice, interchoice_chain
from trueshot.studies.cost import estimate as sum_up
from trueshot.studies.lab_truth import TRUTH, read_truth, truth_file
from trueshot.studies.result import Estimate, Row, Scale, StudyResult
from trueshot.studies.supernets import tau, tau_interval

NAME = "interchoice-fig6"
TITLE = "Inter-choice weights, Fig. 6: how reliable the truth is"
FOLDER = interchoice.FOLDER

_AGREEMENT = 0.72
"""Printed in appendix A: tau between one training and the mean of two, test accuracy of 250 images a class."""

_ABOVE = 91.0


def run(
    scale: Scale,
    *,
    out: Path,
    device: torch.device,
    observer: Observer = SILENT,
    seed: int = 0,
    data: str | None = None,
) -> StudyResult:
    """Train the truth of Fig. 5, or take it up, and compare its seeds; compare twins in the table."""
    truth_file()
    chains = interchoice_chain.Chains.open(scale, out=out, device=device, observer=observer, seed=seed, data=data)
    truth = chains.truth()
    rows = [
        *_seeds("test accuracy", truth.accuracy, chains.streams, published=_AGREEMENT),
        *_seeds("test loss", truth.loss, chains.streams),
        *_seeds("training accuracy", truth.training, chains.streams),
        Row(
            what="chain, training and test accuracy of one training",
            metric="Kendall tau",
            values=tuple(tau(a, b) for a, b in zip(truth.training, truth.accuracy, strict=True)),
            note="the paper: none, as expected; n and spread over trainings",
        ),
        *_spread(truth.accuracy),
        *_table(chains.streams),
    ]
    notes = [
        chains.note(),
        f"Test images: {chains.work.dataset.test_size / len(chains.work.dataset.classes):.0f} of each class. The paper:"
        " tau between one training and the mean of two is about 0.5 with 50 and 0.72 with 250 images of each class.",
        "A training is part of the mean of two, so that tau is high even for noise; one training against another is"
        " what a ranking can hope for.",
    ]
    details = {
        "archs": [chains.space.format(row) for row in chains.archs()],
        "test": truth.accuracy.tolist(),
        "loss": truth.loss.tolist(),
        "training": truth.training.tolist(),
    }
    costs = estimate(Scale.PAPER, device=device) if scale is Scale.CPU else None
    return chains.work.result(NAME, TITLE, rows, notes, estimate=costs, details=details)


def estimate(scale: Scale, *, device: torch.device) -> Estimate:
    """Return what a scale costs on ``device`` where Fig. 5 was not run before."""
    return sum_up(scale, device, interchoice_chain.truth_part(scale, device))


def _seeds(
    what: str, values: Float64[np.ndarray, "seeds n"], streams: Streams, *, published: float | None = None
) -> list[Row]:
    """Return how one training agrees with the mean of all, and with another."""
    mean = values.mean(axis=0)
    note = "n and spread over trainings"
    part = tuple(tau(one, mean) for one in values)
    rows = [Row(what=f"chain, {what}: one and the mean", metric="Kendall tau", paper=published, values=part, note=note)]
    for (i, a), (j, b) in itertools.combinations(enumerate(values), 2):
        rows.append(_pair(f"chain, {what}: {i + 1} and {j + 1}", a, b, streams))
    return rows


def _pair(
    what: str, a: Float64[np.ndarray, " n"], b: Float64[np.ndarray, " n"], streams: Streams | None, note: str = ""
) -> Row:
    """Return the agreement of two columns; the interval is over architectures."""
    varied = min(np.ptp(a), np.ptp(b)) > 0
    figures = {"pearson": pearson(predicted=a, true=b), "spearman": spearman(predicted=a, true=b)} if varied else {}
    told = f"{len(a)} architectures" + (f", Pearson {figures['pearson']:.3f}" if varied else "")
    return Row(
        what=what,
        metric="Kendall tau",
        values=(tau(a, b),),
        interval=None if streams is None else tau_interval(a, b, streams),
        note=f"{told}; {note}" if note else told,
        figures={**figures, "archs": len(a)},
    )


def _spread(accuracy: Float64[np.ndarray, "seeds n"]) -> list[Row]:
    """Return how far architectures are apart, and trainings of one architecture."""
    between = float(accuracy.mean(axis=0).std(ddof=1))
    rows = [Row(what="chain, architectures", metric="std of test accuracy (points)", values=(between,))]
    if len(accuracy) > 1:
        within = float(np.sqrt(accuracy.var(axis=0, ddof=1).mean()))
        rows.append(Row(what="chain, trainings of one", metric="std of test accuracy (points)", values=(within,)))
    return rows


def _table(streams: Streams) -> list[Row]:
    """Return what the table of NAS-Bench-201 says of its own reliability."""
    space = NasBench201()
    archs = every(space)
    names = [space.format(row) for row in archs]
    file = truth_file()

    def column(name: str) -> Float64[np.ndarray, " n"]:
        values = read_truth(file, name)
        return np.array([values[text] for text in names])

    truth = column(TRUTH)
    first, second = _twins(space.index(space.canonical(archs, "functional")), streams)
    a, b = truth[first], truth[second]
    good = (a > _ABOVE) & (b > _ABOVE)
    within = float(np.sqrt(((a[good] - b[good]) ** 2).mean() / 2))
    pairs = {
        "CIFAR-10, 12 and 200 epochs": (column("cifar10_test_12"), truth),
        "CIFAR-10 after 12 epochs, validation and test": (column("cifar10_valid_12"), column("cifar10_test_12")),
        "CIFAR-100 and CIFAR-10": (column("cifar100_test_200"), truth),
        "ImageNet16-120 and CIFAR-10": (column("imagenet16_test_200"), truth),
    }
    return [
        _pair("NAS-Bench-201, two trainings of one function", a, b, None, "one pair of twins of each class"),
        _pair(f"NAS-Bench-201, likewise, above {_ABOVE:g} %", a[good], b[good], None),
        Row(
            what=f"NAS-Bench-201, trainings of one, above {_ABOVE:g} %",
            metric="std of test accuracy (points)",
            values=(within,),
            note=f"{int(good.sum())} pairs, each training a mean over the benchmark's seeds",
        ),
        *[_pair(f"NAS-Bench-201, {what}", *columns, None) for what, columns in pairs.items()],
    ]


def _twins(classes: np.ndarray, streams: Streams) -> tuple[np.ndarray, np.ndarray]:
    """Return two members, at random, of each class that has two; as positions."""
    order = streams.numpy("twins").permutation(len(classes))
    order = order[np.argsort(classes[order], kind="stable")]
    grouped = classes[order]
    starts = np.flatnonzero(np.r_[True, grouped[1:] != grouped[:-1]])
    paired = starts[
        (starts + 1 < len(grouped)) & (grouped[np.minimum(starts + 1, len(grouped) - 1)] == grouped[starts])
    ]
    return order[paired], order[paired + 1]
