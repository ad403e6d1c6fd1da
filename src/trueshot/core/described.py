"""Every value of a configuration, for people: what it means, and what it is by default."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from trueshot.core.config import Choice, Config, Flag, Part
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
    """

    key: str
    meaning: str
    default: Any
    required: bool
    choice: str | None
    flag: Flag | None


def plain_text(docstring: str) -> str:
    """Return the text of a docstring without its markup."""
    return docstring.replace("``", "")


def described(cls: type[BaseModel], prefix: str = "") -> Iterator[Described]:
    """Yield every value of a configuration, nested ones by dotted names."""
    meanings = attributes_of(cls)
    for name, info in cls.model_fields.items():
        key = f"{prefix}{name}"
        marks = [mark for mark in info.metadata if isinstance(mark, Choice | Flag)]
        flag = next((mark for mark in marks if isinstance(mark, Flag)), None)
        choice = next((mark.room for mark in marks if isinstance(mark, Choice)), None)
        inner = config_class(info.annotation) if choice is None else None
        default = None if info.is_required() else info.get_default(call_default_factory=True)
        if inner is not None and (info.is_required() or isinstance(default, Config)):
            yield from described(inner, f"{key}.")
            continue
        plain = default.whole() if isinstance(default, Config | Part) else default
        yield Described(
            key=key,
            meaning=meanings.get(name, ""),
            default=plain,
            required=info.is_required(),
            choice=choice,
            flag=flag,
        )
        if inner is not None:
            yield from described(inner, f"{key}.")


_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.*)$")
_ALSO = re.compile(r"; ``(\w+)``(?: likewise)?:? ?")


def attributes_of(cls: type[BaseModel]) -> dict[str, str]:
    """Return what the docstrings of a class and its bases say of each field under ``Attributes:``.

    A description that begins ``name: text; ``other``: text`` tells of several fields.
    """
    found: dict[str, str] = {}
    for base in (base for base in reversed(cls.__mro__) if issubclass(base, Config) and base is not Config):
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
