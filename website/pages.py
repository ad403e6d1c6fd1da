"""What the site holds beside docs/: the README, the page of results, files that pages link to, and the reference.

The site has the layout of the repository, but for docs/, whose pages stand at its root. A relative link is written for
the repository, and led to where its target is in the site. One whose target is nowhere stays as it is, at which the
build, being strict, fails. The functions above the hooks need no mkdocs.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "trueshot"
OUTSIDE = {"README.md": "README.md", "results/README.md": "results.md"}
"""Pages that stand outside docs/: their paths in the repository and in the site."""

_LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\[\]]*\])*\]\()([^()\s]+)(\))")
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//|#")


def in_repository(site: str) -> str:
    """Return the path in the repository of a page, by its path in the site."""
    return next((path for path, there in OUTSIDE.items() if there == site), f"docs/{site}")


def in_site(repository: str) -> str:
    """Return the path in the site of a file, by its path in the repository."""
    return OUTSIDE.get(repository, repository.removeprefix("docs/"))


def links(text: str) -> Iterator[re.Match[str]]:
    """Yield the relative links of a page: in the second group the target, with what stands behind a #."""
    fence, start = "", 0
    for line in text.splitlines(keepends=True):
        mark = re.match(r"\s*(```+|~~~+)", line)
        if mark and not fence:
            fence = mark[1]
        elif mark and line.strip() == fence:
            fence = ""
        elif not fence and not line.startswith("    "):
            for match in _LINK.finditer(text, start, start + len(line)):
                if not _ELSEWHERE.match(match[2]):
                    yield match
        start += len(line)


def target(page: str, link: str) -> tuple[str, str]:
    """Return the path in the repository that a link leads to, and what stands behind the #, with it.

    Args:
        page: path in the repository of the page that it stands on.
        link: as it is written there.
    """
    path, mark, anchor = link.partition("#")
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), path)), mark + anchor


def for_site(page: str, text: str) -> str:
    """Return the text of a page with its links as the site needs them.

    Args:
        page: its path in the repository.
        text: in Markdown.
    """
    parts, end = [], 0
    for match in links(text):
        path, anchor = target(page, match[2])
        if (ROOT / path).is_file():
            here = posixpath.dirname(in_site(page))
            parts += [text[end : match.start(2)], posixpath.relpath(in_site(path), here or "."), anchor]
            end = match.end(2)
    return "".join([*parts, text[end:]])


def linked_files() -> Iterator[str]:
    """Yield the paths in the repository of what pages link to outside docs/, other pages apart."""
    pages = [*OUTSIDE, *(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md")))]
    for page in pages:
        for match in links((ROOT / page).read_text()):
            path, _ = target(page, match[2])
            if not path.startswith(("docs/", "../")) and path not in OUTSIDE and (ROOT / path).is_file():
                yield path


@cache
def modules() -> list[str]:
    """Return the dotted names of all modules of the package that are no packages and not private."""
    names = [path.relative_to(PACKAGE.parent).with_suffix("").as_posix() for path in sorted(PACKAGE.rglob("*.py"))]
    return [name.replace("/", ".") for name in names if not posixpath.basename(name).startswith("_")]


@cache
def packages() -> list[str]:
    """Return the dotted names of all packages inside the package."""
    folders = sorted(path.parent.relative_to(PACKAGE.parent) for path in PACKAGE.rglob("*/__init__.py"))
    return [folder.as_posix().replace("/", ".") for folder in folders if folder.as_posix() != PACKAGE.name]


def offered(name: str) -> dict[str, str]:
    """Return what can be imported from a package by name, and the modules where it is."""
    tree = ast.parse((PACKAGE.parent.joinpath(*name.split(".")) / "__init__.py").read_text())
    found = {}
    for node in ast.walk(tree):
        home = node.module or "" if isinstance(node, ast.ImportFrom) else ""
        if home.startswith(f"{name}."):
            found |= {alias.name: home for alias in node.names}
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


@cache
def summary(name: str) -> str:
    """Return the first paragraph of the docstring of a module or package."""
    path = PACKAGE.parent.joinpath(*name.split("."))
    path = path / "__init__.py" if name in packages() else path.with_suffix(".py")
    told = ast.get_docstring(ast.parse(path.read_text())) or ""
    return re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", " ".join(told.split("\n\n")[0].split()))


def reference() -> dict[str, str]:
    """Return the pages of the reference, by their paths in the site."""
    pages = {_page(name): f"::: {name}\n" for name in modules()}
    for name in packages():
        told = [f"::: {name}", "    options:", "      members: false", ""]
        if names := offered(name):
            refs = ", ".join(f"[`{one}`][{home}.{one}]" for one, home in names.items())
            told += [f"To import from `{name}`: {refs}.", ""]
        pages[_page(name)] = "\n".join([*told, *_table(_page(name), _inside(name), "Module")])
    rooms = _table("reference/index.md", _inside(PACKAGE.name), "Room")
    pages["reference/index.md"] = "\n".join([_HEAD, *rooms])
    return pages


_HEAD = """# Reference

Made from the docstrings. What most users need is [`trueshot.load`][trueshot.training.loading.load] for a trained
network, and [`trueshot.load_supernet`][trueshot.cli.supernet.load_supernet] for the supernet of a search
([In Python](../in-python.md)). The code lies in rooms; [Architecture](../architecture.md) says what each is for, and
which others it may import.
"""


def _inside(package: str) -> list[str]:
    """Return the packages, then the modules, that lie directly in a package."""
    return [name for name in (*packages(), *modules()) if name.rpartition(".")[0] == package]


def _page(name: str) -> str:
    """Return the path in the site of the page of a module or package."""
    path = "/".join(["reference", *name.split(".")[1:]])
    return f"{path}/index.md" if name in packages() else f"{path}.md"


def _table(page: str, names: list[str], head: str) -> list[str]:
    rows = []
    for name in names:
        link = posixpath.relpath(_page(name), posixpath.dirname(page))
        told = summary(name).replace("|", r"\|")
        rows.append(f"| [`{name.partition('.')[2]}`]({link}) | {told} |")
    return [f"| {head} | |", "|---|---|", *rows, ""]


def _nav(name: str) -> dict[str, Any]:
    """Return the entry of a module or package in the navigation."""
    title = name.rpartition(".")[2]
    return {title: [_page(name), *map(_nav, _inside(name))] if name in packages() else _page(name)}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages of the reference into the navigation, where ``reference/index.md`` stands."""
    rooms = [_nav(name) for name in _inside(PACKAGE.name)]

    def filled(entry: Any) -> Any:
        if isinstance(entry, list):
            return [filled(one) for one in entry]
        if isinstance(entry, dict):
            return {
                title: ["reference/index.md", *rooms] if inner == "reference/index.md" else filled(inner)
                for title, inner in entry.items()
            }
        return entry

    config.nav = filled(config.nav)
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add what stands outside docs/, and the reference."""
    from mkdocs.structure.files import File

    for path in sorted({*OUTSIDE, *linked_files()}):
        files.append(File.generated(config, in_site(path), abs_src_path=str(ROOT / path)))
    for path, text in reference().items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead the links of a page to where their targets are in the site."""
    path = page.file.src_uri
    return markdown if path.startswith("reference/") else for_site(in_repository(path), markdown)
