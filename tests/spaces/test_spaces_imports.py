"""Spaces are described, and their mistakes found, without PyTorch."""

import json
import subprocess
import sys

import pytest

WRONG = [
    ("chain", "Chain", {"kernels": [4]}, "kernels of space chain are different odd numbers, not (4,)"),
    ("chain", "Chain", {"image_size": "32"}, "argument image_size of space chain is '32': image_size does not fit"),
    (
        "chain",
        "Chain",
        {"layers": [[8, 1], [8, "2"]]},
        "layers[1][1] does not fit its type tuple[tuple[int, int], ...]",
    ),
    ("chain", "Chain", {"dropout": "none"}, "argument dropout of space chain is 'none'"),
    ("topology", "Topology", {"residual": 3}, "residual does not fit its type bool"),
    ("topology", "Topology", {"widths": [8]}, "topology needs a width for each stage"),
    ("nasbench201", "NasBench201", {"cells": 1.5}, "argument cells of space nasbench201 is 1.5"),
    ("nasbench201", "NasBench201", {"sub_space": "half"}, "sub_space of nasbench201 is 'half': choose full, no_none"),
    ("offtheshelf", "MobileNetV2", {"reduction": 3}, "reduction 3 of MobileNetV2 is none of 1, 2, 4, 8, 16, 32"),
]

SCRIPT = """
import json, sys
from importlib import import_module
from trueshot.core.errors import ConfigError
from trueshot.spaces.checks import as_tuples
found = []
for file, name, arguments, _ in json.loads(sys.argv[1]):
    cls = getattr(import_module(f"trueshot.spaces.{file}"), name)
    cls()
    try:
        cls(**as_tuples(arguments))
    except ConfigError as error:
        found.append(str(error))
from trueshot.spaces import Chain, Decision, NasBench201, Site, Space, Topology
import trueshot.spaces.description, trueshot.spaces.notation, trueshot.spaces.canonical, trueshot.spaces.widths
import trueshot.sampling
print(json.dumps([found, sorted({"torch", "timm", "pandas", "scipy"} & set(sys.modules))]))
"""


@pytest.fixture(scope="module")
def said():
    """The messages, and what was imported, of an interpreter of its own, where nothing else checks types."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, json.dumps(WRONG)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_arguments_of_wrong_types_and_values_are_named(said):
    messages, _ = said
    for (*_, expected), message in zip(WRONG, messages, strict=True):
        assert expected in message
        assert "\n" not in message


def test_nothing_heavy_is_imported(said):
    assert said[1] == []


def test_the_room_names_what_it_has():
    import trueshot.spaces

    for name in trueshot.spaces.__all__:
        assert getattr(trueshot.spaces, name) is not None
    with pytest.raises(AttributeError, match=r"module trueshot\.spaces has no attribute Chian"):
        _ = trueshot.spaces.Chian
