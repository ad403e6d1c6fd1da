"""Every value of a configuration, for people: what it means, and what it is by default."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from trueshot.core.config import Choice, Config, Flag, Names, Part
from trueshot.core.validation import config_class


@dataclass(frozen=True, kw_only=True)
class Described:
    """One value of a configuration, for people.

    Attributes:
        key: dotted name, as ``--set`` takes it.
        meaning: from the description of its class.
        default: as JSON, ``None`` where a value must be given.
        required: whether it has no default.
        choice: the room whose names may stand here, ``None`` for other values.
        flag: the option that sets it, if any.
        options: the values that it may have, where these are few words.
    """

    key: str
    meaning: str
    default: Any
    required: bool
    choice: str | None
    flag: Flag | None
    options: tuple[str, ...] = ()


def plain_text(docstring: str) -> str:
    """Return the text of a docstring without its markup."""
    return _REFERENCE.sub(r"\1", docstring).replace("``", "")


def described(
    cls: type[BaseModel], prefix: str = "", names: Names | None = None, given: Mapping[str, Any] | None = None
) -> Iterator[Described]:
    """Yield every value of a configuration, nested ones by dotted names.

    Args:
        cls: the configuration.
        prefix: of the names.
        names: finds the components that are chosen by name, whose values are then yielded too.
        given: values that say which component is chosen, where it is not the default.
    """
    meanings, given = attributes_of(cls), given or {}
    for name, info in cls.model_fields.items():
        key = f"{prefix}{name}"
        marks = [mark for mark in info.metadata if isinstance(mark, Choice | Flag)]
        flag = next((mark for mark in marks if isinstance(mark, Flag)), None)
        choice = next((mark.room for mark in marks if isinstance(mark, Choice)), None)
        inner = config_class(info.annotation) if choice is None else None
        default = None if info.is_required() else info.get_default(call_default_factory=True)
        inside = given.get(name)
        of_inner = names, inside if isinstance(inside, Mapping) else None
        if inner is not None and (info.is_required() or isinstance(default, Config)):
            yield from described(inner, f"{key}.", *of_inner)
            continue
        plain = default.whole() if isinstance(default, Config | Part) else default
        yield Described(
            key=key,
            meaning=meanings.get(name, ""),
            default=plain,
            required=info.is_required(),
            choice=choice or _room_inside(info.annotation),
            flag=flag,
            options=_words(info.annotation),
        )
        if inner is not None:
            yield from described(inner, f"{key}.", *of_inner)
        if choice is not None and names is not None:
            yield from _of_part(choice, f"{key}.", names, plain if inside is None else inside)


def _of_part(room: str, prefix: str, names: Names, chosen: Any) -> Iterator[Described]:
    """Yield the values of a component that is chosen by name; ``chosen`` is the name, or a mapping with it."""
    given = chosen if isinstance(chosen, Mapping) else {"kind": chosen}
    if not isinstance(given.get("kind"), str):
        return
    found = names(room, given["kind"])
    for value in described(found.config, prefix, names, {**found.values, **given}):
        name = value.key.removeprefix(prefix)
        if name in found.values:
            value = dataclasses.replace(value, default=found.values[name], required=False)
        yield value


def _room_inside(annotation: Any) -> str | None:
    """Return the room whose names may stand in a list, ``None`` for other fields."""
    marks = [*getattr(annotation, "__metadata__", ()), *map(_room_inside, get_args(annotation))]
    rooms = (mark.room if isinstance(mark, Choice) else mark for mark in marks if isinstance(mark, Choice | str))
    return next(rooms, None)


def _words(annotation: Any) -> tuple[str, ...]:
    """Return the values of a field that is one of a few."""
    if get_origin(annotation) is Literal:
        return tuple(str(value) for value in get_args(annotation))
    return tuple(word for argument in get_args(annotation) for word in _words(argument))


_REFERENCE = re.compile(r":\w+:`~?(?:\w+\.)*(\w+)`")
_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.*)$")
_ALSO = re.compile(r"; ``(\w+)``(?: likewise)?:? ?")


def attributes_of(cls: type, of: type = Config) -> dict[str, str]:
    """Return what the docstrings of a class and its bases say of each field under ``Attributes:``.

    A description that begins ``name: text; ``other``: text`` tells of several fields.

    Args:
        cls: the class.
        of: the base whose subclasses count.
    """
    found: dict[str, str] = {}
    for base in (base for base in reversed(cls.__mro__) if issubclass(base, of) and base is not of):
        # However deep the class stands.
        section = inspect.cleandoc(vars(base).get("__doc__") or "").partition("Attributes:\n")[2]
        name = ""
        for line in section.split("\n"):
            match = _ATTRIBUTE.match(line)
            if match is not None:
                name, found[match[1]] = match[1], match[2]
            elif name and line.strip():
                found[name] += f" {line.strip()}"
            else:
                name = ""
    for name, text in list(found.items()):
        first, *others = _ALSO.split(text)
        found[name] = first
        for also, told in zip(others[::2], others[1::2], strict=True):
            found.setdefault(also, told or first)
    return found
