"""An extension of griffe: roles in docstrings, as Sphinx has them, become links to the reference."""

from __future__ import annotations

import logging
import re
from typing import Any

from griffe import Alias, Class, Extension, Module, Object

ROLE = re.compile(r":(?:class|func|meth|attr|data|mod):`(~?)([\w.]+)`")
_LOG = logging.getLogger("mkdocs.plugins.trueshot")


class Roles(Extension):
    """Turns ``:func:`name```, a name in the scope of its docstring or a whole path, into a link.

    What there is no such object for is a warning, at which a strict build fails.
    """

    def on_package(self, *, pkg: Module, **_: Any) -> None:
        """Rewrite all docstrings of a package."""
        self._rewrite(pkg, pkg)

    def _rewrite(self, found: Object, package: Module) -> None:
        if found.docstring is not None:
            text = found.docstring.value
            found.docstring.value = ROLE.sub(lambda match: _link(found, package, *match.groups()), text)
        for member in found.members.values():
            if not isinstance(member, Alias):
                self._rewrite(member, package)


def _link(place: Object, package: Module, short: str, name: str) -> str:
    target = _find(place, package, name)
    told = name.rpartition(".")[2] if short else name
    if target is None:
        _LOG.warning("docstring of %s: there is no %s", place.path, name)
        return f"`{told}`"
    while not target.is_module and (target.docstring is None or target.name.startswith("_")):
        # It has no entry of its own: what holds it has.
        assert target.parent is not None
        target = target.parent
    return f"[`{told}`][{target.canonical_path}]"


def _find(place: Object, package: Module, name: str) -> Object | None:
    """Return what a name stands for: seen from the package where it is a whole path, else from around the docstring."""
    first, *more = name.split(".")
    if first == package.name:
        return _inside(package, more)
    scope: Object | Alias | None = place
    while scope is not None:
        if first in (scope.all_members if isinstance(scope, Class) else scope.members):
            return _inside(scope, [first, *more])
        scope = scope.parent
    return None


def _inside(found: Object | Alias, names: list[str]) -> Object | None:
    for name in names:
        members = found.all_members if found.is_class else found.members
        if name not in members:
            return None
        found = members[name]
        if isinstance(found, Alias):
            found = found.final_target
    assert isinstance(found, Object)
    return found
