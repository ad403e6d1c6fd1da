"""``trueshot search`` by every strategy, on shared weights and on a table of truth."""

import json

import numpy as np
import pandas as pd
import pytest
from cli_runs import DIGITS, TINY, TINY_SPACE, invoke, refused, sets

from trueshot.spaces import NasBench201

BASE = [TINY_SPACE, *(value for value in TINY if not value.startswith("proposer")), "data.max_images=300"]
SIZES = {
    "random": ["proposer.evaluations=8"],
    "evolution": ["proposer={evaluations: 8, population: 4, sample: 2, at_once: 4}"],
}


def searched(out, *arguments):
    """Run a search to its end and return what it printed."""
    code, stdout, stderr = invoke("search", *arguments, "--out", out, "--json")
    assert code == 0, stderr
    return json.loads(stdout)


def on_digits(out, *arguments):
    return searched(out, *DIGITS[1:], *sets(*BASE), *arguments)


@pytest.fixture(scope="module")
def random(tmp_path_factory):
    """A search by random architectures, without training of what it finds."""
    out = tmp_path_factory.mktemp("random") / "run"
    more = sets(*SIZES["random"], "retraining=null")
    return out, on_digits(out, "--strategy", "random", "--oracle", "supernet", "--seed", "2", *more)


def scores(out):
    table = pd.read_parquet(out / "evaluations.parquet")
    return dict(zip(table["arch"], table["score"], strict=True))


def test_random_search_lists_what_it_found_best_first(random):
    out, result = random
    found = [entry["score"] for entry in result["found"]]
    assert (result["strategy"], result["evaluated"], len(found)) == ("random", 8, 8)
    assert found == sorted(found, reverse=True)
    assert {entry["arch"]: entry["score"] for entry in result["found"]} == scores(out)
    assert result["networks"] == []
    assert result["found"][0]["arch"] in (out / "report.html").read_text()


def test_random_search_is_one_shot_search_by_random_proposals(random, tmp_path):
    out, result = random
    more = ["--strategy", "one-shot", "--proposer", "random", "--seed", "2", *sets(*SIZES["random"], "retraining=null")]
    other = on_digits(tmp_path / "run", *more)
    assert (other["found"], other["digest"]) == (result["found"], result["digest"])
    assert scores(tmp_path / "run") == scores(out)


def test_evolution_finds_and_trains(tmp_path, monkeypatch):
    monkeypatch.setattr("trueshot.cli.deliver.export_decision", lambda *_: {})
    more = ["--strategy", "evolution", "--oracle", "supernet", "--max-madds", "100k", *sets(*SIZES["evolution"])]
    result = on_digits(tmp_path / "run", *more)
    assert (result["strategy"], result["evaluated"]) == ("evolution", 8)
    assert [network["role"] for network in result["networks"]] == ["recommended", "winner", "random"]
    assert all(entry["costs"]["madds"] <= 100_000 for entry in result["found"])


@pytest.mark.usefixtures("no_onnx")
def test_trainings_side_by_side_are_an_oracle(tmp_path):
    more = ["--strategy", "random", "--oracle", "train", "--workers", "2", *sets("proposer.evaluations=3")]
    more += sets("data.max_images=120", "retraining.recipe={epochs: 1, batch_size: 64, lr: 0.1, warmup_epochs: 0}")
    given = [value for value in BASE if not value.startswith(("supernet", "weight_sampling"))]
    result = searched(tmp_path / "run", *DIGITS[1:], *sets(*given), *more)
    assert (result["evaluated"], result["evaluator"], result["trains_each"]) == (3, "train", True)
    report = (tmp_path / "run" / "report.html").read_text()
    assert "3 architectures were trained from scratch on training images and scored on validation images" in report


def means_of_twins(folder):
    """Return for each architecture of the made-up table the mean over its class of twins."""
    space, table = NasBench201(), pd.read_parquet(folder / "nasbench201.parquet")
    rows = np.stack([space.parse(arch) for arch in table["arch"]])
    classes = [bytes(row) for row in space.canonical(rows, space.rules[0])]
    return dict(zip(table["arch"], table["cifar10_test_200"].groupby(classes).transform("mean"), strict=True))


@pytest.mark.parametrize("strategy", SIZES)
def test_a_table_is_searched_without_images(strategy, made_up, tmp_path):
    asked = ["--space", "nasbench201", "--strategy", strategy, "--oracle", "nasbench201.parquet", "--device", "cpu"]
    column = ["--column", "cifar10_test_200"]
    result = searched(tmp_path / "run", *asked, *column, *sets(*SIZES[strategy]))
    assert (result["strategy"], result["evaluated"], result["dataset"]) == (strategy, 8, None)
    truth = means_of_twins(made_up)
    for entry in result["found"]:
        assert entry["score"] == pytest.approx(truth[entry["arch"]])
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000
    again = searched(tmp_path / "run", *asked, *column, *sets(*SIZES[strategy]), "--resume")
    assert again == result
    other = tmp_path / "other"
    assert "name a column of it by --column (in a ranking by" in refused("search", *asked, "--out", other)
    assert "no column 'acc'" in refused("search", *asked, "--column", "acc", "--out", other)
    for idle, words in (
        (["--max-bad-images", "3"], "leave out --max-bad-images and all other values of data"),
        (["--pretrained", "none"], "leave out --pretrained and all other values of retraining"),
        (["--short-trainings", "5"], "leave out --short-trainings and all other values of short"),
        (["--fuse", "params-live"], "--fuse says what fused adds up, and nasbench201.parquet adds nothing up"),
        (["--oracle", "nasbench201.parquet:acc"], "names column acc, and --column cifar10_test_200: leave one of them"),
    ):
        assert words in refused("search", *asked, *column, *idle, "--out", other)
    assert not other.exists()


def test_a_search_without_random_networks_gives_a_report(tmp_path, monkeypatch):
    monkeypatch.setattr("trueshot.cli.deliver.export_decision", lambda *_: {})
    more = ["--max-madds", "100k", *sets("proposer={population: 4, generations: 2}", "retraining.random=0")]
    result = on_digits(tmp_path / "run", *more)
    assert [network["role"] for network in result["networks"]] == ["recommended", "winner"]
    assert result["comparison"] is None
    assert "best-1" in (tmp_path / "run" / "report.html").read_text()
