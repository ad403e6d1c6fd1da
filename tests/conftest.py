"""Shared set-up: annotations of shapes are checked while the tests run; plain types are the static checker's."""

from pathlib import Path

import pytest
import torch
from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

# As for a static checker, an int is welcome where a float is asked for.
typechecker = beartype(conf=BeartypeConf(is_pep484_tower=True))
SOURCES = Path(__file__).parents[1] / "src"
# Its smallest methods are called a thousand times for each architecture that is scored.
UNCHECKED = {"trueshot.sharing.supernet"}


def with_shapes():
    """Return the names of the modules that annotate shapes: a check makes a call some 20 microseconds longer."""
    files = (path for path in sorted(SOURCES.rglob("*.py")) if "from jaxtyping import" in path.read_text())
    names = {".".join(path.relative_to(SOURCES).with_suffix("").parts) for path in files}
    return sorted(names - UNCHECKED)


install_import_hook(with_shapes(), f"{__name__}.typechecker")
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def made_up_folder(tmp_path_factory):
    """Return a folder with made-up data under the names of the published files."""
    from made_up_data import write_cifar10, write_truth

    folder = tmp_path_factory.mktemp("data")
    write_cifar10(folder)
    write_truth(folder)
    return folder


@pytest.fixture
def made_up(made_up_folder, monkeypatch):
    """Let ``$TRUESHOT_DATA`` name the folder with made-up data, and return it."""
    monkeypatch.setenv("TRUESHOT_DATA", str(made_up_folder))
    return made_up_folder


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory):
    """Keep what tests decode out of the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def no_onnx(monkeypatch):
    """Leave out the export at the end of a search, which takes longer than the rest and has tests of its own."""
    monkeypatch.setattr("trueshot.cli.deliver.export_decision", lambda *_: {})
