"""``trueshot space``: what can be built, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trueshot.cli.names import TABLE, find_class, make_space
from trueshot.cli.output import Json, add_listing, emit, emit_list
from trueshot.core.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from rich.console import Console

    from trueshot.spaces import Space

SpaceName = Annotated[
    str,
    typer.Argument(
        metavar="SPACE", help="chain, topology, nasbench201, or your own: module:Class or path/file.py:Class."
    ),
]
ImageSize = Annotated[
    int | None, typer.Option(min=1, max=4096, help="Side of the square images in pixels; the paper's by default.")
]
Classes = Annotated[int | None, typer.Option(min=1, max=1_000_000, help="Number of classes; the paper's by default.")]


_ARCH = (
    "An architecture: its options joined by '-'; of nasbench201 the benchmark's string, such as"
    " |nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|."
)

_READABLE = 10**7
"""Counts below are written out."""

_DRAWN = 100
"""Random architectures whose costs are told where those of all cannot be."""


def register(app: typer.Typer, name: str, arguments: Sequence[str]) -> None:
    """Add ``space list`` and ``space show``."""
    add_listing(app, name, "Search spaces: what can be built, and what it costs.", list_spaces, show)


def list_spaces(json: Json = False) -> None:
    """List the spaces that have a name."""
    spaces = [
        {"name": name, "summary": (find_class("space", name).__doc__ or "").split("\n")[0]} for name in TABLE["space"]
    ]
    emit_list("spaces", spaces, ("space", "what it is"), as_json=json)


def show(
    space: SpaceName,
    arch: Annotated[str | None, typer.Option(help=_ARCH)] = None,
    image_size: ImageSize = None,
    classes: Classes = None,
    supernet: Annotated[bool, typer.Option("--supernet", help="Count the single-path supernet.")] = False,
    rule: Annotated[str | None, typer.Option(help="Rule of the canonical form; the space's first by default.")] = None,
    json: Json = False,
) -> None:
    """Show the decisions of a space, the cost of an architecture, the parameters of the supernet."""
    from trueshot.spaces import NasBench201
    from trueshot.spaces.canonical import unique

    built = make_space(space, {"image_size": image_size, "classes": classes})
    if rule is not None and rule not in built.rules:
        raise ConfigError(f"space {built.name} has no canonical rule '{rule}'{did_you_mean(rule, built.rules)}")
    if rule is not None and arch is None:
        raise ConfigError("--rule says of which canonical form an architecture is shown: give --arch too")
    result = describe(built)
    if arch is not None:
        row = built.parse(arch)
        cost = built.cost(row[None])
        result |= {"arch": built.format(row), "params": int(cost.params[0]), "madds": int(cost.madds[0])}
        result |= {"canonical": built.format(built.canonical(row[None], rule)[0])}
        if isinstance(built, NasBench201):
            result |= {"index": int(built.index(row[None])[0])}
    elif isinstance(built, NasBench201):
        result |= {"unique": {name: unique(built, name) for name in built.rules}}
    if supernet:
        parts = supernet_parts(built)
        result |= {"supernet_params": sum(part["params"] for part in parts), "parts": parts}
    emit(result, as_json=json, human=lambda console: _print(result, built, console))


def counted(space: Space) -> str:
    """Say how many architectures a space has."""
    number = space.architectures
    if number is None:
        return "uncounted architectures"
    return f"{number:,} architectures" if number < _READABLE else f"{number:.3g} architectures"


def describe(space: Space) -> dict[str, Any]:
    """Return what holds of the whole space; ``topologies`` only where connections can be absent."""
    bounds, topologies = space.bounds("madds"), space.topologies
    if bounds is None:
        # No sum over decisions: the least and the most of what was drawn, said as such.
        drawn = space.cost(space.sample(_DRAWN, 0)).madds
        bounds = int(drawn.min()), int(drawn.max())
    least, greatest = bounds
    return {
        "space": space.name,
        "image_size": space.image_size,
        "classes": space.classes,
        "decisions": len(space.decisions),
        "options": [{"name": decision.name, "options": list(decision.options)} for decision in space.decisions],
        "architectures": space.architectures,
        **({} if topologies is None else {"topologies": topologies}),
        "madds_min": least,
        "madds_max": greatest,
        "madds_drawn": None if space.bounds("madds") else _DRAWN,
    }


def supernet_parts(space: Space) -> list[dict[str, Any]]:
    """Return name and parameters of each part of the single-path supernet, in the order of the skeleton."""
    from trueshot.sharing import Supernet, single_path
    from trueshot.spaces.counting import count_params
    from trueshot.spaces.meta import on_meta
    from trueshot.spaces.skeletons import named_parts

    with on_meta():
        body = Supernet(space, single_path).body
    parts = [(name, count_params(module)) for name, module in named_parts(body)]
    short = [name.rpartition(".")[2] for name, _ in parts]
    names = short if len(set(short)) == len(short) else [name for name, _ in parts]
    parts_sum = sum(params for _, params in parts)
    whole = count_params(body)
    rows = [{"name": name, "params": params} for name, (_, params) in zip(names, parts, strict=True)]
    # A skeleton of the user's own may hold parameters outside its parts, or share them between parts.
    return rows if parts_sum == whole else [*rows, {"name": "other", "params": whole - parts_sum}]


def _print(result: dict[str, Any], space: Space, console: Console) -> None:
    from rich.table import Table

    from trueshot.core.units import format_count

    console.print(result["space"], style="bold", end="")
    console.print(f" at {result['image_size']} pixels, {result['classes']} classes")
    console.print(f"{result['decisions']} decisions, {counted(space)}", end="")
    console.print(f", {result['topologies']:,} topologies" if "topologies" in result else "")
    drawn = f" ({result['madds_drawn']} drawn architectures)" if result["madds_drawn"] else ""
    console.print(f"MAdds from {format_count(result['madds_min'])} to {format_count(result['madds_max'])}{drawn}")
    table = Table("position", "decision", "options", box=None)
    for position, decision in enumerate(space.decisions, start=1):
        table.add_row(str(position), decision.name, " ".join(decision.options))
    console.print(table)
    if "arch" in result:
        console.print(f"architecture {result['arch']}", markup=False)
        console.print(f"parameters {result['params']:,}, MAdds {result['madds']:,}")
        console.print(f"canonical {result['canonical']}", markup=False)
    if "index" in result:
        console.print(f"index in the benchmark {result['index']}")
    if "unique" in result:
        told = ", ".join(f"{count:,} by rule {name}" for name, count in result["unique"].items())
        console.print(f"different architectures: {told}")
    if "parts" in result:
        console.print(f"supernet: {result['supernet_params']:,} parameters")
        table = Table("part", "parameters", box=None)
        for part in result["parts"]:
            table.add_row(part["name"], f"{part['params']:,}")
        console.print(table)
