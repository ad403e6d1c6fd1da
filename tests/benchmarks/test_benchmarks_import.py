"""What benchmarks take from the package is there: they are not run by the tests."""

import ast
import importlib
import importlib.util
from pathlib import Path

import pytest

FILES = sorted((Path(__file__).parents[2] / "benchmarks").glob("*.py"))


def taken(file):
    """Return module and name of all that a file imports from the package."""
    nodes = ast.walk(ast.parse(file.read_text()))
    found = [node for node in nodes if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("trueshot")]
    return [(node.module, alias.name) for node in found for alias in node.names]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_a_benchmark_imports_is_there(file):
    missing = []
    for module, name in taken(file):
        if importlib.util.find_spec(module) is None or not (
            hasattr(importlib.import_module(module), name) or importlib.util.find_spec(f"{module}.{name}")
        ):
            missing.append(f"{module}.{name}")
    assert not missing


def test_the_benchmarks_are_found():
    assert {"step", "memory", "scoring", "same_numbers"} <= {file.stem for file in FILES}
    assert ("trueshot.core.errors", "TrueshotError") in taken(
        FILES[[file.stem for file in FILES].index("recalibration")]
    )
