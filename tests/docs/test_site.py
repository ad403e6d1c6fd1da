"""The documentation site: links, as the repository has them, lead somewhere, and the reference knows all modules."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pages():
    spec = importlib.util.spec_from_file_location("pages", ROOT / "website" / "pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def anchors(text):
    """The anchors of the headings of a page, as GitHub and the site make them of plain words."""
    heads = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), flags=re.MULTILINE)
    return {"#" + re.sub(r"[^\w -]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize(
    "page", ["README.md", "results/README.md", *(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md"))]
)
def test_every_link_of_a_page_leads_to_a_file_and_a_heading(pages, page):
    for match in pages.links((ROOT / page).read_text()):
        path, anchor = pages.target(page, match[2])
        assert (ROOT / path).is_file(), match[2]
        if anchor:
            assert anchor in anchors((ROOT / path).read_text()), match[2]


def test_links_are_led_to_where_the_site_has_their_targets(pages):
    assert pages.for_site(
        "README.md", "[a](docs/own-data.md#x) ![b](docs/images/front.png) [c](results/README.md)"
    ) == ("[a](own-data.md#x) ![b](images/front.png) [c](results.md)")
    deep = "[a](../../results/README.md) [`b`](ranking.md) [c](../../README.md) [d](../../Makefile)"
    assert pages.for_site("docs/methods/truth.md", deep) == (
        "[a](../results.md) [`b`](ranking.md) [c](../README.md) [d](../Makefile)"
    )
    assert pages.for_site("results/README.md", "[a](stnas-fig4-cpu.json)") == "[a](results/stnas-fig4-cpu.json)"


def test_what_is_no_link_to_a_file_stays_as_it_is(pages):
    stays = "[a](gone.md) [b](https://x.org/README.md) [c](#here) `f[0](README.md)`\n\n    [d](README.md)\n\n"
    stays += "```python\n[e](README.md)\n```\n"
    assert pages.for_site("README.md", stays.replace("`f[0](README.md)`", "")) == stays.replace("`f[0](README.md)`", "")


def test_every_module_has_a_page_and_every_page_a_place(pages):
    made = pages.reference()
    for path in (ROOT / "src" / "trueshot").rglob("*.py"):
        if path.name.startswith("_"):
            continue
        name = path.relative_to(ROOT / "src").with_suffix("").as_posix().replace("/", ".")
        assert any(text == f"::: {name}\n" for text in made.values()), name
    assert pages.offered("trueshot.spaces")["Topology"] == "trueshot.spaces.topology"
    told = yaml.load((ROOT / "mkdocs.yml").read_text(), yaml.BaseLoader)
    named = set(re.findall(r"[\w/-]+\.md", str(told["nav"])))
    assert {str(path.relative_to(ROOT / "docs")) for path in ROOT.glob("docs/**/*.md")} <= named


def test_a_dead_link_or_name_fails_the_build(tmp_path):
    pytest.importorskip("mkdocs", reason="`make docs` installs it")
    for name in ("docs", "results", "website"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("mkdocs.yml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("", "cli", "training"):
        folder = tmp_path / "src" / "trueshot" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").write_text('"""A package."""\n')
    package = tmp_path / "src" / "trueshot"
    (package / "cli" / "supernet.py").write_text('def load_supernet():\n    """Load one."""\n')
    loading = 'def load():\n    """Load one, as :func:`~trueshot.cli.supernet.load_supernet` and :func:`again`."""\n'
    again = 'def again():\n    """Load it again."""\n'

    def build():
        command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    (package / "training" / "loading.py").write_text(loading + again)
    done = build()
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "build" / "site" / "reference" / "training" / "loading.html").read_text()
    for link in ("../cli/supernet.html#trueshot.cli.supernet.load_supernet", "#trueshot.training.loading.again"):
        assert f'href="{link}"' in page

    (package / "training" / "loading.py").write_text(loading)
    with (tmp_path / "docs" / "install.md").open("a") as file:
        file.write("\n[gone](../gone.md) [none](own-data.md#none)\n")
    done = build()
    assert done.returncode == 1
    for told in ("there is no again", "'../gone.md'", "'#none'"):
        assert told in done.stderr + done.stdout
