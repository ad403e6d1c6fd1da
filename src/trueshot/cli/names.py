"""The one table of names that the command line knows, and how a user's own class is found."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from trueshot.core.errors import ConfigError

if TYPE_CHECKING:
    from trueshot.spaces import Space

SPACES = {
    "chain": "trueshot.spaces:Chain",
    "topology": "trueshot.spaces:Topology",
    "nasbench201": "trueshot.spaces:NasBench201",
}
"""Names of the spaces and where their classes are; text, so that nothing is imported before it is needed."""


STUDIES = {
    "stnas-table1": "trueshot.studies.stnas_table1",
    "stnas-table2": "trueshot.studies.stnas_table2",
    "stnas-table3": "trueshot.studies.stnas_table3",
    "stnas-sampling": "trueshot.studies.stnas_sampling",
    "stnas-momentum": "trueshot.studies.stnas_momentum",
    "stnas-sgld": "trueshot.studies.stnas_sgld",
    "stnas-fig4": "trueshot.studies.stnas_fig4",
    "stnas-fig5": "trueshot.studies.stnas_fig5",
    "stnas-table5": "trueshot.studies.stnas_table5",
    "surgery-fig2": "trueshot.studies.surgery_fig2",
    "surgery-table2": "trueshot.studies.surgery_table2",
    "surgery-table3": "trueshot.studies.surgery_table3",
    "surgery-table4": "trueshot.studies.surgery_table4",
    "surgery-fig3a": "trueshot.studies.surgery_fig3a",
    "surgery-fig3b": "trueshot.studies.surgery_fig3b",
    "surgery-fig3c": "trueshot.studies.surgery_fig3c",
    "surgery-figA3": "trueshot.studies.surgery_figa3",
    "surgery-section44": "trueshot.studies.surgery_section44",
    "interchoice-fig3": "trueshot.studies.interchoice_fig3",
    "interchoice-fig4": "trueshot.studies.interchoice_fig4",
    "interchoice-fig5": "trueshot.studies.interchoice_fig5",
    "interchoice-fig6": "trueshot.studies.interchoice_fig6",
    "interchoice-fig7": "trueshot.studies.interchoice_fig7",
    "interchoice-fig8": "trueshot.studies.interchoice_fig8",
    "interchoice-fig9": "trueshot.studies.interchoice_fig9",
    "interchoice-fig10": "trueshot.studies.interchoice_fig10",
    "interchoice-table1": "trueshot.studies.interchoice_table1",
    "interchoice-table2": "trueshot.studies.interchoice_table2",
    "interchoice-appendixC": "trueshot.studies.interchoice_appendix_c",
    "interchoice-appendixD": "trueshot.studies.interchoice_appendix_d",
}
"""Names of the studies and their modules, each with ``TITLE``, ``FOLDER``, ``run`` and ``estimate``."""


def shared_file(path: Path) -> Path:
    """Return a file as given or, where it is not there, the one of that name in ``$TRUESHOT_DATA``."""
    from trueshot.training.data.sources import DATA_VARIABLE

    folder = os.environ.get(DATA_VARIABLE)
    there = Path(folder) / path if folder else path
    return there if not path.exists() and there.exists() else path


def study_module(name: str) -> Any:
    """Import the study called ``name``.

    Raises:
        ConfigError: when there is none.
    """
    if name not in STUDIES:
        raise ConfigError(f"unknown study '{name}': choose one of {', '.join(STUDIES)}, or list to see what they are")
    return importlib.import_module(STUDIES[name])


def space_class(name: str) -> type[Space]:
    """Return the space called ``name``, or a user's own, ``module:Class`` or ``path/file.py:Class``.

    Raises:
        ConfigError: when there is no such name, file, module or class, or the class is no space.
    """
    from trueshot.spaces import Space
    from trueshot.spaces.modules import import_file

    where, _, attribute = SPACES.get(name, name).rpartition(":")
    if not where or not attribute:
        raise ConfigError(
            f"unknown space '{name}': choose {' or '.join(SPACES)}, or your own as module:Class or path/file.py:Class"
        )
    module = import_file(Path(where)) if where.endswith(".py") else _from_path(where)
    found = getattr(module, attribute, None)
    if not (isinstance(found, type) and issubclass(found, Space)):
        what = "is no subclass of trueshot.spaces.Space" if hasattr(module, attribute) else "is not in it"
        raise ConfigError(f"space '{name}': {attribute} {what}; name the class of a space after the colon")
    return found


def make_space(name: str, arguments: dict[str, Any]) -> Space:
    """Make the space called ``name``; arguments that are ``None`` keep their defaults.

    Raises:
        ConfigError: when there is no such space, or it does not take the arguments.
    """
    space = space_class(name)
    given = {key: value for key, value in arguments.items() if value is not None}
    try:
        return space(**given)
    except TypeError as error:
        raise ConfigError(f"space '{name}' cannot be made with {given}: {error}") from error


def _from_path(module: str) -> ModuleType:
    """Import a module as Python run in the working directory would."""
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module)
    except Exception as error:
        from trueshot.spaces.modules import import_failed

        raise import_failed(module, error) from error
