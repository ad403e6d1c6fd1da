"""Where the classes of users are found again."""

from __future__ import annotations

import subprocess
import sys

import pytest

from trueshot.core.errors import ConfigError
from trueshot.core.lazy import lazily
from trueshot.core.modules import failed_in_own_file, import_file, source_of
from trueshot.spaces import Topology

SCRIPT = """
from trueshot.spaces import Topology
from trueshot.core.modules import source_of
class Mine(Topology):
    pass
print(source_of(Mine))
"""


def test_a_class_in_a_file_has_that_file_and_one_of_a_package_none(tmp_path):
    path = tmp_path / "space_of_a_user.py"
    path.write_text("from trueshot.spaces import Topology\nclass Mine(Topology):\n    pass\n")
    assert source_of(import_file(path).Mine) == str(path.resolve())
    assert source_of(Topology) is None


def test_a_running_script_is_not_run_again(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    printed = subprocess.run([sys.executable, path], check=True, stdout=subprocess.PIPE, text=True).stdout
    assert printed.strip() == "None"


OWN = """
import json

def own(*_):
    return {}["speed"]

def library(*_):
    json.loads("no JSON")

def ours(find):
    find("x")
"""


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "mistakes_of_a_user.py"
    path.write_text(OWN)
    return import_file(path)


def raised(function, *arguments):
    try:
        function(*arguments)
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    ("name", "line", "told"), [("own", 5, "KeyError: 'speed'"), ("library", 8, "JSONDecodeError: Expecting value")]
)
def test_an_error_of_a_users_file_is_told_with_its_line(name, line, told, mistakes):
    mistake = failed_in_own_file(raised(getattr(mistakes, name)))
    assert isinstance(mistake, ConfigError)
    assert f"{mistakes.__file__}, line {line}: {told}" in str(mistake)
    # It is called by us: what matters is the innermost.
    assert str(failed_in_own_file(raised(apply, getattr(mistakes, name)))) == str(mistake)


def test_an_error_in_our_code_is_ours_though_a_users_file_called_it(mistakes):
    error = raised(mistakes.ours, lazily("trueshot", {"no_such_module": ("x",)}))
    assert isinstance(error, ModuleNotFoundError)
    assert failed_in_own_file(error) is None
    assert failed_in_own_file(raised(lazily("trueshot", {}), "x")) is None


def apply(function):
    """Call a function from a module called as one of ours is."""
    exec("function()", {"__name__": "trueshot.somewhere", "function": function})


def test_a_file_that_ends_the_process_is_told_in_a_line(tmp_path):
    path = tmp_path / "ends_at_once.py"
    path.write_text("import sys\nsys.exit(5)\n")
    with pytest.raises(ConfigError, match=r"cannot import .*ends_at_once.py: SystemExit: 5"):
        import_file(path)
