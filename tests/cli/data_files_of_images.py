"""Given pixels as files of several kinds."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

NAMES = ("zero", "one", "two")


def write_images(root, pixels, labels):
    """Write grey pixels as PNG and JPEG files, some in colour and some twice as large, a folder for each class."""
    for number, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        folder = root / NAMES[label]
        folder.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(image)
        picture = picture.convert("RGB") if number % 3 == 0 else picture
        picture = picture.resize((16, 16)) if number % 5 == 0 else picture
        picture.save(folder / f"{number:04d}.{'png' if number % 2 else 'jpg'}", quality=95)


def write_parquet_of(path, pixels, labels):
    """Write pixels as a Hub-layout Parquet file of PNG bytes."""
    images = []
    for image in pixels:
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "PNG")
        images.append({"bytes": stream.getvalue(), "path": None})
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    pq.write_table(pa.table({"image": pa.array(images, kind), "label": labels}), path)
