"""``trueshot config``: presets, and what every value of a configuration means."""

from __future__ import annotations

import json as json_
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trueshot.cli.output import Json, add_listing, emit, emit_list

if TYPE_CHECKING:
    from rich.console import Console

    from trueshot.core.config import Config


def register(app: typer.Typer, name: str, arguments: Sequence[str]) -> None:
    """Add ``config list`` and ``config show``."""
    add_listing(app, name, "Presets: which there are, and what every value means.", list_presets, show)


def list_presets(json: Json = False) -> None:
    """List the presets, and what each is for."""
    from trueshot.strategies.presets import preset_names, purpose

    presets = [{"name": name, "purpose": purpose(name)} for name in preset_names()]
    emit_list("presets", presets, ("preset", "what it is for"), as_json=json)


def show(
    preset: Annotated[str, typer.Argument(metavar="PRESET", help="One of `trueshot config list`.")],
    strategy: Annotated[
        str | None, typer.Option(metavar="KIND", help="Whose values are shown too; one-shot without it.")
    ] = None,
    json: Json = False,
) -> None:
    """Show every value that --set takes: its meaning, and what it is in a preset."""
    values = [_told(value, preset) for value in _described(preset, strategy)]

    def human(console: Console) -> None:
        from rich.table import Table

        table = Table("value", preset, "what it means", box=None)
        for value in values:
            choices = f" (one of {', '.join(value['choices'])})" if value["choices"] else ""
            table.add_row(value["key"], value["told"], value["meaning"] + choices)
        console.print(table, markup=False)

    emit({"preset": preset, "values": values}, as_json=json, human=human)


def _described(preset: str, strategy: str | None) -> list[tuple[Any, Any]]:
    """Return every value of a run under a preset with its description."""
    from trueshot.cli.names import find
    from trueshot.cli.values import over_preset
    from trueshot.core.described import described
    from trueshot.core.errors import ConfigError
    from trueshot.strategies.config import STRATEGY, SearchConfig
    from trueshot.strategies.presets import read_preset

    content = read_preset(preset)
    if "ranking" in content and strategy is not None:
        raise ConfigError(f"preset {preset} is for `trueshot rank`, which has no strategy: leave out --strategy")
    strategy = strategy or STRATEGY
    classes: list[type[Config]] = [SearchConfig, find("strategy", strategy).config]
    if "ranking" in content:
        from trueshot.strategies.rank_config import RankingConfig

        classes = [RankingConfig]
    # The sizes of the proposer that is used, as a search takes them.
    content = {**content, **over_preset(content, {"strategy": strategy}, {"proposer"})}
    return [(value, _of(content, value.key)) for cls in classes for value in described(cls) if value.key != "strategy"]


def _of(content: Mapping[str, Any], key: str) -> Any:
    value: Any = content
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _told(pair: tuple[Any, Any], preset: str) -> dict[str, Any]:
    from trueshot.cli.names import TABLE
    from trueshot.core.described import plain_text

    value, given = pair
    here = value.default if given is None else given
    missing = given is None and value.required
    return {
        "key": value.key,
        "value": here,
        "told": "must be given" if missing else here if isinstance(here, str) else json_.dumps(here),
        "meaning": plain_text(value.meaning),
        "choices": [] if value.choice is None else list(TABLE[value.choice]),
    }
