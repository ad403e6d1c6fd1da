"""``trueshot sample``: what architectures drawn for training cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from trueshot.cli.names import make_space
from trueshot.cli.output import Json, emit
from trueshot.cli.space import Classes, ImageSize, SpaceName

if TYPE_CHECKING:
    from rich.console import Console


def register(app: typer.Typer, name: str, arguments: Sequence[str]) -> None:
    """Add ``sample``."""
    app.command(name)(sample)


def sample(
    space: SpaceName,
    n: Annotated[int, typer.Option("--n", min=1, max=10_000_000, help="How many architectures to draw.")] = 20_000,
    target_madds: Annotated[
        str | None,
        typer.Option(metavar="COUNT", help="Expected MAdds, such as 347M; uniform sampling without it."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
    image_size: ImageSize = None,
    classes: Classes = None,
    json: Json = False,
) -> None:
    """Draw architectures, uniformly or with branches dropped to meet expected MAdds, and say what they cost."""
    from trueshot.core.random import Streams
    from trueshot.core.units import format_count, parse_count
    from trueshot.sampling import Matched, Uniform

    built = make_space(space, {"image_size": image_size, "classes": classes})
    p_drop = None
    sampler: Matched | Uniform = Uniform(built)
    if target_madds is not None:
        sampler = Matched.to_target(built, parse_count(target_madds, "--target-madds"))
        p_drop = sampler.p_drop
    madds = built.cost(sampler.sample(n, Streams(seed).numpy("sample"))).madds
    result = {
        "space": built.name,
        "n": n,
        "seed": seed,
        "p_drop": p_drop,
        "madds_mean": float(madds.mean()),
        "madds_std": float(madds.std()),
        "madds_min": int(madds.min()),
        "madds_max": int(madds.max()),
    }

    def human(console: Console) -> None:
        how = "uniform" if p_drop is None else f"p_drop {p_drop:.4f}"
        console.print(f"{n:,} architectures of {built.name}, {how}, seed {seed}")
        mean, std = format_count(madds.mean()), format_count(madds.std())
        low, high = format_count(int(madds.min())), format_count(int(madds.max()))
        console.print(f"MAdds: mean {mean}, standard deviation {std}, from {low} to {high}")

    emit(result, as_json=json, human=human)
