"""The images of each scale."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from trueshot.core.errors import DataError
from trueshot.strategies.setup import load_dataset
from trueshot.studies.result import Scale
from trueshot.training.data.augment import Augmentation
from trueshot.training.data.dataset import Dataset
from trueshot.training.data.options import DataOptions
from trueshot.training.data.sources import DATA_VARIABLE

_IMAGENET = "imagenet"


@dataclass(frozen=True, kw_only=True)
class Images:
    """What a study trains on; sizes are stated so that its cost can be told without the data.

    Attributes:
        source: as for ``trueshot search --data``, or ``imagenet``: a folder of that name in ``$TRUESHOT_DATA``.
        side: of the images in pixels; ``channels`` and ``classes`` of them.
        train: training and validation images; ``validation`` how many of them; ``test``: test images.
        augmentation: of training images, for supernets and networks alike.
        options: limits.
    """

    source: str
    side: int
    channels: int
    classes: int
    train: int
    validation: int
    test: int
    augmentation: Augmentation
    options: DataOptions = field(default_factory=DataOptions)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image."""
        return self.channels, self.side, self.side

    def load(self) -> Dataset:
        """Read the images; their split depends on the limits alone.

        Raises:
            DataError: when they are absent or unreadable.
        """
        return load_dataset(self._place(), self.options)

    def elsewhere(self, source: str | None) -> Images:
        """Return the same limits on another source; sizes are then those of the source."""
        return self if source is None else replace(self, source=source)

    def _place(self) -> str:
        if self.source != _IMAGENET:
            return self.source
        root = os.environ.get(DATA_VARIABLE)
        folder = Path(root or ".") / _IMAGENET
        if root is None or not folder.is_dir():
            raise DataError(
                f"scale paper needs ImageNet: give its folder (with train/ and val/) by --data, or put it into"
                f" ${DATA_VARIABLE} as '{_IMAGENET}'; --estimate tells what it would cost without it"
            )
        return str(folder)


IMAGES = {
    Scale.SMOKE: Images(
        source="digits",
        side=8,
        channels=1,
        classes=10,
        train=400,
        validation=80,
        test=100,
        augmentation=Augmentation.preset("digits"),
        options=DataOptions(max_images=400, max_test_images=100),
    ),
    # Half resolution and a fifth of the images: the epochs saved train the networks further in the same minutes.
    Scale.CPU: Images(
        source="cifar10",
        side=16,
        channels=3,
        classes=10,
        train=10_000,
        validation=2_000,
        test=4_000,
        augmentation=Augmentation(crop_padding=2, flip=0.5),
        options=DataOptions(image_size=16, max_images=10_000, max_test_images=4_000),
    ),
    Scale.PAPER: Images(
        source=_IMAGENET,
        side=224,
        channels=3,
        classes=1000,
        train=1_281_167,
        validation=50_000,
        test=50_000,
        augmentation=Augmentation.preset("imagenet"),
        options=DataOptions(image_size=224, validation_fraction=50_000 / 1_281_167),
    ),
}
"""What each scale trains on."""
