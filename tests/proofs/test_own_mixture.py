"""A strategy of a mixture on two levels, written by a user, runs in four spaces and has a section in the report."""

import json
import sys

import pytest
from proof_runs import DIGITS, FAST, HERE, invoke, sets

SPACES = HERE.parent / "spaces"
sys.path.extend([str(SPACES), str(HERE)])

from trueshot.core.results import Result  # noqa: E402
from trueshot.core.run import read_log  # noqa: E402

pytestmark = pytest.mark.usefixtures("no_onnx")
ARGUMENTS = {
    "topology": "{nodes: [1, 2], widths: [8, 12], kernels: [3], head_width: 16, stem_stride: 1}",
    "chain": "{layers: [[8, 1], [8, 2]], kernels: [3, 5], stem_width: 8, fixed_width: 8, head_width: 16}",
    "nasbench201": "{channels: 2, cells: 1}",
    f"{SPACES / 'loose_ends.py'}:LooseEnds": "{width: 4, cells: [normal, reduce]}",
}


@pytest.mark.parametrize("space", ARGUMENTS, ids=lambda name: name.rpartition(":")[2])
def test_it_runs_in_every_space_to_the_report(space, tmp_path):
    out, arguments = tmp_path / "run", sets(f"space.arguments={ARGUMENTS[space]}")
    strategy = ["--strategy", f"{HERE / 'own_mixture.py'}:Mixture", *FAST]
    code, printed, err = invoke(*DIGITS, "--space", space, *arguments, *strategy, "--out", out, "--json")
    assert code == 0, err
    result, report = json.loads(printed), (out / "report.html").read_text()
    rows = read_log(out / "log" / "mixture.jsonl")
    assert [row["epoch"] for row in rows] == [1, 2]
    assert result["found"][0]["arch"] == rows[-1]["genotype"]
    assert [network["role"] for network in result["networks"]][:2] == ["recommended", "winner"]
    assert "Genotype by epoch" in report
    assert rows[0]["genotype"] in report
    section = Result.read(out / "result.json").named("genotypes")
    assert [row[-1] for row in section.rows] == [row["genotype"] for row in rows]


def test_it_takes_at_most_80_lines_and_no_file_stream_or_checkpoint():
    text = (HERE / "own_mixture.py").read_text()
    assert len(text.splitlines()) <= 80
    forbidden = ("open(", "streams", "checkpoint", "pathlib", "context.run", "EvaluationCache")
    assert not [word for word in forbidden if word in text]
