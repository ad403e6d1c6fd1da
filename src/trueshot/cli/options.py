"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

Data = Annotated[
    str | None,
    typer.Option(metavar="D", help="digits, a folder, a Parquet file, or cifar10 / subimagenet64 in $TRUESHOT_DATA."),
]
Device = Annotated[str | None, typer.Option(metavar="cpu|cuda", help="Default: the GPU where there is one.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")]
Trust = Annotated[
    bool, typer.Option("--trust-code", help="Run code of its own that the folder names, such as its space.")
]
Executor = Annotated[str, typer.Option(metavar="local|ray", help="Where independent jobs run.")]
Ray = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Ray cluster to join; a local one without it.")]
