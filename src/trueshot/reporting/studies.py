"""One Markdown page of all study results in a folder: the papers' figures beside ours."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from trueshot.core.errors import RunError
from trueshot.core.files import read_json, replacing
from trueshot.core.units import format_duration

PAGE = "README.md"

_INTRODUCTION = """# Results of the studies

A study asks what a published table or figure asks, by the code of this repository. `trueshot study NAME --scale SCALE`
runs one, writes `NAME-SCALE.json` here and this page anew. At scale `cpu` everything is smaller than in the papers:
smaller images, networks and trainings, fewer repetitions. So a figure of ours is to be compared with the others of its
table, not with the paper's, and where intervals overlap nothing has been shown.

*Ours* is the mean of *n* repetitions with its 95 % interval; empty where a row is a published figure only. Every
repetition, the configuration, hardware and versions are in the JSON files.
"""

_ABSENT = """**{count} of these {total} results were made by studies that are not in the package at present.** They are
kept as they were; `trueshot study` cannot repeat them now. The code that made a result is in the commit that recorded
it: `git checkout COMMIT`, then `trueshot study NAME --scale SCALE` there.
"""

_UNKNOWN = "unknown"
"""Stands for a commit where there is no history to ask."""

_SCALES = ("-smoke", "-cpu", "-paper")

_COLUMNS = ("what", "metric", "paper", "ours", "95 % interval", "n", "note")


def write_studies(folder: Path, known: Collection[str]) -> Path:
    """Write ``folder/README.md`` from the study results in ``folder`` and return its path.

    Args:
        folder: of the results.
        known: names of the studies that can be run; of other results the page names the commit that recorded them.

    Raises:
        RunError: when there are none, one is damaged, or the page cannot be written.
    """
    path = folder / PAGE
    studies = read_studies(folder)
    commits = {name: _commit(folder / name) for name, study in studies if study["study"] not in known}
    text = render_studies(studies, commits)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def read_studies(folder: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """Return file name and content of each study result in a folder, by name; other JSON files are passed over.

    Raises:
        RunError: when there are none, or one is damaged.
    """
    paths = [path for path in sorted(folder.glob("*.json")) if path.stem.endswith(_SCALES)]
    found: list[tuple[str, Mapping[str, Any]]] = [
        (path.name, content) for path in paths if "study" in (content := read_json(path))
    ]
    if not found:
        raise RunError(f"there is no study result in {folder}: write one with trueshot study NAME --results {folder}")
    return found


def render_studies(studies: Sequence[tuple[str, Mapping[str, Any]]], commits: Mapping[str, str]) -> str:
    """Return the page: what cannot be repeated at present, a list of all, then a section for each.

    Args:
        studies: file name and content of each result.
        commits: by file name, the commit that recorded a result whose study is not in the package.
    """
    lines = [_INTRODUCTION]
    if commits:
        lines += [_ABSENT.format(count=len(commits), total=len(studies)), *_absent(studies, commits), ""]
    lines += _table(("study", "scale", "trained for", "what it is about"), _contents(studies))
    for name, study in studies:
        lines += ["", f"## {_heading(study)}", "", *_section(name, study)]
        if name in commits:
            lines.append(f"- Not in the package at present; recorded by commit {commits[name]}, whose code made it.")
    return "\n".join(lines) + "\n"


def _absent(studies: Sequence[tuple[str, Mapping[str, Any]]], commits: Mapping[str, str]) -> list[str]:
    """Return a table of the commits, each with the results that it recorded."""
    recorded: dict[str, list[str]] = {}
    for name, study in studies:
        if name in commits:
            recorded.setdefault(commits[name], []).append(f"`{study['study']}`")
    return _table(("commit", "studies"), [(commit, ", ".join(names)) for commit, names in recorded.items()])


def _commit(path: Path) -> str:
    """Return the commit that last changed a file, in seven digits."""
    command = ["git", "log", "-1", "--format=%H", "--", path.name]
    try:
        done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return _UNKNOWN
    return f"`{found[:7]}`" if (found := done.stdout.strip()) else _UNKNOWN


def _contents(studies: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Sequence[str]]:
    return [
        (
            f"[`{study['study']}`](#{_heading(study)})",
            study["scale"],
            format_duration(study["trained_seconds"]) if study["trained_seconds"] else "",
            study["title"],
        )
        for _, study in studies
    ]


def _heading(study: Mapping[str, Any]) -> str:
    return f"{study['study']}-{study['scale']}".lower()


def _section(name: str, study: Mapping[str, Any]) -> list[str]:
    lines = [f"**{study['title']}**", "", *_table(_COLUMNS, [_row(row) for row in study["rows"]]), ""]
    lines += [f"- {_plain(note)}" for note in study["notes"]]
    estimate = study["estimate"]
    if estimate is not None:
        lines.append(
            f"- Scale `{estimate['scale']}` would take about {format_duration(estimate['seconds'])} on one"
            f" {estimate['device']}."
        )
    where = study["environment"]
    hardware = where["gpu"] or f"{where['cpu']}, {where['threads']} thread(s)"
    return [*lines, f"- Seed {study['seed']}; {hardware}; PyTorch {where['torch']}. [`{name}`]({name})"]


def _row(row: Mapping[str, Any]) -> Sequence[str]:
    interval = "" if row["low"] is None else f"{row['low']:.3g} to {row['high']:.3g}"
    return (
        row["what"],
        row["metric"],
        _number(row["paper"]),
        _number(row["ours"]),
        interval,
        str(row["n"] or ""),
        row["note"],
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [columns, ["---"] * len(columns), *rows]
    return ["| " + " | ".join(_plain(cell) for cell in row) + " |" for row in cells]


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
