"""Commands on NAS-Bench-201, with made-up images and a made-up truth where the published ones would lie."""

import json

import numpy as np
import pandas as pd
import pytest
from cli_runs import invoke, sets

from trueshot.spaces import NasBench201

SMALL = ["data={image_size: 8}", "supernet.augmentation={}", "threads=1"]
ARGUMENTS = "{channels: 4, cells: 1, affine: false}"


@pytest.mark.usefixtures("made_up")
def test_a_ranking_of_cells(tmp_path):
    schedule = [
        f"spaces={{nasbench201: {ARGUMENTS}}}",
        "supernet.recipe={epochs: 2, batch_size: 64, lr: 0.1, momentum: 0.0}",
        "supernet.sampler={kind: uniform}",
        "evaluation={recalibration: {mode: batch, batch_size: 60}, metric: loss}",
        "ranking={supernets: 1, curve: 0, bootstrap: 20}",
    ]
    truth = ["--truth", "nasbench201.parquet", "--column", "cifar10_test_200", "--archs", "16"]
    baselines = ["--baseline", "params", "--baseline", "cifar10_valid_12"]
    run = ["--data", "cifar10", "--device", "cpu", "--out", tmp_path / "run", *sets(*schedule, *SMALL)]
    code, stdout, stderr = invoke("rank", *run, *truth, *baselines, "--json")
    assert code == 0, stderr
    result = json.loads(stdout)
    assert (result["dataset"]["name"], result["dataset"]["image_size"]) == ("cifar10", 8)
    # The made-up truth goes by the number of parameters, and its 12 epochs against it.
    taus = {name: found["all"]["kendall_tau"]["value"] for name, found in result["baselines"].items()}
    assert taus == pytest.approx({"params": 1.0, "cifar10_valid_12": -1.0})
    scores = pd.read_parquet(tmp_path / "run" / "scores.parquet")
    space = NasBench201()
    rows = np.stack([space.parse(arch) for arch in scores["arch"]])
    np.testing.assert_allclose(scores["truth"], 10 + 50e-6 * space.cost(rows).params)
    assert scores["supernet"].nunique() > 8
    assert (scores["supernet"] < 0).all()


@pytest.mark.usefixtures("made_up")
def test_a_search_of_cells(tmp_path, monkeypatch):
    monkeypatch.setattr("trueshot.cli.deliver.export_decision", lambda *_: {})
    values = [
        f"space.arguments={ARGUMENTS}",
        "supernet.recipe={epochs: 2, batch_size: 64, lr: 0.1, momentum: 0.0, final_lr: 0.001}",
        "supernet.sampler={kind: uniform}",
        "weight_sampling.samples=2",
        "evaluation={recalibration: {mode: reset, batches: 1, batch_size: 64}}",
        "proposer={population: 4, generations: 2}",
        "retraining={recipe: {epochs: 1, batch_size: 64, lr: 0.1, warmup_epochs: 0}, repeats: 1, random: 1}",
        "retraining.off_the_shelf=false",
        "retraining.convergence=false",
        "budget.fractions=[1.0]",
    ]
    run = ["--data", "cifar10", "--space", "nasbench201", "--device", "cpu", "--out", tmp_path / "run"]
    code, stdout, stderr = invoke("search", *run, "--max-madds", "150k", *sets(*values, *SMALL), "--json")
    assert code == 0, stderr
    result = json.loads(stdout)
    assert result["evaluated"] == 8
    assert [(network["name"], network["role"]) for network in result["networks"]] == [
        ("recommended", "recommended"),
        ("best-1", "winner"),
        ("random-1", "random"),
    ]
    space = NasBench201(channels=4, cells=1, affine=False, image_size=8).final()
    for network in result["networks"]:
        cost = space.cost(space.parse(network["arch"])[None])
        assert (network["costs"]["madds"], network["costs"]["params"]) == (cost.madds[0], cost.params[0])
        assert network["costs"]["madds"] <= 150_000
        assert network["test"]["n"] == 100
