import math
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trueshot.core.errors import DataError
from trueshot.evaluation.truth import MEAN, Measurement, TruthTable, rows_of
from trueshot.spaces import Chain

SPACE = Chain(layers=((8, 2), (8, 1)), kernels=(3, 5), expansions=(2,), image_size=16, classes=3)
ROWS = [
    Measurement("E2K3-E2K5", "digits_test", 10, 0, 90.0),
    Measurement("E2K3-E2K5", "digits_test", 10, 1, 92.0),
    Measurement("E2K5-E2K3", "digits_test", 10, 1, 80.5),
    Measurement("E2K5-E2K3", "digits_valid", 2, 0, 70.0),
    Measurement("E2K5-E2K5", "score", 0, MEAN, 1.5),
]


def same(a, b):
    return all(x == y or (math.isnan(x) and math.isnan(y)) for x, y in zip(a, b, strict=True))


def test_the_wide_view_is_the_mean_over_seeds():
    table = TruthTable.of(ROWS)
    assert len(table) == 3
    assert table.architectures == ("E2K3-E2K5", "E2K5-E2K3", "E2K5-E2K5")
    assert table.columns == ("digits_test_10", "digits_valid_2", "score")
    assert same(table.column("digits_test_10"), [91.0, 80.5, math.nan])
    assert same(table.column("digits_test_10", seed=0), [90.0, math.nan, math.nan])
    assert same(table.column("score"), [math.nan, math.nan, 1.5])
    assert table.seeds("digits_test_10") == (0, 1)
    assert table.measurements() == ROWS


@pytest.mark.parametrize("name", ["truth.parquet", "truth.csv"])
def test_written_and_read_back(tmp_path, name):
    TruthTable.of(ROWS).write(tmp_path / name)
    assert TruthTable.read(tmp_path / name).measurements() == ROWS


def test_rows_of_a_space_and_their_values():
    rows, values = TruthTable.of(ROWS).on(SPACE, "digits_test_10")
    assert rows.tolist() == [[0, 1], [1, 0]]
    assert values.tolist() == [91.0, 80.5]


@pytest.mark.parametrize("key", ["arch", "architecture"])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_wide_layout(tmp_path, key, suffix):
    path = tmp_path / f"wide.{suffix}"
    columns = {"index": [0, 1], key: ["a", "b"], "x_test_12": [None, 2.0], "score": [3, 4], "note": ["u", "v"]}
    if suffix == "csv":
        path.write_text(f"index,{key},x_test_12,score,note\n0,a,,3,u\n1,b,2.0,4,v\n")
    else:
        pq.write_table(pa.table(columns), path)
    table = TruthTable.read(path)
    assert table.architectures == ("a", "b")
    assert set(table.columns) == {"x_test_12", "score"}
    assert same(table.column("x_test_12"), [math.nan, 2.0])
    assert table.column("score").tolist() == [3.0, 4.0]
    assert table.seeds("score") == (MEAN,)


def test_two_spellings_of_a_column_are_one():
    table = TruthTable.of([Measurement("a", "m_12", 0, 0, 1.0), Measurement("a", "m", 12, 1, 3.0)])
    assert table.columns == ("m_12",)
    assert table.column("m_12").tolist() == [2.0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("arch,score\na,1\na,2\n", "1 rows repeat an architecture, the first 'a'"),
        ("arch,note\na,b\n", "a column of numbers"),
        ("name,score\na,1\n", "has either arch and"),
        ("arch,score\na,\nb,\n", "column of numbers|no measurement"),
        ("arch,score,score\na,1,2\n", "several columns of one name"),
        ("architecture,metric,fidelity,seed,value\na,m,1,0,1\na,m,1,0,2\n", "1 measurements are there twice"),
        ("architecture,metric,fidelity,seed,value\na,m,1,0,nan\n", "1 of 1 values are not finite"),
        ("architecture,metric,fidelity,seed,value\na,m,x,0,1\n", "whole numbers"),
        ("architecture,metric,fidelity,seed,value\na,m,1.5,0,1\n", r"whole numbers and value is .*\(1\.5 is none\)"),
        ("architecture,metric,fidelity,seed,value\na,m,12,0.25,1\n", r"\(0\.25 is none\)"),
        ("architecture,metric,fidelity,seed,value\na,m,,0,1\n", r"\(nan is none\)"),
        ("arch,score\na,inf\n", "not finite"),
    ],
)
def test_bad_tables_are_one_line(tmp_path, content, message):
    path = tmp_path / "truth.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        TruthTable.read(path)
    assert "\n" not in str(caught.value)


def test_unreadable_files(tmp_path):
    with pytest.raises(DataError, match=r"there is no file .*absent\.parquet: give a table"):
        TruthTable.read(tmp_path / "absent.parquet")
    path = tmp_path / "broken.parquet"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="cannot read"):
        TruthTable.read(path)
    with pytest.raises(DataError, match="neither"):
        TruthTable.read(tmp_path / "truth.xlsx")
    with pytest.raises(DataError, match="no measurement"):
        TruthTable.of([])


def test_unknown_columns_and_architectures_are_named():
    with pytest.raises(DataError, match="no column 'cifar10': choose one of digits_test_10, digits_valid_2, score"):
        TruthTable.of(ROWS).column("cifar10")
    with pytest.raises(DataError, match="entry 2, 'E9-E9', is no architecture of chain"):
        rows_of(["E2K3-E2K3", "E9-E9"], SPACE)
    with pytest.raises(DataError, match="'E2K3-E2K3' and 'e2k3-e2k3', entry 3"):
        rows_of(["E2K3-E2K3", "E2K5-E2K3", "e2k3-e2k3"], SPACE)


@pytest.mark.skipif("TRUESHOT_DATA" not in os.environ, reason="needs nasbench201.parquet under $TRUESHOT_DATA")
def test_the_table_of_nasbench201():
    table = TruthTable.read(Path(os.environ["TRUESHOT_DATA"]) / "nasbench201.parquet")
    assert len(table) == 15_625
    assert len(table.columns) == 9
    means = [table.column(f"{name}_test_200").mean() for name in ("cifar10", "cifar100", "imagenet16")]
    np.testing.assert_allclose(means, [87.0629, 61.4055, 33.5864], atol=5e-5)
    best = table.column("cifar10_test_200")
    assert np.flatnonzero(best == best.max()).tolist() == [6111, 13714]
