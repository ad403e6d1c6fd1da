"""The figures that each part of ``gpu.py`` is to show, their goals, and what was measured of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Result = dict[str, Any]

COMPUTATIONS = 8162
"""Different computations among the 15,625 architectures of NAS-Bench-201 (``benchmarks/sweep.py``)."""


@dataclass(frozen=True)
class Figure:
    """A figure with a goal.

    Attributes:
        text: what it is.
        goal: the bound on it.
        at_most: whether the goal is the greatest value that reaches it, else the least.
        read: takes it from what a part found; ``KeyError`` or ``None`` where it is not there yet.
    """

    text: str
    goal: float
    at_most: bool
    read: Callable[[Result], float | None]


def _passed(found: Result) -> float | None:
    return float(found["passed"]) if found["finished"] else None


def _step(found: Result) -> Result:
    step: Result = found["measured"]["step, batch 512"]
    return step


def _sweep_minutes(found: Result) -> float | None:
    rates = [row["per_s"] for name, row in found["measured"].items() if name.startswith("scoring")]
    return COMPUTATIONS / max(rates) / 60 if rates else None


def _tau(evaluator: str) -> Callable[[Result], float | None]:
    def read(found: Result) -> float | None:
        tau = found["result"]["evaluators"][evaluator]["all"]["kendall_tau"]
        return float(tau["value"] if isinstance(tau, dict) else tau)

    return read


def _roles(found: Result) -> float:
    sections = [section for section in found["result"]["sections"] if section["kind"] == "networks"]
    trained = {record["role"] for section in sections for record in section["records"] if record["test"]}
    return float(len(trained & {"winner", "random", "off-the-shelf"}))


FIGURES: dict[str, tuple[Figure, ...]] = {
    "tests": (Figure("checks that pass on the device, of five", 5, False, _passed),),
    "speed": (
        Figure("milliseconds of a step at batch 512", 9.5, True, lambda found: _step(found)["ms"]),
        Figure(
            "a step at batch 512 over its kernels",
            1.3,
            True,
            lambda found: _step(found)["ms"] / _step(found)["kernel_ms"],
        ),
        Figure("minutes of all 15,625 scores on 10,000 images, from those timed", 3, True, _sweep_minutes),
    ),
    "rank": (
        Figure("Kendall tau of the supernet alone", 0.68, False, _tau("supernet")),
        Figure("Kendall tau of fused scores", 0.82, False, _tau("fused")),
        Figure("minutes in all", 7, True, lambda found: sum(found["seconds"]) / 60 if found["finished"] else None),
    ),
    "search": (
        Figure("kinds of networks retrained: found, random, off the shelf", 3, False, _roles),
        Figure("calls of seven minutes", 2, True, lambda found: len(found["seconds"]) if found["finished"] else None),
    ),
}


def figures(part: str, found: Result, device: str) -> list[Result]:
    """Return each figure of a part with its goal and, on a GPU, what was measured and whether the goal is reached.

    A processor runs small settings, which show that the part works and say nothing of the goals; the tests alone
    are the same on it.
    """
    rows = []
    for figure in FIGURES[part]:
        value = None
        if device == "cuda" or part == "tests":
            try:
                value = figure.read(found)
            except KeyError:
                value = None
        reached = None if value is None else (value <= figure.goal if figure.at_most else value >= figure.goal)
        sign = "<=" if figure.at_most else ">="
        rows.append({"figure": figure.text, "goal": f"{sign} {figure.goal:g}", "measured": value, "reached": reached})
    return rows


def told(row: Result, device: str) -> str:
    """Return a figure in a line."""
    if row["measured"] is None:
        state = "not measured: only a GPU shows it" if device == "cpu" else "not measured yet"
    else:
        state = f"measured {row['measured']:.3g}, {'reached' if row['reached'] else 'missed'}"
    return f"shows: {row['figure']}, goal {row['goal']}: {state}"
