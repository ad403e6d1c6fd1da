"""``trueshot config``: presets, and what every value of a configuration means."""

from __future__ import annotations

import json as json_
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trueshot.cli.output import Json, add_listing, emit, emit_list

if TYPE_CHECKING:
    from rich.console import Console

    from trueshot.core.config import Config
    from trueshot.core.described import Described

SHAPE = ("image_size", "classes", "in_channels")
"""Arguments of a space that are those of the data."""


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
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Show what another choice has, such as proposer=evolution."),
    ] = None,
    json: Json = False,
) -> None:
    """Show every value that --set takes, those of the chosen parts too: its meaning, and what it is in a preset."""
    values = [_told(value, given) for value, given in _described(preset, strategy, set_ or [])]

    def human(console: Console) -> None:
        from rich.table import Table

        table = Table("value", preset, "what it means", box=None)
        for value in values:
            choices = f" (one of {', '.join(value['choices'])})" if value["choices"] else ""
            table.add_row(value["key"], value["told"], value["meaning"] + choices)
        console.print(table, markup=False)

    emit({"preset": preset, "values": values}, as_json=json, human=human)


def _described(preset: str, strategy: str | None, assignments: Sequence[str]) -> Iterator[tuple[Described, Any]]:
    """Yield every value of a run under a preset with its description, and what is given for it."""
    from trueshot.cli.names import find
    from trueshot.cli.values import Said, over_preset
    from trueshot.core.described import described
    from trueshot.core.errors import ConfigError
    from trueshot.strategies.config import STRATEGY, SearchConfig
    from trueshot.strategies.presets import merge, read_preset

    content = read_preset(preset)
    ranks = "ranking" in content
    said = Said.of(None, {} if strategy is None else {"strategy": strategy}, assignments)
    if ranks and "strategy" in said.values:
        raise ConfigError(f"preset {preset} is for `trueshot rank`, which has no strategy: leave out --strategy")
    classes: list[type[Config]]
    if ranks:
        from trueshot.strategies.rankings.config import RankingConfig

        classes = [RankingConfig]
    else:
        strategy = said.values.get("strategy", STRATEGY)
        if not isinstance(strategy, str):
            raise ConfigError("configuration value strategy: give its name; its values stand beside those of the run")
        classes = [SearchConfig, find("strategy", strategy).config]
        yield (
            _choice("strategy", "how architectures are found; its own values stand beside these", "strategy"),
            strategy,
        )
    # The sizes of the proposer that is used, as a search takes them.
    fields = {field for cls in classes for field in cls.model_fields}
    values = over_preset(content, said.values, fields)
    for cls in classes:
        # A strategy is shown above: its values stand beside those of the run.
        shown = (value for value in described(cls, "", None if cls is SearchConfig else find, values))
        yield from ((value, _of(values, value.key)) for value in shown if value.key != "strategy")
    name, given = said.space
    chosen = name or ("nasbench201" if ranks else "topology")
    yield from _of_space(chosen, given, merge(content.get("spaces") or {}, said.spaces))


def _of_space(name: str, given: Mapping[str, Any], presets: Mapping[str, Any]) -> Iterator[tuple[Described, Any]]:
    """Yield the name of a space and its arguments but those that are the shape of the data."""
    import dataclasses

    from trueshot.cli.values import fitted_space
    from trueshot.core.described import attributes_of
    from trueshot.spaces.space import Space

    made = fitted_space(name, given, presets, None)
    meanings = attributes_of(type(made), Space)
    yield _choice("space.name", "what may be built; --space sets it too", "space"), name
    for field in dataclasses.fields(made):
        if field.init and field.name not in SHAPE:
            told = _choice(f"space.arguments.{field.name}", meanings.get(field.name, ""), None)
            yield told, getattr(made, field.name)


def _choice(key: str, meaning: str, room: str | None) -> Described:
    """Describe a value that stands in no configuration."""
    from trueshot.core.described import Described

    return Described(key=key, meaning=meaning, default=None, required=False, choice=room, flag=None)


def _of(content: Mapping[str, Any], key: str) -> Any:
    value: Any = content
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _told(value: Described, given: Any) -> dict[str, Any]:
    from trueshot.cli.names import TABLE
    from trueshot.core.described import plain_text

    here = value.default if given is None else given
    if value.choice is not None and isinstance(here, Mapping):
        here = here["kind"]
    missing = given is None and value.required
    return {
        "key": value.key,
        "value": here,
        "told": "must be given" if missing else here if isinstance(here, str) else json_.dumps(here),
        "meaning": plain_text(value.meaning),
        "choices": list(value.options if value.choice is None else TABLE[value.choice]),
    }
