"""Where the classes of users are found again."""

from __future__ import annotations

import subprocess
import sys

from trueshot.core.modules import import_file, source_of
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
