"""Small pictures of images for a page: upright, as a network's input was cut out, in true colours."""

from __future__ import annotations

import base64
import io

from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

SMALL = 64
"""Images up to this side are kept pixel by pixel."""
LARGEST = 192
"""Side of a picture at most."""


def thumbnail(pixels: UInt8[Tensor, "c s s"]) -> tuple[str, int]:
    """Return a picture as a data URI, and its side in pixels.

    Small images are kept as they are, as PNG; larger ones are scaled down and stored as JPEG, a few kilobytes each.

    Args:
        pixels: of one image, grey or colour, before they are scaled for a network.
    """
    shown = pixels[0] if len(pixels) == 1 else pixels.permute(1, 2, 0)
    image = Image.fromarray(shown.cpu().contiguous().numpy())
    if image.width > LARGEST:
        image = image.resize((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    kind, options = ("png", {"optimize": True}) if image.width <= SMALL else ("jpeg", {"quality": 85})
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}", image.width
