"""What the recommended network gets wrong on the test images: which classes it confuses, and its worst mistakes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trueshot.core.mistakes import Confusion, Mistake, Mistakes
from trueshot.evaluation.accuracy import Answers
from trueshot.training.data.dataset import Part
from trueshot.training.data.loaders import pixels_of
from trueshot.training.data.thumbnails import thumbnail

MOST = 12
"""Mistakes shown as pictures."""


def mistakes_of(network: str, answers: Answers, part: Part, classes: Sequence[str]) -> tuple[Confusion, Mistakes]:
    """Return the sections on the mistakes of a network.

    Args:
        network: its name.
        answers: to all images of ``part``, in their order.
        part: the images and their classes.
        classes: names.

    Raises:
        DataError: when an image that is to be shown cannot be read any more.
    """
    true, given = part.labels.numpy(), answers.given
    pairs, counts = np.unique(np.stack([true, given], axis=1), axis=0, return_counts=True)
    confusion = Confusion(
        name="confusion",
        title=f"Confusion matrix of {network}",
        classes=tuple(classes),
        counts=tuple((int(a), int(b), int(n)) for (a, b), n in zip(pairs, counts, strict=True)),
    )
    wrong = np.flatnonzero(true != given)
    # The surest first; of equally sure ones, those earlier in the data.
    worst = wrong[np.argsort(-answers.probability[wrong], kind="stable")][:MOST]
    shown = []
    for position, pixels in zip(worst.tolist(), pixels_of(part, worst), strict=True):
        image, side = thumbnail(pixels)
        shown.append(
            Mistake(
                image=image,
                side=side,
                # Names of files may hold bytes that are no text.
                name=part.name(position).encode(errors="backslashreplace").decode(),
                true=classes[true[position]],
                given=classes[given[position]],
                probability=float(answers.probability[position]),
                of_true=float(answers.of_true[position]),
            )
        )
    note = (
        f"Of {len(wrong):,} wrong answers to {len(true):,} test images, those given with the highest probability."
        " Look here first for images under a wrong class."
        if shown
        else f"It made no mistake on the {len(true):,} test images."
    )
    return confusion, Mistakes(
        name="mistakes", title=f"Most confident mistakes of {network}", mistakes=tuple(shown), note=note
    )
