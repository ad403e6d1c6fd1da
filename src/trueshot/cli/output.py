"""What commands print: one JSON object, or text for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
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
        human(Console(highlight=False, soft_wrap=True, width=width))
