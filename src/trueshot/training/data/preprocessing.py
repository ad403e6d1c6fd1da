"""What a trained network expects of an image, and how one image of a user is brought there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float32, UInt8
from PIL import Image
from torch import Tensor

from trueshot.core.errors import DataError
from trueshot.training.data.decode import DECODER_ERRORS, Geometry, fit, open_image, reason_of, upright

INTERPOLATIONS = ("bicubic", "bilinear", "nearest", "lanczos", "box", "hamming")


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """Shape and scaling of a network's input.

    Attributes:
        channels: 1 (grey) or 3 (red, green, blue).
        image_size: side of the square in pixels.
        mean: per channel, of pixels between 0 and 1.
        std: standard deviation per channel, of pixels between 0 and 1, above zero.
        crop: side of the square as a share of the shorter side of the resized image.
        interpolation: how images are resized, by Pillow's name: bicubic, bilinear, nearest, lanczos, box or hamming.
    """

    channels: int
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop: float = 1.0
    interpolation: str = "bicubic"

    def __post_init__(self) -> None:
        if self.channels not in (1, 3) or len(self.mean) != self.channels or len(self.std) != self.channels:
            raise DataError(
                f"preprocessing with {self.channels} channels, {len(self.mean)} means and {len(self.std)} deviations: "
                "channels must be 1 or 3 and have one of each"
            )
        if self.image_size < 1 or not 0 < self.crop <= 1 or min(self.std) <= 0:
            raise DataError("preprocessing needs image_size of at least 1, crop above 0 and up to 1, and std above 0")
        if self.interpolation not in INTERPOLATIONS:
            raise DataError(
                f"preprocessing resizes by '{self.interpolation}': choose one of {', '.join(INTERPOLATIONS)}"
            )

    @property
    def geometry(self) -> Geometry:
        """The shape without the scaling."""
        return Geometry(
            channels=self.channels, image_size=self.image_size, crop=self.crop, interpolation=self.interpolation
        )

    def scaled_by(self, mean: tuple[float, ...], std: tuple[float, ...]) -> Preprocessing:
        """Return the same shape with another scaling: that of a network trained elsewhere, of colour images.

        For grey images mean and deviation are those over the colours.
        """
        if self.channels == 1:
            mean, std = (sum(mean) / len(mean),), (sum(std) / len(std),)
        return replace(self, mean=mean, std=std)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold without loss."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Preprocessing:
        """Read what :meth:`to_dict` wrote; keys that it does not write are passed over.

        Raises:
            DataError: when a value is missing or unfit.
        """
        try:
            return cls(
                channels=int(content["channels"]),
                image_size=int(content["image_size"]),
                mean=tuple(float(value) for value in content["mean"]),
                std=tuple(float(value) for value in content["std"]),
                crop=float(content["crop"]),
                # Releases that did not write it knew no other.
                interpolation=str(content.get("interpolation", "bicubic")),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"saved preprocessing is not usable ({error!r}): export the network again") from error

    def __call__(self, image: str | Path | bytes | Image.Image) -> Float32[Tensor, "1 c s s"]:
        """Prepare one image, a file, the bytes of one or a Pillow image, exactly as evaluation prepares its images.

        Raises:
            DataError: when the image cannot be read.
        """
        return decode_image(Path(image) if isinstance(image, str) else image, self)

    def normalise(self, images: UInt8[Tensor, "n c h w"]) -> Float32[Tensor, "n c h w"]:
        """Scale pixels to [0, 1], subtract the mean and divide by the deviation, per channel."""
        return self.standardise(images.to(torch.float32).div_(255))

    def rescaled(self, images: Float32[Tensor, "n c h w"], like: Preprocessing) -> Float32[Tensor, "n c h w"]:
        """Return images that are scaled by this as ``like`` would have scaled them; ``images`` stay as they are."""
        mean, std, other_mean, other_std = (
            torch.tensor(values, dtype=torch.float32, device=images.device).view(-1, 1, 1)
            for values in (self.mean, self.std, like.mean, like.std)
        )
        return images * (std / other_std) + (mean - other_mean) / other_std

    def standardise(self, images: Float32[Tensor, "n c h w"]) -> Float32[Tensor, "n c h w"]:
        """Subtract the mean and divide by the deviation, per channel, of pixels in [0, 1]; changes ``images``."""
        mean = torch.tensor(self.mean, dtype=torch.float32, device=images.device).view(-1, 1, 1)
        std = torch.tensor(self.std, dtype=torch.float32, device=images.device).view(-1, 1, 1)
        return images.sub_(mean).div_(std)


def decode_image(source: Path | bytes | Image.Image, preprocessing: Preprocessing) -> Float32[Tensor, "1 c s s"]:
    """Prepare one image for a trained network; see :meth:`Preprocessing.__call__`.

    Raises:
        DataError: when the image cannot be read.
    """
    try:
        image = upright(source) if isinstance(source, Image.Image) else open_image(source)
        pixels = fit(image, preprocessing.geometry)
    except DECODER_ERRORS as error:
        name = str(source) if isinstance(source, Path) else "image"
        raise DataError(f"cannot read {name}: {reason_of(error)}; give a whole JPEG, PNG or like file") from error
    return preprocessing.normalise(torch.from_numpy(pixels)[None])
