"""Every room takes a part from a user's file, by the name ``FILE.py:NAME``, through a whole search of the digits."""

import json

import pytest
from proof_runs import DIGITS, FAST, HERE, PARTS, SMALL, SPACE, TINY, invoke, refused, sets

pytestmark = pytest.mark.usefixtures("no_onnx")
OWN = {
    "space": SMALL,
    "sharing": ["--sharing", f"{PARTS}:Sharing", *SMALL],
    "sampler": ["--sampler", f"{PARTS}:Sampler", *SMALL],
    "evaluator": ["--strategy", "random", "--oracle", f"{PARTS}:Alike", *sets("proposer.evaluations=6")],
    "proposer": [*TINY, "--proposer", f"{PARTS}:Listed"],
    "predictor": [*TINY, "--proposer", "guided", *sets("proposer={first: 4, evaluations: 6}")],
    "strategy": ["--strategy", f"{PARTS}:Pick", "--set", "evaluations=6"],
    "cost": ["--cost", f"{SPACE}:Energy", "--max-energy", "6.5 mJ", *SMALL],
}
OWN["predictor"] += sets(f"proposer.predictor={HERE / 'my_predictor.py'}:Nearest")


@pytest.mark.parametrize("room", OWN)
def test_a_part_from_a_file_runs_to_the_report(room, tmp_path):
    command = [*DIGITS, "--space", f"{SPACE}:Tower", "--out", tmp_path / "run", *FAST, *OWN[room], "--json"]
    code, out, err = invoke(*command)
    assert code == 0, err
    result = json.loads(out)
    assert result["evaluated"] == 6
    assert [network["role"] for network in result["networks"]][:2] == ["recommended", "winner"]
    report = (tmp_path / "run" / "report.html").read_text()
    assert result["networks"][0]["arch"] in report
    given = next((word for word in reversed(OWN[room]) if ".py:" in word), f"{SPACE}:Tower").split("=")[-1]
    assert given.split(":")[-1] in report


def test_workers_are_refused_where_an_own_strategy_uses_none(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(
        f"import sys\nsys.path.append({str(HERE)!r})\nfrom my_parts import Pick\n\n"
        "class Many(Pick):\n    side_by_side = True\n"
    )
    command = [*DIGITS, *FAST, "--workers", "2", "--out", tmp_path / "run", "--strategy"]
    assert refused(*command, f"{PARTS}:Pick") == (
        f"strategy {PARTS}:Pick works in this process: leave out --workers and --executor, or set side_by_side = True"
        " in its class where it hands jobs to context.executor"
    )
    # What says so is not: the next mistake is told.
    assert refused(*command, f"{file}:Many", "--max-params", "1").startswith("none of the shares budget.fractions")
