"""What commands print: one JSON object, or text for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA = 1
"""Version of the JSON objects; it grows when a key changes its meaning or goes away."""

_WIDTH = 140

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
"""The option ``--json``."""


def emit(result: dict[str, Any], *, as_json: bool, human: Callable[[Console], None]) -> None:
    """Print ``result`` as JSON on standard output, or let ``human`` write to a console there."""
    if as_json:
        print(json.dumps({"schema": SCHEMA, **result}, allow_nan=False))
    else:
        from rich.console import Console

        # A file or a pipe has no width of its own; 80 columns would break the tables.
        width = None if sys.stdout.isatty() else _WIDTH
        human(Console(highlight=False, soft_wrap=True, width=width, markup=False))


def emit_list(key: str, rows: Sequence[Mapping[str, str]], heads: Sequence[str], *, as_json: bool) -> None:
    """Print rows as JSON under ``key``, or as a table whose columns have ``heads``."""

    def human(console: Console) -> None:
        from rich.table import Table

        table = Table(*heads, box=None)
        for row in rows:
            table.add_row(*row.values())
        console.print(table)

    emit({key: rows}, as_json=as_json, human=human)


def add_listing(
    app: typer.Typer, name: str, help: str, list_all: Callable[..., None], show: Callable[..., None]
) -> None:
    """Add the commands ``NAME list`` and ``NAME show``."""
    group = typer.Typer(no_args_is_help=True, help=help)
    group.command("list")(list_all)
    group.command("show")(show)
    app.add_typer(group, name=name)
