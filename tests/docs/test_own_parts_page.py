"""The page on a user's own parts: its file and all of its commands, as they are printed."""

import re
import shlex
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "cli"))
from cli_runs import invoke

pytestmark = pytest.mark.usefixtures("no_onnx")
PAGE = (Path(__file__).parents[2] / "docs" / "own-parts.md").read_text()
(FILE,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
*COMMANDS, WRONG = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
(SAID,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
FAST = (
    "data={max_images: 200, max_test_images: 40}",
    "retraining={recipe: {epochs: 1, batch_size: 64, lr: 0.1, warmup_epochs: 0}, repeats: 1, off_the_shelf: false}",
    "budget.fractions=[1.0]",
)
TRAINED = ("supernet.recipe={epochs: 1, batch_size: 64, lr: 0.1, warmup_epochs: 0}", "weight_sampling.samples=1")
FEW = {"guided": "proposer={first: 4, evaluations: 6}", "random": "proposer.evaluations=6"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_parts.py").write_text(FILE)
    # A file of the same name of another test would be taken for it.
    others = sys.modules.pop("own_parts", None)
    yield tmp_path
    sys.modules.pop("own_parts", None)
    if others is not None:
        sys.modules["own_parts"] = others


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.split("runs/")[1])
def test_every_command_runs_to_its_report(folder, command):
    words = shlex.split(command)[1:]
    more = [*FAST, *(() if "Climb" in command or "Deep" in command else TRAINED)]
    few = [few for name, few in FEW.items() if name in words]
    more += few or (() if "Climb" in command else ("proposer={population: 3, generations: 2}",))
    # What the page sets itself comes last.
    code, _, err = invoke(*words[:1], *(word for value in more for word in ("--set", value)), *words[1:])
    assert code == 0, err
    report = (folder / words[-1] / "report.html").read_text()
    named = re.search(r"own_parts\.py:(\w+)", command)[1]
    assert f"own_parts.py:{named}" in report
    if named == "Climb":
        assert "The climb" in report
    if named == "Depth":
        assert "at most 9 layers" in report.replace("9 layers depth", "9 layers")


def test_the_mistake_is_said_as_printed(folder):
    code, out, err = invoke(*shlex.split(WRONG)[1:])
    assert (code, out, err) == (2, "", SAID)
