"""From what the user calls the data to a dataset."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from trueshot.core.errors import DataError
from trueshot.core.random import Streams
from trueshot.training.data.cache import is_known_good, note_good, remembered
from trueshot.training.data.dataset import IMBALANCE, Dataset, check_bad, imbalance, name_bad
from trueshot.training.data.folder import list_folder
from trueshot.training.data.layout import Survey, layout_notes, survey
from trueshot.training.data.listing import ArrayImages, FileImages, Labelled, Listing, digest_of, stamp_of
from trueshot.training.data.named import DIGITS, SHARED, find_source
from trueshot.training.data.options import DataOptions
from trueshot.training.data.parquet import ParquetImages, list_parquet
from trueshot.training.data.parts import Reader, held_back
from trueshot.training.data.splits import split, subset


def load(spec: str, *, options: DataOptions, streams: Streams) -> Dataset:
    """Read, check and split a dataset.

    Args:
        spec: ``digits``, ``cifar10`` or ``subimagenet64`` (the latter two below ``$TRUESHOT_DATA``), a folder, or a
            Parquet file; a folder of one of these names is written ``./digits``.
        options: sizes, fractions and limits.
        streams: source of the splits; equal streams give equal parts.

    Returns:
        The dataset. Every image has been decoded once, so that broken ones are found now (many large ones that were
        whole before are not decoded again); the pixels of test images are not kept, nor made again before
        ``Dataset.test`` is asked for.

    Raises:
        DataError: one line that names the file, class or column at fault and the remedy.
    """
    listing = list_source(spec)
    chosen = _choose(listing, options, streams)
    workers = options.worker_count()
    small = options.image_size is None or options.image_size <= 64
    digest, test_digest = _digests(listing, options, streams)

    def look(name: str) -> Survey:
        part, rows = chosen[name]
        keep, stamp = small and name != "test", stamp_of(part.images, digest)
        known = is_known_good(stamp, name, rows)
        decode = partial(survey, part.images, rows, keep=keep, workers=workers, known_good=known)
        # Only the digest of such a file is sure to follow the content of every image.
        seen = remembered(digest, name, rows, decode) if keep and isinstance(part.images, ParquetImages) else decode()
        if not known and not seen.bad and seen.pixels is None:
            note_good(stamp, name, rows)
        return seen

    seen = {name: look(name) for name in chosen}
    bad = [image for part in seen.values() for image in part.bad]
    check_bad(bad, sum(len(rows) for _, rows in chosen.values()), options.max_bad_images)
    picked = _pick(listing, chosen, seen, options, streams)
    for name, part in picked.items():
        _check_classes(name, part.labels, listing)

    reader = Reader.of([part.seen for part in picked.values()], options, workers)
    train, unread = reader.read(picked["train"].source, picked["train"].seen)
    validation, also = reader.read(picked["validation"].source, picked["validation"].seen)
    bad += [*unread, *also]
    check_bad(bad, sum(len(rows) for _, rows in chosen.values()), options.max_bad_images)
    dataset = Dataset(
        name=listing.name,
        classes=listing.classes,
        preprocessing=reader.preprocessing(train),
        train=train,
        validation=validation,
        held_back=held_back(reader, picked["test"].source, picked["test"].seen, options.max_bad_images - len(bad)),
        notes=(),
        digest=digest,
        test_digest=test_digest,
        listing=listing,
    )
    notes = [*_name_notes(spec), *listing.notes]
    notes += [f"{len(bad)} unreadable images are skipped: {name_bad(bad)}"] if bad else []
    notes += layout_notes(list(seen.values()), reader.geometry.image_size)
    notes += _subset_notes(listing, chosen, options)
    return replace(dataset, notes=(*_imbalance_notes(dataset), *notes))


def list_source(spec: str) -> Listing:
    """Find what ``spec`` names and list its images.

    Raises:
        DataError: when there is no such thing, or it holds no images with classes.
    """
    path = find_source(spec)
    if path is None:
        return _digits()
    return list_folder(path) if path.is_dir() else list_parquet(path)


def _name_notes(spec: str) -> list[str]:
    """Say which of two is taken where a folder has the name of images that come with this package."""
    if spec in (DIGITS, *SHARED) and Path(spec).is_dir():
        return [f"{spec} are the images of that name; the folder beside this command is written ./{spec}"]
    return []


def _digests(listing: Listing, options: DataOptions, streams: Streams) -> tuple[str, str]:
    """Return fingerprints of the images to train and to validate on, and of those to test on.

    Of image files they are apart, so that a test image can be mended; other sources are one file, which is whole.
    """
    if not isinstance(listing.train.images, FileImages):
        return (listing.digest(),) * 2
    rows, test, test_rows = _test_rows(listing, options, streams)
    fitted = [(listing.train, np.sort(rows))]
    if listing.validation is not None:
        fitted.append((listing.validation, np.arange(len(listing.validation))))
    return digest_of(listing.classes, fitted), digest_of(listing.classes, [(test, np.sort(test_rows))])


def _test_rows(
    listing: Listing, options: DataOptions, streams: Streams
) -> tuple[Int64[np.ndarray, " n"], Labelled, Int64[np.ndarray, " m"]]:
    """Return which rows of the training part are left to it, and which rows of which part are tested on."""
    train, test = listing.train, listing.test
    if test is not None:
        return np.arange(len(train)), test, np.arange(len(test))
    cut = streams.numpy("data/test")
    rows, test_rows = split(train.labels, options.test_fraction, classes=listing.classes, parts=3, generator=cut)
    return rows, train, test_rows


def _digits() -> Listing:
    """The 1,797 handwritten digits of scikit-learn, whose 17 grey levels are spread over 0 to 255."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    return Listing(
        name=DIGITS,
        classes=tuple(str(name) for name in bunch.target_names),
        train=Labelled(images=ArrayImages(origin=DIGITS, pixels=pixels), labels=bunch.target.astype(np.int64)),
    )


Chosen = dict[str, tuple[Labelled, Int64[np.ndarray, " n"]]]


def _choose(listing: Listing, options: DataOptions, streams: Streams) -> Chosen:
    """Decide which rows of which part of the source are used at all, so that no others are decoded."""
    classes = listing.classes
    train, validation = listing.train, listing.validation
    rows, test, test_rows = _test_rows(listing, options, streams)
    limit = options.max_images
    if validation is not None and limit is not None:
        validation_limit = max(round(limit * options.validation_fraction), 1)
        limit -= validation_limit
    least = 1 if validation is not None else 2
    few = subset(
        train.labels[rows],
        limit,
        classes=classes,
        least=least,
        generator=streams.numpy("data/few"),
        option="max_images",
    )
    few_test = subset(
        test.labels[test_rows],
        options.max_test_images,
        classes=classes,
        least=1,
        generator=streams.numpy("data/few_test"),
        option="max_test_images",
    )
    chosen = {"train": (train, rows[few])}
    if validation is not None:
        few_validation = subset(
            validation.labels,
            None if limit is None else validation_limit,
            classes=classes,
            least=1,
            generator=streams.numpy("data/few_validation"),
            option="max_images",
        )
        chosen["validation"] = (validation, few_validation)
    return {**chosen, "test": (test, test_rows[few_test])}


@dataclass(frozen=True, kw_only=True)
class _Picked:
    """The rows of one final part, as surveyed."""

    source: Labelled
    seen: Survey

    @property
    def labels(self) -> Int64[np.ndarray, " n"]:
        labels: Int64[np.ndarray, " n"] = self.source.labels[self.seen.rows]
        return labels


def _pick(
    listing: Listing, chosen: Chosen, seen: dict[str, Survey], options: DataOptions, streams: Streams
) -> dict[str, _Picked]:
    """Cut validation off the readable training images where the source has no such part."""
    picked = {name: _Picked(source=chosen[name][0], seen=part) for name, part in seen.items()}
    if "validation" not in picked:
        whole = picked["train"]
        kept, aside = split(
            whole.labels,
            options.validation_fraction,
            classes=listing.classes,
            parts=2,
            generator=streams.numpy("data/validation"),
        )
        picked["train"] = _Picked(source=whole.source, seen=whole.seen.take(kept))
        picked["validation"] = _Picked(source=whole.source, seen=whole.seen.take(aside))
    return picked


def _check_classes(name: str, labels: Int64[np.ndarray, " n"], listing: Listing) -> None:
    counts = np.bincount(labels, minlength=len(listing.classes))
    if (counts > 0).sum() < 2:
        raise DataError(
            f"the {name} part of {listing.name} has images of fewer than 2 classes: add images or let it be split anew"
        )
    if name == "train" and counts.min() == 0:
        lost = listing.classes[int(counts.argmin())]
        raise DataError(f"class '{lost}' of {listing.name} has no readable images: add some or remove the class")


def _imbalance_notes(dataset: Dataset) -> list[str]:
    counts = dataset.class_counts
    if imbalance(counts) < IMBALANCE:
        return []
    most, least = int(counts.argmax()), int(counts.argmin())
    return [
        f"classes are imbalanced: '{dataset.classes[most]}' has {counts[most]} images and '{dataset.classes[least]}' "
        f"{counts[least]} (ratio {imbalance(counts):.1f}); balanced accuracy is shown beside accuracy"
    ]


def _subset_notes(listing: Listing, chosen: Chosen, options: DataOptions) -> list[str]:
    notes = []
    used = sum(len(rows) for name, (_, rows) in chosen.items() if name != "test")
    if options.max_images is not None and used == options.max_images:
        notes.append(f"only {used} of the images for training and validation are used (max_images)")
    tested = len(chosen["test"][1])
    if options.max_test_images is not None and tested == options.max_test_images:
        notes.append(f"only {tested} of the test images are used (max_test_images)")
    return notes
