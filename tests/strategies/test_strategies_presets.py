"""Presets and how values combine."""

import pytest

from trueshot.core.errors import ConfigError
from trueshot.spaces import Chain, Topology
from trueshot.spaces.checks import as_tuples
from trueshot.strategies.presets import assignment, choose_preset, merge, preset_names, read_config, read_preset

SIDES = {"digits": 8, "small-cpu": 32, "small-gpu": 32, "large-cpu": 224, "large-gpu": 224}


@pytest.mark.parametrize(("side", "device", "name"), [(SIDES[n], "cuda" if "gpu" in n else "cpu", n) for n in SIDES])
def test_every_preset_is_chosen_for_some_images_and_makes_its_spaces(side, device, name):
    assert choose_preset(side, device) == name
    assert set(SIDES) <= set(preset_names())
    spaces = read_preset(name)["spaces"]
    for kind in (Chain, Topology):
        arguments = {key: as_tuples(value) for key, value in spaces[kind.__name__.lower()].items()}
        space = kind(**arguments, image_size=side, classes=10, in_channels=3)
        assert space.architectures > 1000


def test_the_preset_for_imagenet_is_the_paper():
    """ST-NAS, section 4.1, and the space of 34,359,738,368 topologies."""
    preset = read_preset("large-gpu")
    assert preset["spaces"]["topology"] == {}
    assert preset["evolution"] == {"population": 45, "generations": 22}
    recipe = preset["supernet"]["recipe"]
    assert (recipe["epochs"], recipe["lr"], recipe["final_lr"], recipe["momentum"]) == (600, 0.1, 2.5e-4, 0.0)


def test_sizes_at_the_borders():
    chosen = [choose_preset(side, "cpu") for side in (16, 17, 96, 97)]
    assert chosen == ["digits", "small-cpu", "small-cpu", "large-cpu"]


def test_mappings_merge_and_nothing_is_shared():
    base = {"a": {"b": 1, "c": [1]}, "d": 2}
    result = merge(base, {"a": {"b": 3}, "d": {"e": 4}, "f": None})
    assert result == {"a": {"b": 3, "c": [1]}, "d": {"e": 4}, "f": None}
    result["a"]["c"].append(2)
    assert base == {"a": {"b": 1, "c": [1]}, "d": 2}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("seed=3", {"seed": 3}),
        ("supernet.recipe.lr=1.0e-3", {"supernet": {"recipe": {"lr": 1e-3}}}),
        ("a.b = [1, 2]", {"a": {"b": [1, 2]}}),
        ("a={b: 1, c: {d: x=y}}", {"a": {"b": 1, "c": {"d": "x=y"}}}),
        ("a=", {"a": None}),
    ],
)
def test_assignments_are_read(text, values):
    assert assignment(text) == values


@pytest.mark.parametrize("text", ["seed", "=3", ".a=3", "a..b=3", "a.=3", ""])
def test_what_is_no_assignment_is_said(text):
    with pytest.raises(ConfigError, match="is no assignment: write it like supernet"):
        assignment(text)
    with pytest.raises(ConfigError, match="not valid YAML"):
        assignment("a=[1")


def test_an_empty_file_says_nothing(tmp_path):
    (tmp_path / "a.yaml").write_text("# nothing\n")
    assert read_config(tmp_path / "a.yaml") == {}
    with pytest.raises(ConfigError, match="cannot read configuration"):
        read_config(tmp_path)
