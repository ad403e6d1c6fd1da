"""Presets fitted to the data: a schedule is a number of steps, whatever the number of images."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

_BY_IMAGES, _BY_CLASSES = 0.5, 0.25
"""Steps grow as these powers of the numbers of images and classes: four times the images ask for twice the steps."""
_WARM = 5.0
"""Epochs of warm-up at most."""


def fitted(preset: Mapping[str, Any], *, images: int, classes: int, pixels: int) -> dict[str, Any]:
    """Return a preset whose schedule suits the data.

    A preset says what it was ``made_for``: training images, classes and pixels a side. For other data its epochs are
    such that optimizer steps, hence images seen, grow as the square root of the number of images, and as the fourth
    root of the number of classes above the preset's; so a hundredth of the images is passed over ten times as often.
    Borders for random crops grow with the pixels. Steps below which networks cannot converge grow as the fourth root of
    the images: few of them are learned by heart soon, but not in no time.

    Args:
        preset: nested values; one that does not say what it was made for is returned as it is.
        images: training images.
        classes: of them.
        pixels: side of an image.
    """
    found = deepcopy(dict(preset))
    made = found.pop("made_for", None)
    if made is None:
        return found
    share, more = images / made["images"], max(1.0, classes / made["classes"]) ** _BY_CLASSES
    passes = share**_BY_IMAGES * more / share
    for part in ("supernet", "retraining"):
        own = found.get(part, {})
        recipe, augmentation = own.get("recipe", {}), own.get("augmentation", {})
        if "epochs" in recipe:
            recipe["epochs"] = max(1, round(recipe["epochs"] * passes))
        if recipe.get("warmup_epochs"):
            recipe["warmup_epochs"] = min(recipe["warmup_epochs"] * passes, _WARM, recipe["epochs"] / 4)
        if augmentation.get("crop_padding"):
            augmentation["crop_padding"] = max(1, round(augmentation["crop_padding"] * pixels / made["pixels"]))
    retraining = found.get("retraining", {})
    if "least_steps" in retraining:
        retraining["least_steps"] = max(1, round(retraining["least_steps"] * share**_BY_CLASSES * more))
    return found
