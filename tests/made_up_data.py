"""Data that tests make themselves, for computers on which ``$TRUESHOT_DATA`` names nothing."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from trueshot.spaces import NasBench201
from trueshot.spaces.canonical.classes import every


def write_truth(folder: Path) -> Path:
    """Write a table of all of NAS-Bench-201 and return its path.

    200 epochs give 5 points for each tenth of a million parameters above 10 %, and 12 epochs rank the other way round.
    """
    space = NasBench201()
    archs = every(space)
    accuracy = 10.0 + 50e-6 * np.asarray(space.cost(archs).params, dtype=np.float64)
    columns = {
        "arch": [space.format(row) for row in archs],
        "cifar10_test_200": accuracy,
        "cifar10_valid_12": 100.0 - accuracy,
    }
    path = folder / "nasbench201.parquet"
    pd.DataFrame(columns).to_parquet(path)
    return path


def write_cifar10(folder: Path, *, train: int = 300, test: int = 100) -> None:
    """Write images of 32 x 32 pixels, a colour for each of ten classes under noise, as ``cifar10-*.parquet``."""
    rng = np.random.default_rng(0)
    colours = rng.integers(40, 216, (10, 3))
    for part, count in (("train", train), ("test", test)):
        labels = np.arange(count) % 10
        pixels = colours[labels][:, None, None, :] + rng.integers(-40, 40, (count, 32, 32, 3))
        images = [{"bytes": _png(image), "path": None} for image in pixels.astype(np.uint8)]
        pd.DataFrame({"image": images, "label": labels}).to_parquet(folder / f"cifar10-{part}.parquet")


def _png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()
