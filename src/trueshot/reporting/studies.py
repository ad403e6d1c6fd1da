"""One Markdown page of all study results in a folder: a table of claims, then a section for each study."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueshot.core.errors import RunError
from trueshot.core.files import read_json, replacing
from trueshot.core.results import VERSION, Result
from trueshot.core.units import format_duration
from trueshot.reporting.study_figures import study_figure

PAGE = "README.md"

_INTRODUCTION = """# Results of the studies

A study asks what a published table or figure asks, by the code of this repository. `trueshot study NAME --scale SCALE`
runs one, writes `NAME-SCALE.json` and a table of all scores, `NAME-SCALE.parquet`, here, and this page anew;
`trueshot study plan` tells what it takes. At scale `cpu` everything is smaller than in the papers, so a figure of ours
is to be compared with the others of its table, not with the paper's.

A claim is **shown** where the 95 % interval of our figure lies inside the range that the paper's words allow, and
**contradicted** where it lies outside; else it **cannot be told here**. Differences are paired by seed. *Sees* is the
smallest effect that the interval would find four times out of five, stated before the study ran.

Where a study makes several claims, their p-values are multiplied as Holm has it, and the verdict goes by them (*p*): of
all that one study calls shown or contradicted, one or more is wrong with a probability of at most 5 %. Intervals are
those of a single figure; one may exclude the border of a claim that cannot be told yet.
"""

_UNSETTLED = """
## What hours on two cores cannot settle

These tables and figures have code, a run of seconds (`--scale smoke`) and their published size (`--scale paper`), where
a study is named; a result of hours would be noise, so there is none.
"""

_EARLIER = """## Earlier results

These {count} results were made by studies as they were before, whose comparisons could not see what they asked for.
They are kept until the studies above replace them; the commit that recorded one holds the code that made it.
"""

_OPEN = "cannot be told here"

_UNKNOWN = "unknown"
"""Stands for a commit where there is no history to ask."""

_SCALES = ("-smoke", "-cpu", "-paper")

_CLAIMS = ("question", "claim", "paper", "ours", "95 % interval", "n", "sees", "p", "verdict", "time")
_LEFT_OPEN = ("table or figure", "study", "verdict", "what it needs")
_COLUMNS = ("what", "metric", "paper", "ours", "95 % interval", "n", "over", "note")

Found = tuple[str, Result]
"""File name and content of a result."""


@dataclass(frozen=True, kw_only=True)
class Unsettled:
    """A table or figure that hours on two cores cannot settle.

    Attributes:
        title: the paper, and which table or figure.
        study: that asks what it asks, at other scales; empty for none.
        needs: what it takes.
    """

    title: str
    study: str
    needs: str


def write_studies(folder: Path, known: Collection[str], unsettled: Sequence[Unsettled] = ()) -> Path:
    """Write ``folder/README.md`` and its pictures from the study results in ``folder``; return its path.

    Args:
        folder: of the results.
        known: names of the studies, in the order in which the page shows them; others follow.
        unsettled: what the page lists with what it needs.

    Raises:
        RunError: when there are no results, one is damaged, or the page cannot be written.
    """
    path = folder / PAGE
    studies, earlier = read_studies(folder)
    order = {name: number for number, name in enumerate(known)}
    studies.sort(key=lambda found: order.get(found[1].head["study"], len(order)))
    for name, result in studies:
        for picture, series in _pictures(name, result):
            with replacing(folder / picture) as temporary:
                study_figure(series).savefig(temporary, format="png", dpi=110)
    commits = {name: _commit(folder / name) for name, _ in earlier}
    text = render_studies(studies, earlier, commits, known, unsettled)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def read_studies(folder: Path) -> tuple[list[Found], list[tuple[str, Mapping[str, Any]]]]:
    """Return file name and content of each study result in a folder, and those of the earlier form, by name.

    Raises:
        RunError: when there are none, or one is damaged.
    """
    found: list[Found] = []
    earlier: list[tuple[str, Mapping[str, Any]]] = []
    for path in sorted(folder.glob("*.json")):
        if not path.stem.endswith(_SCALES):
            continue
        try:
            content: Mapping[str, Any] = read_json(path)
        except RunError:
            content = read_json(path, version=VERSION)
        if content.get("command") == "study":
            found.append((path.name, Result.read(path)))
        elif "study" in content:
            earlier.append((path.name, content))
    if not found and not earlier:
        raise RunError(f"there is no study result in {folder}: write one with trueshot study NAME --results {folder}")
    return found, earlier


def render_studies(
    studies: Sequence[Found],
    earlier: Sequence[tuple[str, Mapping[str, Any]]],
    commits: Mapping[str, str],
    known: Collection[str] = (),
    unsettled: Sequence[Unsettled] = (),
) -> str:
    """Return the page: all claims, what cannot be settled, a section for each study, and a list of earlier results.

    Args:
        studies: file name and content of each result.
        earlier: the same of results of the earlier form.
        commits: by file name, the commit that recorded an earlier result.
        known: names of the studies.
        unsettled: tables and figures that hours on two cores cannot settle.
    """
    lines = [_INTRODUCTION]
    if studies:
        lines += _table(_CLAIMS, [row for _, result in studies for row in _claims(result.head)])
    there = {result.head["study"] for _, result in studies} | {one.study for one in unsettled}
    if waiting := [f"`{name}`" for name in known if name not in there]:
        lines += ["", f"Not run yet: {', '.join(waiting)}."]
    if unsettled:
        left = [(one.title, f"`{one.study}`" if one.study else "none", _OPEN, one.needs) for one in unsettled]
        lines += [_UNSETTLED, *_table(_LEFT_OPEN, left)]
    for name, result in studies:
        lines += ["", f"## {_heading(result.head)}", "", *_section(name, result)]
    if earlier:
        lines += ["", _EARLIER.format(count=len(earlier))]
        rows = [(f"[`{one['study']}`]({name})", commits[name], one["title"]) for name, one in earlier]
        lines += _table(("study", "commit", "what it is about"), rows)
    return "\n".join(lines) + "\n"


def _claims(head: Mapping[str, Any]) -> list[Sequence[str]]:
    question = f"[{head['question']}](#{_heading(head)})"
    time = format_duration(head["trained_seconds"])
    if not head["claims"]:
        return [(question, *[""] * (len(_CLAIMS) - 2), time)]
    rows: list[Sequence[str]] = []
    for number, claim in enumerate(head["claims"]):
        power = claim["power"]["effect"]
        row = (
            question if number == 0 else "",
            f"{claim['says']} ({claim['what']}, {claim['metric']})",
            _number(claim["paper"]),
            *_ours(claim["ours"]),
            "nothing" if power is None else _number(power),
            "" if claim["p"] is None else f"{claim['p']:.2g}",
            claim["verdict"],
            time if number == 0 else "",
        )
        rows.append(row)
    return rows


def _ours(ours: Mapping[str, Any] | None) -> tuple[str, str, str]:
    if ours is None:
        return "", "", ""
    interval = "" if ours["low"] is None else f"{ours['low']:.3g} to {ours['high']:.3g}"
    return _number(ours["value"]), interval, str(ours["n"])


def _heading(head: Mapping[str, Any]) -> str:
    return f"{head['study']}-{head['scale']}".lower()


def _pictures(name: str, result: Result) -> list[tuple[str, Any]]:
    """Return file name and content of each picture."""
    stem = name.removesuffix(".json")
    return [(f"{stem}-{section.name}.png", section) for section in result.sections]


def _section(name: str, result: Result) -> list[str]:
    head = result.head
    lines = [f"**{head['title']}**", ""]
    if head["findings"]:
        lines += [*_table(_COLUMNS, [_finding(row) for row in head["findings"]]), ""]
    for picture, series in _pictures(name, result):
        lines += [f"![{series.title}]({picture})", ""]
    lines += [f"- {claim['says']}: {_sees(claim['power'])}." for claim in head["claims"]]
    lines += [f"- {_plain(note)}" for note in head["notes"]]
    where = head["environment"]
    hardware = where["gpu"] or f"{where['cpu']}, {where['threads']} thread(s)"
    return [*lines, f"- Seed {head['seed']}; {hardware}; PyTorch {where['torch']}. [`{name}`]({name})"]


def _sees(power: Mapping[str, Any]) -> str:
    if power["effect"] is None:
        return f"{power['n']} repetition(s) have no interval"
    several = f"; one of {power['claims']} claims" if power["claims"] > 1 else ""
    spread = f"spread {power['std']:.3g}, {power['source']}{several}"
    return f"sees {power['effect']:.3g} or more with {power['n']} pairs ({spread})"


def _finding(row: Mapping[str, Any]) -> Sequence[str]:
    over = "" if row["ours"] is None or row["ours"]["low"] is None else row["ours"]["over"]
    return row["what"], row["metric"], _number(row["paper"]), *_ours(row["ours"]), over, row["note"]


def _commit(path: Path) -> str:
    """Return the commit that last changed a file, in seven digits."""
    command = ["git", "log", "-1", "--format=%H", "--", path.name]
    try:
        done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return _UNKNOWN
    return f"`{found[:7]}`" if (found := done.stdout.strip()) else _UNKNOWN


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [columns, ["---"] * len(columns), *rows]
    return ["| " + " | ".join(_plain(cell) for cell in row) + " |" for row in cells]


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
