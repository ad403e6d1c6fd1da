"""Shared set-up: the type and shape annotations of the package are checked while the tests run."""

import pytest
import torch
from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

# As for a static checker, an int is welcome where a float is asked for.
typechecker = beartype(conf=BeartypeConf(is_pep484_tower=True))
install_import_hook("trueshot", f"{__name__}.typechecker")
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
