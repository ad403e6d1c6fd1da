"""Options of the command line that are made from configurations: a field marked with a flag becomes one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from trueshot.core.config import Config
from trueshot.core.described import described, plain_text


@dataclass(frozen=True)
class Option:
    """One option of a command.

    Attributes:
        name: as it is written, ``--max-madds``.
        key: dotted name of the value that it sets.
        help: a line.
        metavar: what stands for the value in the help.
        parse: turns the text into the value; without it, the configuration reads the text.
        many: whether it may be given several times, which makes a list.
    """

    name: str
    key: str
    help: str
    metavar: str | None = None
    parse: Callable[[str], Any] | None = None
    many: bool = False

    @property
    def parameter(self) -> str:
        """The name of the function's parameter."""
        return self.name.removeprefix("--").replace("-", "_")


def options_of(*configs: type[Config]) -> list[Option]:
    """Return the options that the fields of configurations ask for, each once, in order."""
    found: dict[str, Option] = {}
    for config in configs:
        for value in described(config):
            if value.flag is not None:
                flag = value.flag
                help_line = flag.help or plain_text(value.meaning[:1].upper() + value.meaning[1:])
                option = Option(flag.name, value.key, help_line, flag.metavar, flag.parse, flag.many)
                found.setdefault(flag.name, option)
    return list(found.values())


def with_options(function: Callable[..., None], options: Iterable[Option]) -> Callable[..., None]:
    """Return ``function`` as a command with further options, which it is given as nested values ``said``.

    Args:
        function: takes ``said`` as its last argument; its other parameters are those of the command.
        options: what to add.
    """
    own = list(inspect.signature(function, eval_str=True).parameters.values())
    chosen = list(options)
    added = [
        inspect.Parameter(
            option.parameter,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                (list[str] if option.many else str) | None,
                typer.Option(option.name, metavar=option.metavar or "VALUE", help=option.help),
            ],
        )
        for option in chosen
    ]

    def command(**given: Any) -> None:
        values = {option.key: (option, given.pop(option.parameter)) for option in chosen}
        function(**given, said=nested(_read(values)))

    parameters = [parameter for parameter in own if parameter.name != "said"]
    signature = inspect.Signature([*parameters, *added])
    command.__doc__ = function.__doc__
    command.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    command.__signature__ = signature  # type: ignore[attr-defined]
    return command


def _read(values: Mapping[str, tuple[Option, Any]]) -> Iterator[tuple[str, Any]]:
    for key, (option, text) in values.items():
        if text is None or text == []:
            continue
        parse = option.parse or (lambda given: given)
        yield key, [parse(part) for part in text] if option.many else parse(text)


def nested(values: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return dotted names and values as nested mappings."""
    result: dict[str, Any] = {}
    for key, value in values:
        inner = result
        *outer, last = key.split(".")
        for part in outer:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return result
