"""Presets fitted to the data."""

import pytest

from trueshot.strategies.presets import preset_names, read_preset
from trueshot.strategies.sizing import fitted

PRESET = {
    "made_for": {"images": 40000, "classes": 10, "pixels": 32},
    "supernet": {"recipe": {"epochs": 8, "batch_size": 64}, "augmentation": {"crop_padding": 4, "flip": 0.5}},
    "retraining": {"recipe": {"epochs": 10, "warmup_epochs": 1}, "least_steps": 400, "repeats": 2},
}


def sizes(**data):
    found = fitted(PRESET, **{**PRESET["made_for"], **data})
    return found["supernet"], found["retraining"]


def test_the_data_that_it_was_made_for_leaves_a_preset_as_it_is():
    assert fitted(PRESET, **PRESET["made_for"]) == {key: PRESET[key] for key in ("supernet", "retraining")}
    assert PRESET["made_for"]["images"] == 40000
    for name in preset_names():
        preset = read_preset(name)
        made = preset.get("made_for")
        same = fitted(preset, **made) if made else fitted(preset, images=1, classes=1, pixels=1)
        assert {**same, "made_for": made} == {**preset, "made_for": made}


def test_steps_grow_slowly_with_the_number_of_images():
    for images in (100, 2500, 40000, 640000):
        supernet, retraining = sizes(images=images)
        steps = supernet["recipe"]["epochs"] * images
        assert steps == pytest.approx(8 * 40000 * (images / 40000) ** 0.5, rel=0.3)
        assert retraining["least_steps"] == pytest.approx(400 * (images / 40000) ** 0.25, rel=0.05)
    assert sizes(images=2500)[0]["recipe"]["epochs"] == 32
    assert sizes(images=10**9)[0]["recipe"]["epochs"] == 1


def test_more_classes_take_longer_and_larger_images_wider_borders():
    assert sizes(classes=160)[0]["recipe"]["epochs"] == 16
    assert sizes(classes=2) == sizes()
    supernet, _ = sizes(pixels=64)
    assert supernet["augmentation"] == {"crop_padding": 8, "flip": 0.5}


def test_the_warm_up_stays_a_warm_up():
    for images in (50, 2000, 40000, 10**7):
        recipe = sizes(images=images)[1]["recipe"]
        assert 0 < recipe["warmup_epochs"] <= min(5, recipe["epochs"] / 4)
