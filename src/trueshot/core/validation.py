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
    return where, first["msg"].removeprefix("Value error, ")


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
