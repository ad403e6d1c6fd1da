"""``trueshot study``: the studies of published tables and figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trueshot.cli.names import TABLE, find_module
from trueshot.cli.options import Device
from trueshot.cli.output import Json, emit

if TYPE_CHECKING:
    from rich.console import Console

    from trueshot.studies.result import Scale

_LIST, _SUMMARY = "list", "summary"


def register(app: typer.Typer, name: str, arguments: Sequence[str]) -> None:
    """Add ``study``."""
    app.command(name)(study)


def study(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|list|summary", help="Study to run; `list` shows all, `summary` writes a page of all results."
        ),
    ],
    scale: Annotated[
        str | None,
        typer.Option(metavar="smoke|cpu|paper", help="How much of it; cpu without it (paper with --estimate)."),
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="D", help="Other images than those of the scale, as for search.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where work is kept and taken up; below runs/studies without it.")
    ] = None,
    results: Annotated[Path, typer.Option(metavar="DIR", help="Where the result is written as JSON.")] = Path(
        "results"
    ),
    device: Device = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only measure a few steps and say how long the scale takes.")
    ] = False,
    json: Json = False,
) -> None:
    """Reproduce a table or figure of a paper: its figures beside ours. A repeated command goes on where it stopped."""
    if name == _LIST:
        titles = {known: str(find_module(known).TITLE) for known in TABLE["study"]}
        studies = [{"name": known, "title": title} for known, title in titles.items()]
        emit({"studies": studies}, as_json=json, human=lambda console: _show_list(console, titles))
        return
    from trueshot.reporting.studies import write_studies

    if name == _SUMMARY:
        page = write_studies(results, TABLE["study"])
        emit({"path": str(page)}, as_json=json, human=lambda console: console.print(f"written to {page}"))
        return
    module = find_module(name)
    from trueshot.cli.progress import make_progress
    from trueshot.core.errors import RunError
    from trueshot.strategies.setup import choose_device

    chosen = _scale(scale or ("paper" if estimate else "cpu"))
    where = choose_device(device)
    if estimate:
        cost = module.estimate(chosen, device=where)
        emit({"study": name, "estimate": cost.to_json()}, as_json=json, human=lambda console: console.print(str(cost)))
        return
    folder = out or Path("runs") / "studies" / f"{module.FOLDER}-{chosen.value}"
    with make_progress() as progress:
        result = module.run(chosen, out=folder, device=where, observer=progress, seed=seed, data=data)
    path = result.save(results)
    try:
        beside = f"and to {write_studies(results, TABLE['study'])} beside the others"
    except RunError as error:
        # What was measured is safe; another file in the folder must not make it look lost.
        beside = "but not to the page of all results"
        typer.echo(f"warning: no page of all results: {error}", err=True)

    def human(console: Console) -> None:
        result.show(console)
        console.print(f"written to {path}, {beside}; work kept in {folder}")

    emit({"path": str(path), **result.to_json()}, as_json=json, human=human)


def _scale(name: str) -> Scale:
    from trueshot.core.errors import ConfigError
    from trueshot.studies.result import Scale

    try:
        return Scale(name)
    except ValueError as error:
        raise ConfigError(f"unknown scale '{name}': choose {', '.join(scale.value for scale in Scale)}") from error


def _show_list(console: Console, titles: dict[str, str]) -> None:
    for name, title in titles.items():
        console.print(f"{name:<22} {title}")
