"""What every report has in common: one HTML page from a template, figures as PNG files, dotted configuration."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from matplotlib.figure import Figure

from trueshot.core.files import replacing
from trueshot.reporting.style import look, variables


def render_page(template: str, **values: Any) -> str:
    """Fill a template of this package; it is also given ``css`` and the colours ``light`` and ``dark``."""
    files = resources.files("trueshot.reporting")
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        loader=jinja2.FunctionLoader(lambda name: files.joinpath(name).read_text()),
    )
    page = environment.get_template(template)
    css = files.joinpath("report.css").read_text()
    return page.render(css=Markup(css), light=Markup(variables(0)), dark=Markup(variables(1)), **values)


def save_pictures(figures: Mapping[str, Figure], folder: Path) -> list[Path]:
    """Write each figure as ``folder/NAME.png`` and return the paths.

    Raises:
        RunError: when a file cannot be written.
    """
    paths = []
    for name, figure in figures.items():
        with replacing(folder / f"{name}.png") as temporary, look():
            figure.savefig(temporary, format="png", dpi=160, metadata={"Software": None})
        paths.append(folder / f"{name}.png")
    return paths


def flat(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield nested configuration as dotted names, as ``--set`` takes them, and JSON values."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flat(inner, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value if isinstance(value, str) else json.dumps(value)
