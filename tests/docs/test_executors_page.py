"""The page on executors: its program runs, and its options are those of the commands."""

import re
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from trueshot.cli.main import build

PAGE = (Path(__file__).parents[2] / "docs" / "executors.md").read_text()


def test_the_program_runs_as_printed(tmp_path):
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "squares.py").write_text(program)
    done = subprocess.run([sys.executable, tmp_path / "squares.py"], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("30\n", "")


def test_all_commands_have_its_options():
    options = set(re.findall(r"`(--[a-z]+)", PAGE)) - {"--resume"}
    assert options == {"--executor", "--workers"}
    for command in (["rank"], ["search"], ["truth", "build"]):
        shown = CliRunner().invoke(build(command), [*command, "--help"], env={"COLUMNS": "200"}).output
        assert all(option in shown for option in (*options, "--ray"))
