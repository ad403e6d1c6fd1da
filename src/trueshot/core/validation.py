"""What is told of a value that a configuration does not take."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from trueshot.core.errors import ConfigError, did_you_mean


def first_error(cls: type[BaseModel], error: ValidationError) -> ConfigError:
    """Return an error of validation in a line: the first value that is wrong, and how many more are."""
    where, told = first_wrong(cls, error)
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return ConfigError(f"configuration value {where}: {told}{more}" if where else f"configuration: {told}{more}")


def first_wrong(cls: type[BaseModel], error: ValidationError) -> tuple[str, str]:
    """Return where the first wrong value stands, by a dotted name, and what is wrong with it."""
    first = error.errors(include_url=False)[0]
    *outer, last = first["loc"] or ("",)
    context: Mapping[str, Any] = first.get("ctx") or {}
    where = ".".join(str(part) for part in (*first["loc"], context.get("at", "")) if part != "")
    if first["type"] == "extra_forbidden":
        return where, _unknown(str(last), _fields(cls, outer))
    if first["type"] == "missing":
        return where, "is missing: give a value"
    words = _WORDS.get(first["type"])
    told = first["msg"].removeprefix("Value error, ")
    return where, told if words is None else words.format(**context, where=where, given=_short(first["input"]))


def _short(value: Any) -> str:
    """Return a value as text that fits in a line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


_WHOLE = "{given} is no whole number: give one such as 3"
_NUMBER = "{given} is no finite number: give one such as 0.5"
_TRUTH = "{given} is neither true nor false: give one of them"
_LIST = "{given} is no list: write it like [a, b]"
_MAPPING = "{given} is no mapping of names to values: set {where}.NAME=VALUE"
_WORDS = {
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "int_type": _WHOLE,
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "finite_number": _NUMBER,
    "bool_parsing": _TRUTH,
    "bool_type": _TRUTH,
    "string_type": "{given} is no text: put it in quotes",
    "tuple_type": _LIST,
    "list_type": _LIST,
    "dict_type": _MAPPING,
    "mapping_type": _MAPPING,
    "model_type": _MAPPING,
    "literal_error": "{given} is none of its values: choose {expected}",
    "greater_than": "{given} is too small: give more than {gt}",
    "greater_than_equal": "{given} is too small: give at least {ge}",
    "less_than": "{given} is too large: give less than {lt}",
    "less_than_equal": "{given} is too large: give at most {le}",
    "too_short": "{given} has too few entries: give at least {min_length}",
    "too_long": "{given} has too many entries: give at most {max_length}",
}
"""What is told of each kind of error, in place of the validator's own words."""


def _unknown(name: str, known: Collection[str]) -> str:
    return f"there is no such value{did_you_mean(name, known)}"


def _fields(cls: type[BaseModel], path: Collection[Any]) -> list[str]:
    """Return the names of the fields at the end of a path through nested configurations."""
    for part in path:
        found = cls.model_fields.get(str(part))
        inner = None if found is None else config_class(found.annotation)
        if inner is None:
            return []
        cls = inner
    return list(cls.model_fields)


def config_class(annotation: Any) -> type[BaseModel] | None:
    """Return the configuration that a field holds, ``None`` where it holds something else (options are looked into)."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = [config_class(argument) for argument in getattr(annotation, "__args__", ())]
    return next((found for found in inner if found is not None), None)
