"""Numbers and durations as people write them: ``60M``, ``1.5G``, ``30m``."""

from __future__ import annotations

import math
import re

from trueshot.core.errors import ConfigError

_COUNTS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9}
_SECONDS = {"s": 1.0, "": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def parse_count(text: str | int | float, what: str = "count") -> int:
    """Read a count such as ``60M``, ``0.5G`` or ``347_000_000``.

    Raises:
        ConfigError: naming ``what`` when the text is no positive number.
    """
    match = re.fullmatch(r"\s*([0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(e[+]?[0-9]{1,2})?\s*([kmgb]?)\s*", str(text).lower())
    count = 0 if match is None else round(float(match[1].replace("_", "") + (match[2] or "")) * _COUNTS[match[3]])
    if count <= 0:
        raise ConfigError(f"{what} '{text}' is not a positive number: write it like 60M, 0.35G or 347000000")
    return count


def parse_duration(text: str | int | float, what: str = "duration") -> float:
    """Read a duration such as ``90s``, ``30m``, ``1h30m`` in seconds.

    Raises:
        ConfigError: naming ``what`` when the text is no duration or not above zero.
    """
    lowered = str(text).lower().strip()
    part = r"([0-9]+\.?[0-9]*|\.[0-9]+)\s*(min|[smhd])\s*"
    plain = re.fullmatch(r"[0-9]+\.?[0-9]*|\.[0-9]+", lowered)
    parts = [(lowered, "")] if plain else re.findall(part, lowered)
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if not (plain or re.fullmatch(f"(?:{part})+", lowered)) or not 0 < seconds < math.inf:
        raise ConfigError(f"{what} '{text}' is not a duration: write it like 90s, 30m or 1h30m")
    return seconds


def format_count(value: float) -> str:
    """Write a count for people: 388.1M, 16.7k, 42."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size:
            return f"{value / size:.4g}{unit}"
    return f"{value:.4g}"


def format_quantity(value: float, unit: str) -> str:
    """Write a quantity for people: ``60M MAdds``, ``4.1 ms``; bytes in thousands: ``350 KB``, ``4.2 MB``."""
    count = format_count(value)
    if unit != "bytes":
        return f"{count} {unit}"
    return f"{count[:-1]} {count[-1].upper()}B" if count[-1] in "kMG" else f"{count} bytes"


def example(unit: str) -> str:
    """Return a quantity of a unit as a command line takes it without quotes: ``350k``, of bytes ``350KB``."""
    return "350KB" if unit == "bytes" else "350k"


def parse_quantity(text: str | int | float, unit: str, what: str = "quantity") -> int | float:
    """Read a positive quantity with or without its unit: ``60M``, ``60M MAdds``, ``350 KB``, ``4.1 ms``.

    Returns:
        A whole number as ``int``, another as ``float``.

    Raises:
        ConfigError: naming ``what`` when the text is no positive number, or of another unit.
    """
    lowered = str(text).lower().strip()
    bare = lowered.removesuffix(unit.lower()).strip()
    bare = bare.removesuffix("b") if unit == "bytes" else bare
    match = re.fullmatch(r"([0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,2})?\s*([kmg]?)", bare)
    value = 0.0 if match is None else float(match[1].replace("_", "") + (match[2] or "")) * _COUNTS[match[3]]
    if not 0 < value < math.inf:
        raise ConfigError(f"{what} '{text}' is not a positive number of {unit}: write it like {example(unit)}")
    return int(value) if value.is_integer() else value


def format_duration(seconds: float) -> str:
    """Write a duration for people: 3.2 years, 12.5 days, 1h 05m, 3m 20s, 12s."""
    total, days = round(seconds), seconds / 86400
    if days >= 730:
        return f"{days / 365.25:.1f} years"
    if days >= 2:
        return f"{days:.1f} days"
    if total >= 3600:
        return f"{total // 3600}h {total % 3600 // 60:02d}m"
    if total >= 60:
        return f"{total // 60}m {total % 60:02d}s"
    return f"{seconds:.1f}s" if seconds < 10 else f"{total}s"
