"""What users write themselves is looked at where it answers: each room puts a guard around a component of its own.

A guard is called as the component is, and looks at what it gives; it is made as ``guard(name, made, arguments)`` by
:func:`~trueshot.core.config.make_own`, with what the component was made from. What is wrong is told in a line that
names the class, before anything is built on it. What this package has itself needs no guard, and gets none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float64

from trueshot.core.errors import ArchitectureError, ConfigError, TrueshotError
from trueshot.core.modules import failed_in_own_file

DEBUG = "add --debug to see where"


class Own:
    """A user's own component inside the guard of its room; whatever the guard does not say is the component's.

    Attributes:
        kind: what the user called it, ``path/file.py:Class``.
        made: the component.
    """

    def __init__(self, kind: str, made: Any) -> None:
        self.kind, self.made = kind, made

    def __getattr__(self, name: str) -> Any:
        # Copying and sending ask for special names before there is a component.
        if name.startswith("__") or name == "made":
            raise AttributeError(name)
        return getattr(self.made, name)


def name_of(component: Any) -> str:
    """Return the name of the class of a component, of a user's own that of what is inside the guard."""
    return type(component.made if isinstance(component, Own) else component).__name__


@contextlib.contextmanager
def blaming(what: str, remedy: str) -> Iterator[None]:
    """Tell whatever goes wrong in the block in a line; where a user's file raised it, by its place there.

    Args:
        what: what went wrong, such as ``"space mine cannot be run"``.
        remedy: what to do.

    Raises:
        ConfigError: for any error that is not told in a line already, or of memory.
    """
    try:
        yield
    except ArchitectureError as error:
        raise ConfigError(f"{what}: {error}: {remedy}") from error
    except (TrueshotError, MemoryError):
        raise
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryError":
            raise
        told = ConfigError(f"{what}: {type(error).__name__}: {error}: {remedy}; {DEBUG}")
        raise (failed_in_own_file(error) or told) from error


def checked_text(value: Any, told: str) -> str:
    """Return a text that a component gave.

    Raises:
        ConfigError: when it is none, or empty.
    """
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{told} is {_short(value)}: let it be a text that is not empty")
    return value


def checked_numbers(
    values: Any, count: int, told: str, name: Callable[[int], str] | None = None
) -> Float64[np.ndarray, " n"]:
    """Return what a component gave for each of some architectures, as an array ``(n,)``.

    Args:
        values: what it gave.
        count: of the architectures.
        told: what the component is and did, such as ``"evaluator mine.py:Mine gave"``.
        name: writes the architecture at a position, where a message is to name one.

    Raises:
        ConfigError: when it is anything but a finite number for each.
    """
    with blaming(f"{told} what is no array", "return one finite number for each architecture"):
        array = np.asarray(values)
    what = f"{array.dtype} of shape {array.shape}" if array.shape else _short(values)
    if array.shape != (count,) or array.dtype.kind not in "biuf":
        raise ConfigError(f"{told} {what} for {count} architectures: return one finite number for each")
    numbers = array.astype(np.float64)
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if len(wrong):
        first = "" if name is None else f", the first {name(int(wrong[0]))}"
        raise ConfigError(
            f"{told} {numbers[wrong[0]]} for {len(wrong)} of {count} architectures{first}: return a finite number for"
            " each"
        )
    return numbers


def _short(value: Any) -> str:
    """Return what a value is in a few words."""
    text = repr(value)
    return text if len(text) <= 60 else f"{type(value).__name__} {text[:40]}..."
