import io

import pytest
from rich.console import Console

from trueshot.criteria.bootstrap import Interval
from trueshot.studies.result import Estimate, Part, Row, Scale, StudyResult, percent

ESTIMATE = Estimate(
    scale=Scale.PAPER,
    device="CPU",
    parts=(
        Part(what="supernet", units=1e6, unit="image", seconds=100.0),
        Part(what="truth", units=10, unit="image", seconds=6.0),
    ),
    note="measured",
)


def made(rows) -> StudyResult:
    return StudyResult(
        study="made-up",
        title="A made-up table",
        scale=Scale.CPU,
        rows=tuple(rows),
        notes=("it [says] nothing",),
        data={"name": "digits"},
        seed=0,
        seconds=1.0,
        trained_seconds=2.0,
        environment={},
        estimate=ESTIMATE,
    )


def test_row_has_mean_spread_and_interval():
    row = Row(what="a", metric="m", paper=1.0, values=(1.0, 3.0), figures={"madds": 7}).to_json()
    assert (row["ours"], row["std"], row["n"], row["madds"]) == (2.0, pytest.approx(2**0.5), 2, 7)
    assert row["low"] == pytest.approx(2 - 12.706 * 1.0, abs=1e-3)


def test_one_value_has_no_spread_and_a_given_interval_stands():
    single = Row(what="a", metric="m", values=(1.0,))
    assert (single.std, single.spread) == (None, None)
    assert Row(what="a", metric="m", values=(1.0,), interval=Interval(0.0, 2.0)).to_json()["high"] == 2.0


def test_a_reference_has_no_figure_of_ours():
    row = Row(what="a", metric="m", paper=3.0).to_json()
    assert (row["ours"], row["n"], row["values"]) == (None, 0, [])


def test_estimate_adds_up_and_tells_years():
    assert ESTIMATE.seconds == 1e8 + 60
    assert "3.2 years" in str(ESTIMATE)
    assert "truth 1m 00s" in str(ESTIMATE)


def test_table_shows_both():
    out = io.StringIO()
    made([Row(what="net", metric="top-1", paper=76.4, values=percent([0.5, 0.6]))]).show(Console(file=out, width=200))
    text = out.getvalue()
    assert "76.4" in text
    assert "55" in text
    assert "it [says] nothing" in text


def test_json_is_written_under_its_name(tmp_path):
    path = made([Row(what="net", metric="top-1", values=(1.0,))]).save(tmp_path / "new")
    assert path == tmp_path / "new" / "made-up-cpu.json"
