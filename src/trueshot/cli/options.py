"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

Device = Annotated[str | None, typer.Option(metavar="cpu|cuda", help="Default: the GPU where there is one.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Seed of everything random.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")]
MaxBadImages = Annotated[int | None, typer.Option(min=0, help="Unreadable images to skip.")]
