"""A cost from a file, of its own unit and fractional, as a bound that few rows meet and as one of two objectives."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from proof_runs import DIGITS, FAST, PARTS, SPACE, TINY, invoke, sets

from trueshot.core.modules import import_file

pytestmark = pytest.mark.usefixtures("no_onnx")
OWN = import_file(SPACE)
TOWER = OWN.Tower(image_size=8, in_channels=1, classes=10)
COMMAND = [*DIGITS, "--space", f"{SPACE}:Tower", "--cost", f"{SPACE}:Energy", *FAST, "--json"]


def run(out, *more):
    code, printed, err = invoke(*COMMAND, "--out", out, *more)
    assert code == 0, err
    rows = pq.read_table(out / "evaluations.parquet").to_pylist()
    return json.loads(printed), err, rows, (out / "report.html").read_text()


def energies(names):
    return OWN.Energy(TOWER)(np.stack([TOWER.parse(name) for name in names]))


@pytest.mark.parametrize("strategy", ["random", "evolution"])
def test_a_bound_that_one_row_in_a_hundred_meets_holds(strategy, tmp_path):
    drawn = OWN.Energy(TOWER)(TOWER.sample(20_000, 3))
    bound = round(float(np.quantile(drawn, 0.01)), 3)
    more = ["--strategy", strategy, "--oracle", f"{PARTS}:Alike", "--max-energy", f"{bound} mJ"]
    fractions = sets("proposer.evaluations=24", "budget.fractions=[1.0, 0.9]")
    result, err, rows, report = run(tmp_path / "run", *more, *fractions)
    found = energies([row["arch"] for row in rows])
    assert len(found) >= 24
    asked = energies([one["arch"] for one in result["found"]])
    assert (asked <= bound).all()
    assert asked.max() > 0.8 * bound
    assert [row["energy"] for row in rows] == found.tolist()
    assert result["bounds"] == {"energy": [None, bound]}
    assert result["budgets"] == pytest.approx([bound, 0.9 * bound])
    for network in result["networks"]:
        assert network["costs"]["energy"] == energies([network["arch"]])[0]
        if network["role"] == "winner":
            assert network["costs"]["energy"] <= network["budget"]
    assert f"at most {bound:.4g} mJ" in err
    assert "mJ" in report


def test_two_costs_are_objectives_at_once(tmp_path):
    sizes = "proposer={population: 8, generations: 4, minimise: [energy, size]}"
    both, err, rows, report = run(tmp_path / "both", *TINY, *sets(sizes))
    one, *_ = run(tmp_path / "one", *TINY, *sets(sizes.replace(", size]", "]")))
    assert both["cost"] == one["cost"] == "energy"
    assert (both["evaluated"], one["evaluated"]) == (32, 32)
    logs = [(tmp_path / name / "log" / "asked.jsonl").read_text().splitlines() for name in ("both", "one")]
    asks = [[json.loads(line)["rows"] for line in log if line.startswith('{"ask"')] for log in logs]
    # The first generations are equal; what comes of them depends on what is minimised.
    assert asks[0][0] == asks[1][0]
    assert asks[0][1:] != asks[1][1:]
    first, last = (np.array(asks[0][generation]) for generation in (0, -1))
    assert OWN.Energy(TOWER)(last).mean() < OWN.Energy(TOWER)(first).mean()
    assert {"energy", "size"} <= rows[0].keys()
    assert "mJ" in err
    assert "energy" in report


def test_a_bound_of_another_unit_and_a_cost_that_is_no_number_are_told_in_a_line(tmp_path):
    for name, most, told in (
        ("Energy", "3 kg", "energy bound '3 kg' is not a positive number of mJ: write it like"),
        ("Unwell", "3 mJ", "my_space.py:Unwell gave nan for 3 of 3 architectures: return a finite number for each"),
    ):
        command = [*DIGITS, "--space", f"{SPACE}:Tower", "--cost", f"{SPACE}:{name}", f"--max-{name.lower()}", most]
        code, _, err = invoke(*command, *FAST, "--out", tmp_path / "run")
        assert code == 2
        assert told in err
