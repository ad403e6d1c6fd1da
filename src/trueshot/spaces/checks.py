"""Checks of what a space is made of; each says in one line what is not usable."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pydantic
from jaxtyping import Bool, Integer, UInt8

from trueshot.core.errors import ArchitectureError, ConfigError
from trueshot.spaces.notation import written
from trueshot.spaces.site import NONE, Decision

if TYPE_CHECKING:
    from trueshot.spaces.space import Space


def check_arguments(space: Space) -> None:
    """Check the types of a space's fields.

    Raises:
        ConfigError: naming the argument.
    """
    for field in dataclasses.fields(space):
        value = getattr(space, field.name)
        try:
            _validator(type(space), field.name)(value)
        except pydantic.ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = "".join(f"[{part}]" for part in first["loc"] if isinstance(part, int))
            raise ConfigError(
                f"argument {field.name} of space {space.name} is {value!r}: {field.name}{place} does not fit its type"
                f" {field.type} ({first['msg']})"
            ) from error


@functools.cache
def _validator(cls: type, name: str) -> Callable[[Any], Any]:
    """Return what checks the type of a field; nothing does where it cannot be told, as for a class in a function."""
    owner = next(base for base in cls.__mro__ if name in vars(base).get("__annotations__", {}))
    hint = vars(owner)["__annotations__"][name]
    try:
        hint = eval(hint, vars(sys.modules[owner.__module__])) if isinstance(hint, str) else hint
        adapter = pydantic.TypeAdapter[Any](hint, config=pydantic.ConfigDict(arbitrary_types_allowed=True))
    except (NameError, TypeError, pydantic.PydanticUserError):
        return lambda value: value
    return functools.partial(adapter.validate_python, strict=True)


def check_bottlenecks(
    space: str, sizes: tuple[int, ...], expansions: tuple[int, ...], kernels: tuple[int, ...], dropout: float
) -> None:
    """Check the numbers that spaces of bottlenecks share: widths and strides, expansions, kernels, dropout.

    Raises:
        ConfigError: saying which number is not usable.
    """
    if not 0.0 <= dropout < 1.0:
        raise ConfigError(f"dropout of space {space} is {dropout}: choose it from 0 to below 1")
    if min(sizes) < 1:
        raise ConfigError(f"widths and strides of space {space} are 1 or more, not {min(sizes)}")
    if not expansions or min(expansions) < 1 or len(set(expansions)) < len(expansions):
        raise ConfigError(f"expansions of space {space} are different whole numbers from 1, not {expansions}")
    if not kernels or min(kernels) < 1 or len(set(kernels)) < len(kernels) or any(k % 2 == 0 for k in kernels):
        raise ConfigError(f"kernels of space {space} are different odd numbers, not {kernels}")


def as_tuples(value: Any) -> Any:
    """Return ``value`` with its lists, which JSON and YAML give for tuples, as tuples at any depth."""
    if isinstance(value, dict):
        return {key: as_tuples(inner) for key, inner in value.items()}
    return tuple(map(as_tuples, value)) if isinstance(value, list | tuple) else value


def check_options(space: str, decision: Decision) -> None:
    """Check that the options can be encoded as a byte and as words joined by ``-``.

    Raises:
        ConfigError: naming the decision, and the option that is not usable.
    """
    names = [option.lower() for option in decision.options]
    if not 1 <= len(names) <= 256 or names == [NONE]:
        raise ConfigError(f"decision {decision.name} of space {space} has no options to choose from, or more than 256")
    for name in names:
        if not name or "-" in name or name != name.strip() or names.count(name) > 1:
            raise ConfigError(
                f"option '{name}' of decision {decision.name} of space {space}: names are unique (upper and lower case"
                " are one) and hold no '-' and no outer blanks"
            )


def checked_valid(space: Space, rows: UInt8[np.ndarray, "n decisions"]) -> Bool[np.ndarray, " n"]:
    """Return which combinations of options are architectures.

    Raises:
        ConfigError: when the space says anything but yes or no for each.
    """
    valid = np.asarray(space.valid(rows))
    if valid.shape != (len(rows),) or valid.dtype != bool:
        what = f"{valid.dtype} of shape {valid.shape}" if valid.shape else repr(valid.item())
        raise ConfigError(
            f"`valid` of space {space.name} gave {what} for {len(rows)} rows: return an array of True or False, one for"
            " each"
        )
    return valid


def check_architectures(
    space: Space, archs: Integer[np.ndarray, "n decisions"] | list[Any]
) -> UInt8[np.ndarray, "n decisions"]:
    """Return the batch as ``uint8``.

    Raises:
        ArchitectureError: naming the first row and position that is no option of the space, or the first row that is
            not valid.
    """
    array = np.asarray(archs)
    if array.ndim != 2 or array.shape[1] != len(space.decisions) or array.dtype.kind not in "iu":
        wanted = f"(n, {len(space.decisions)})"
        raise ArchitectureError(
            f"architectures of {space.name} are an integer array {wanted}, not {array.dtype} {array.shape}"
        )
    wrong = np.argwhere((array < 0) | (array >= space.options))
    if len(wrong):
        row, gene = map(int, wrong[0])
        decision = space.decisions[gene]
        raise ArchitectureError(
            f"{space.name} architecture {row}, position {gene + 1} of {len(space.decisions)} (decision"
            f" {decision.name}): {array[row, gene]} is no option of it; choose 0 to {len(decision.options) - 1}"
        )
    rows = array.astype(np.uint8)
    if not space.is_product and not (valid := checked_valid(space, rows)).all():
        row = int(valid.argmin())
        raise ArchitectureError(
            f"{space.name} architecture {row}, {written(space, rows[row])}, is not valid: the space forbids this"
            " combination of options"
        )
    return rows
