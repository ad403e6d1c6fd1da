"""Image files for the tests of the data room."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def pixels(seed: int, size: tuple[int, int] = (12, 12), channels: int = 3) -> np.ndarray:
    """Smooth random pixels (height, width[, 3]) that survive JPEG."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (3, 3, channels), dtype=np.uint8)
    images = [Image.fromarray(coarse[:, :, c]).resize(size, Image.Resampling.BILINEAR) for c in range(channels)]
    stacked = np.stack([np.asarray(image) for image in images], axis=2)
    return stacked[:, :, 0] if channels == 1 else stacked


def encoded(seed: int, size: tuple[int, int] = (12, 12), channels: int = 3, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels(seed, size, channels)).save(stream, kind)
    return stream.getvalue()


def write_folder(root: Path, counts: dict[str, int], *, size: tuple[int, int] = (12, 12), start: int = 0) -> Path:
    """Write ``counts[name]`` PNG images into each class folder."""
    for number, (name, count) in enumerate(counts.items()):
        folder = root / name
        folder.mkdir(parents=True)
        for index in range(count):
            (folder / f"{index:03d}.png").write_bytes(encoded(start + 1000 * number + index, size))
    return root


def write_parquet(path: Path, labels: list, *, names: list[str] | None = None, start: int = 0) -> Path:
    """Write a Hub-layout Parquet file with one JPEG per label."""
    images = [{"bytes": encoded(start + row, kind="JPEG"), "path": None} for row in range(len(labels))]
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    table = pa.table({"image": pa.array(images, kind), "label": labels})
    if names is not None:
        features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path)
    return path
