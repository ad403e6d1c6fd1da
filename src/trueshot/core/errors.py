"""The family of errors that a user can cause.

Each message is one line that says what is wrong, where, and what to do. The command line prints it and exits with
code 2; any other exception is a defect of trueshot and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection

_LONGEST, _LISTED = 800, 20
"""Characters of a message at most, and names that it lists."""


def short(error: BaseException, most: int = 200) -> str:
    """Return an error in a line: its kind, unless it is ours, and what it says."""
    told = str(error) if isinstance(error, TrueshotError) else f"{type(error).__name__}: {error}"
    return _cut(" ".join(told.split()), most)


def _cut(text: str, most: int) -> str:
    """Leave out the middle of a long text: what is wrong stands in front, the remedy at the end."""
    return text if len(text) <= most else f"{text[: most // 2]} ... {text[-(most // 2 - 5) :]}"


class TrueshotError(Exception):
    """Something the user can correct; the message is one line, and not a long one."""

    def __init__(self, message: str) -> None:
        super().__init__(_cut(" ".join(message.split()), _LONGEST))


class ConfigError(TrueshotError):
    """An option, a configuration file or a value in it is not usable."""


class DataError(TrueshotError):
    """Images, labels or tables cannot be read or do not fit together."""


class ArchitectureError(TrueshotError):
    """A string or an array does not describe an architecture of the space."""


class BudgetError(TrueshotError):
    """A cost bound or cost target that no architecture of the space can meet."""


class CheckpointError(TrueshotError):
    """A checkpoint is corrupt, foreign or of another configuration."""


class RunError(TrueshotError):
    """A run directory cannot be used or written."""


class DeviceError(TrueshotError):
    """The device asked for is not there."""


class TrainingError(TrueshotError):
    """Training cannot go on, for example because the loss is not finite."""


class CriteriaError(TrueshotError, ValueError):
    """A ranking criterion is not defined for the numbers given."""


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Return the end of a message about an unknown name: the nearest known one, or all of them."""
    if not known:
        return ": leave it out"
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return f": did you mean {near[0]}?"
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return f": choose one of {', '.join(sorted(known)[:_LISTED])}{more}"
