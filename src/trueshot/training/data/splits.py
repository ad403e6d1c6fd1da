"""Stratified splits and subsets of labelled rows."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from trueshot.core.errors import DataError

Rows = Int64[np.ndarray, " n"]
Chosen = Int64[np.ndarray, " chosen"]
Rest = Int64[np.ndarray, " rest"]
Counts = Int64[np.ndarray, " classes"]


def apportion(counts: Counts, total: int, lower: Counts, upper: Counts) -> Counts:
    """Share ``total`` among classes in proportion to ``counts`` (largest remainder), within bounds per class.

    A ``total`` outside what the bounds allow is moved to the nearest that they do.
    """
    total = int(np.clip(total, lower.sum(), upper.sum()))
    quota = counts * (total / max(counts.sum(), 1))
    shares: Counts = np.clip(np.floor(quota).astype(np.int64), lower, upper)
    while (lack := total - shares.sum()) != 0:
        if lack > 0:
            shares[np.argmax(np.where(shares < upper, quota - shares, -np.inf))] += 1
        else:
            shares[np.argmin(np.where(shares > lower, quota - shares, np.inf))] -= 1
    return shares


def draw(labels: Rows, shares: Counts, generator: np.random.Generator) -> tuple[Chosen, Rest]:
    """Return ``shares[c]`` random rows of each class ``c``, and the rest; both in random order."""
    chosen = np.zeros(len(labels), dtype=bool)
    order = generator.permutation(len(labels))
    grouped = order[np.argsort(labels[order], kind="stable")]
    starts = np.concatenate([[0], np.cumsum(np.bincount(labels, minlength=len(shares)))])
    for number, share in enumerate(shares):
        chosen[grouped[starts[number] : starts[number] + share]] = True
    return generator.permutation(np.flatnonzero(chosen)), generator.permutation(np.flatnonzero(~chosen))


def split(
    labels: Rows, fraction: float, *, classes: tuple[str, ...], parts: int, generator: np.random.Generator
) -> tuple[Chosen, Rest]:
    """Cut ``fraction`` of the rows off, each class in proportion and on both sides.

    Args:
        labels: class of each row.
        fraction: share of the rows to set aside.
        classes: names of the classes, for the message.
        parts: into how many parts the rows are cut in the end; so many images of each class are needed.
        generator: source of the draw.

    Returns:
        The rows that remain and the rows set aside, each in random order.

    Raises:
        DataError: when a class has fewer than ``parts`` images.
    """
    counts = np.bincount(labels, minlength=len(classes))
    scarce = int(np.argmin(counts))
    if counts[scarce] < parts:
        raise DataError(
            f"class '{classes[scarce]}' has {counts[scarce]} images, too few to split into {parts} parts: "
            f"give each class at least {parts}, or bring separate parts (train/, val/, test/)"
        )
    shares = apportion(counts, round(fraction * len(labels)), np.ones_like(counts), counts - (parts - 1))
    aside, kept = draw(labels, shares, generator)
    return kept, aside


def subset(
    labels: Rows,
    limit: int | None,
    *,
    classes: tuple[str, ...],
    least: int,
    generator: np.random.Generator,
    option: str,
) -> Chosen:
    """Return at most ``limit`` rows, each class in proportion but with ``least`` rows where it has them.

    The rows come in random order, so that any stretch of a part sorted by class mixes the classes.

    Raises:
        DataError: when ``limit`` cannot give ``least`` rows to each class; ``option`` names the setting.
    """
    if limit is None or limit >= len(labels):
        return generator.permutation(len(labels))
    counts = np.bincount(labels, minlength=len(classes))
    lower = np.minimum(counts, least)
    if limit < lower.sum():
        raise DataError(
            f"{option} leaves {limit} images for {len(classes)} classes, which need {least} each: "
            f"raise it by at least {lower.sum() - limit}"
        )
    return draw(labels, apportion(counts, limit, lower, counts), generator)[0]


def stratified_prefix(labels: Rows, limit: int) -> Chosen:
    """Return at most ``limit`` positions, ascending: the first of each class, classes in proportion."""
    if limit >= len(labels):
        return np.arange(len(labels))
    counts = np.bincount(labels)
    shares = apportion(counts, limit, np.zeros_like(counts), counts)
    grouped = np.argsort(labels, kind="stable")
    rank = np.empty(len(labels), dtype=np.int64)
    rank[grouped] = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.flatnonzero(rank < shares[labels])
