"""A predictor as an oracle: fitted to a table, it scores what the table does not hold, in a search without images."""

import json

import numpy as np
import pytest
from proof_runs import HERE, invoke, refused, sets

from trueshot.prediction.ridge import Ridge
from trueshot.spaces import NasBench201

SPACE = NasBench201()
COMMAND = ["search", "--space", "nasbench201", "--strategy", "evolution", "--device", "cpu"]
SHORT = sets("proposer={evaluations: 60, population: 10, sample: 5}", "threads=1")


@pytest.fixture
def table(tmp_path):
    """A table of 300 architectures, and what was fitted to it."""
    rng = np.random.default_rng(0)
    archs = np.unique(SPACE.sample(300, rng), axis=0)
    scores = 60 + rng.normal(size=(6, 5))[np.arange(6), archs].sum(axis=1)
    path, ridge = tmp_path / "table.csv", Ridge(SPACE)
    lines = [f"{SPACE.format(row)},{score!r}" for row, score in zip(archs, scores.tolist(), strict=True)]
    path.write_text("arch,accuracy\n" + "\n".join(lines) + "\n")
    ridge.fit(archs, scores)
    return path, ridge


@pytest.mark.parametrize("column", [["--column", "accuracy"], sets("oracle.column=accuracy")], ids=["option", "value"])
def test_ridge_is_an_oracle(table, column, tmp_path):
    path, ridge = table
    more = [*SHORT, "--oracle", "ridge", *sets(f"oracle.table={path}"), *column, "--json"]
    code, out, err = invoke(*COMMAND, *more, "--out", tmp_path / "run")
    assert code == 0, err
    result = json.loads(out)
    rows = np.stack([SPACE.parse(found["arch"]) for found in result["found"]])
    np.testing.assert_allclose([found["score"] for found in result["found"]], ridge(rows), rtol=1e-12)
    assert result["digest"] == ridge.digest
    assert (result["evaluated"], result["networks"]) == (60, [])


def test_a_predictor_of_ones_own_is_an_oracle_too(table, tmp_path):
    own = sets(f"oracle={{predictor: '{HERE / 'my_predictor.py'}:Nearest', table: {table[0]}, column: accuracy}}")
    code, out, err = invoke(*COMMAND, *SHORT, "--oracle", "predicted", *own, "--out", tmp_path / "run", "--json")
    assert code == 0, err
    assert json.loads(out)["digest"].startswith("nearest ")


def test_what_is_missing_is_told_in_a_line(table):
    command = [*COMMAND, *SHORT, "--oracle", "ridge"]
    assert "oracle.table: is missing: give a value" in refused(*command)
    assert "name a column of it by --column (in a ranking by" in refused(*command, *sets(f"oracle.table={table[0]}"))
    assert "did you mean penalty?" in refused(*command, *sets("oracle={table: x, predictor: {kind: ridge, penlty: 1}}"))
