import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from trueshot.cli.main import run
from trueshot.spaces import NasBench201


@pytest.fixture
def table(tmp_path: Path) -> Path:
    space = NasBench201()
    rng = np.random.default_rng(0)
    archs = [space.format(row) for row in np.unique(space.sample(300, 0), axis=0)]
    truth = rng.normal(size=len(archs))
    pd.DataFrame({"arch": archs, "acc_test_200": truth}).to_parquet(tmp_path / "truth.parquet")
    noisy = truth + rng.normal(size=len(archs))
    pd.DataFrame({"arch": archs, "score": noisy}).to_csv(tmp_path / "scores.csv", index=False)
    return tmp_path


def criteria(folder: Path, *more: str, scores: str = "scores.csv", column: str = "acc_test_200") -> list[str]:
    files = ["--truth", str(folder / "truth.parquet"), "--scores", str(folder / scores)]
    return ["criteria", *files, "--column", column, *more]


def told(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out)


def test_criteria_are_those_of_scipy(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from scipy.stats import kendalltau

    assert run(criteria(table, "--json")) == 0
    found = told(capsys)
    truth, scores = pd.read_parquet(table / "truth.parquet"), pd.read_csv(table / "scores.csv")
    assert found["kendall_tau"] == pytest.approx(kendalltau(truth["acc_test_200"], scores["score"]).statistic)
    assert set(found["p_at_k"]) == set(found["br_at_k"]) == {"0.01", "0.05", "0.5"}
    assert found["schema"] == 1


def test_a_bootstrap_gives_intervals_around_the_value(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(criteria(table, "--bootstrap", "50", "--json")) == 0
    tau = told(capsys)["kendall_tau"]
    assert tau["low"] < tau["value"] < tau["high"]


def test_the_truth_is_also_found_among_the_shared_data(table, capsys, monkeypatch, tmp_path) -> None:
    assert run(criteria(table, "--json")) == 0
    expected = told(capsys)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    bare = ["criteria", "--truth", "truth.parquet", "--scores", str(table / "scores.csv"), "--column", "acc_test_200"]
    monkeypatch.delenv("TRUESHOT_DATA", raising=False)
    assert run([*bare, "--json"]) == 2
    assert "there is no file truth.parquet" in capsys.readouterr().err
    monkeypatch.setenv("TRUESHOT_DATA", str(table))
    assert run([*bare, "--json"]) == 0
    assert told(capsys) == expected
    # What lies here comes first.
    Path("truth.parquet").write_bytes(b"")
    assert run([*bare, "--json"]) == 2
    assert "cannot read truth.parquet" in capsys.readouterr().err


def test_order_of_the_scores_does_not_matter(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(criteria(table, "--json")) == 0
    first = told(capsys)
    pd.read_csv(table / "scores.csv").sample(frac=1, random_state=1).to_parquet(table / "shuffled.parquet")
    assert run(criteria(table, "--json", scores="shuffled.parquet")) == 0
    assert told(capsys)["kendall_tau"] == pytest.approx(first["kendall_tau"])


@pytest.mark.parametrize("case", ["column", "unknown", "twice", "nan", "constant", "k", "file"])
def test_bad_input_is_one_line(table: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    scores = pd.read_csv(table / "scores.csv")
    more: list[str] = []
    if case == "unknown":
        scores.loc[0, "arch"] = "|none~0|+|none~0|none~1|+|none~0|none~1|madeup~2|"
    elif case == "twice":
        scores.loc[1, "arch"] = scores.loc[0, "arch"]
    elif case == "nan":
        scores.loc[3, "score"] = np.nan
    elif case == "constant":
        scores["score"] = 1.0
    elif case == "k":
        more = ["--k", "0.0001"]
    scores.to_csv(table / "bad.csv", index=False)
    argv = criteria(table, *more, scores="absent.csv" if case == "file" else "bad.csv")
    if case == "column":
        argv[argv.index("acc_test_200")] = "other"
    assert run(argv) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    if case == "nan":
        assert run([*argv, "--drop-nan"]) == 0


def test_what_is_left_out_is_counted(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(criteria(table, "--json")) == 0
    whole = told(capsys)
    assert (whole["dropped_nan"], whole["without_truth"]) == (0, 0)
    assert run(criteria(table)) == 0
    assert "left out" not in capsys.readouterr().out
    scores, truth = pd.read_csv(table / "scores.csv"), pd.read_parquet(table / "truth.parquet")
    # Row 2 lacks both and counts once.
    scores.loc[[0, 1, 2], "score"] = np.nan
    truth.loc[[2, 3, 4], "acc_test_200"] = np.nan
    scores.to_csv(table / "gaps.csv", index=False)
    for other in (None, 1.0):
        # With no other column the architecture has no measurement at all.
        truth.assign(**({} if other is None else {"other": other})).to_parquet(table / "truth.parquet")
        assert run(criteria(table, "--drop-nan", "--json", scores="gaps.csv")) == 0
        found = told(capsys)
        assert (found["dropped_nan"], found["without_truth"], found["n"]) == (3, 2, whole["n"] - 5)
    assert run(criteria(table, "--drop-nan", scores="gaps.csv")) == 0
    lines = capsys.readouterr().out
    assert "left out: 3 with a score of NaN" in lines
    assert "left out: 2 scored, but without a value in acc_test_200" in lines


def test_an_infinite_score_names_architecture_and_file(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = pd.read_csv(table / "scores.csv")
    scores.loc[[3, 5], "score"] = [np.inf, -np.inf]
    scores.to_csv(table / "bad.csv", index=False)
    for more in ([], ["--drop-nan"]):
        assert run(criteria(table, *more, scores="bad.csv")) == 2
        error = capsys.readouterr().err
        assert f"bad.csv: 2 scores are infinite, the first of '{scores['arch'][3]}'" in error
        assert error.count("\n") == 1


def test_a_default_k_that_selects_none_is_said(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pd.read_csv(table / "scores.csv")[:12].to_csv(table / "few.csv", index=False)
    assert run(criteria(table, scores="few.csv")) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert "left out: K = 0.01 and 0.05, too small a share of 12 architectures to select any: choose with --k" in words
    assert run(criteria(table, "--k", "3", scores="few.csv")) == 0
    assert "left out" not in capsys.readouterr().out
    assert run(criteria(table, "--json", scores="few.csv")) == 0
    assert set(told(capsys)["p_at_k"]) == {"0.5"}


def test_canonical_writes_the_string_of_the_class(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = table / "canonical.csv"
    argv = [
        "canonical",
        "nasbench201",
        "--in",
        str(table / "scores.csv"),
        "--out",
        str(out),
        "--rule",
        "nb201",
        "--json",
    ]
    assert run(argv) == 0
    space = NasBench201()
    written = pd.read_csv(out)
    assert told(capsys)["classes"] == written["canonical"].nunique()
    rows = np.stack([space.parse(text) for text in written["arch"]])
    wanted = [space.format(row) for row in space.canonical(rows, "nb201")]
    assert written["canonical"].tolist() == wanted


def test_canonical_reads_what_truth_import_wrote(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    imported, out = table / "imported.parquet", table / "classes.parquet"
    assert run(["truth", "import", str(table / "truth.parquet"), "--out", str(imported)]) == 0
    assert run(["canonical", "nasbench201", "--in", str(imported), "--out", str(out)]) == 0
    written = pd.read_parquet(out)
    assert {"architecture", "canonical"} <= set(written)
    pd.DataFrame({"name": ["x"]}).to_csv(table / "other.csv")
    capsys.readouterr()
    assert run(["canonical", "nasbench201", "--in", str(table / "other.csv"), "--out", str(out)]) == 2
    assert "neither a column arch nor architecture" in capsys.readouterr().err


def test_counts_are_written_out_and_the_form_of_an_architecture_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["space", "show", "nasbench201"]) == 0
    assert "15,625 architectures" in capsys.readouterr().out
    assert run(["space", "show", "--help"]) == 0
    assert "nor_conv_3x3~0" in capsys.readouterr().out


def test_canonical_refuses_an_unknown_rule(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = [
        "canonical",
        "nasbench201",
        "--in",
        str(table / "scores.csv"),
        "--out",
        str(table / "x.csv"),
        "--rule",
        "no",
    ]
    assert run(argv) == 2
    assert "functional" in capsys.readouterr().err


def test_show_tells_index_and_canonical_form(capsys: pytest.CaptureFixture[str]) -> None:
    arch = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|none~0|nor_conv_3x3~1|avg_pool_3x3~2|"
    assert run(["space", "show", "nasbench201", "--arch", arch, "--json"]) == 0
    found = told(capsys)
    assert (found["index"], found["params"], found["madds"]) == (11, 802_426, 113_951_370)
    space = NasBench201()
    assert found["canonical"] == space.format(space.canonical(space.parse(arch)[None])[0])


def test_show_counts_the_classes_by_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["space", "show", "nasbench201", "--json"]) == 0
    assert told(capsys)["unique"] == {"functional": 5044, "nb201": 6466, "literal": 15625}


@pytest.mark.skipif("TRUESHOT_DATA" not in os.environ, reason="TRUESHOT_DATA does not name a folder with the tables")
def test_twelve_epochs_of_training_rank_the_benchmark_as_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(os.environ["TRUESHOT_DATA"]) / "nasbench201.parquet"
    table = pd.read_parquet(path)
    table.assign(score=table["cifar10_valid_12"])[["arch", "score"]].to_parquet(tmp_path / "scores.parquet")
    argv = ["criteria", "--truth", str(path), "--column", "cifar10_test_200", "--json"]
    assert run([*argv, "--scores", str(tmp_path / "scores.parquet")]) == 0
    assert told(capsys)["kendall_tau"] == pytest.approx(0.594, abs=0.001)
