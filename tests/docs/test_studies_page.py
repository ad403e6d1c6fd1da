"""The study of docs/studies.md runs as it stands there."""

import json
import re
from pathlib import Path

import pytest

from trueshot.cli.main import run
from trueshot.cli.names import TABLE, find_study
from trueshot.studies.record import Scale

PAGE = Path(__file__).parents[2] / "docs" / "studies.md"


def test_every_study_stands_in_its_list():
    lists = PAGE.read_text().split("## Two lists")[1].split("## One bank")[0]
    studied, left = lists.split("**Not to be settled in hours on two cores.**")
    studies = [find_study(name) for name in TABLE["study"]]
    for text, scale in ((studied, True), (left, False)):
        named = re.findall(r"`((?:stnas|surgery|interchoice)-[\w-]+)`", text)
        assert sorted(named) == sorted(one.name for one in studies if (Scale.CPU in one.scales) is scale)


@pytest.mark.usefixtures("made_up")
def test_study_of_ones_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "smoothing.py").write_text(code)
    assert run(["study", "smoothing.py:STUDY", "--scale", "smoke", "--device", "cpu", "--workers", "1", "--json"]) == 0
    (claim,) = json.loads(capsys.readouterr().out)["claims"]
    assert (claim["what"], claim["ours"]["n"], claim["verdict"]) == ("smoothed less loss", 1, "cannot be told here")
    assert "| [Does label smoothing rank better?](#smoothing-smoke) |" in (tmp_path / "results/README.md").read_text()
