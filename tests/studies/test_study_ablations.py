import json

import numpy as np
import pytest
import torch
from study_checks import CPU, check_smoke, row, run_smoke

from trueshot.cli.names import STUDIES, study_module
from trueshot.core.random import Streams
from trueshot.studies import stnas_ablation as shared
from trueshot.studies import stnas_sampling
from trueshot.studies.result import Scale
from trueshot.training.supernet import SupernetTask

ABLATIONS = [name for name in STUDIES if study_module(name).FOLDER == shared.FOLDER]


@pytest.mark.parametrize("name", ABLATIONS)
def test_smoke(name, tmp_path, monkeypatch):
    check_smoke(name, tmp_path, monkeypatch)


@pytest.mark.parametrize("name", ABLATIONS)
def test_estimate(name):
    estimate = study_module(name).estimate(Scale.SMOKE, device=CPU)
    assert estimate.seconds > 0
    assert json.dumps(estimate.to_json())


def test_they_share_what_they_train(tmp_path):
    fig4, table5 = run_smoke("stnas-fig4", tmp_path), run_smoke("stnas-table5", tmp_path)
    assert fig4.details["truth"] == table5.details["truth"]
    assert len(list((tmp_path / "supernets").iterdir())) == 2


def test_best_and_worst_are_of_the_same_runs(tmp_path):
    result = run_smoke("stnas-fig4", tmp_path)
    taus = row(result, "one supernet").values
    assert (row(result, "best").ours, row(result, "worst").ours) == (max(taus), min(taus))
    assert sorted(result.details["best_ranks"]) == list(range(1, len(result.details["truth"]) + 1))


def test_a_killed_study_goes_on_where_it_was(tmp_path, monkeypatch):
    whole = run_smoke("stnas-fig4", tmp_path / "whole")
    step, taken = SupernetTask.step, []

    def counted(task, index, images, labels):
        taken.append(index)
        if len(taken) == 40:
            raise KeyboardInterrupt
        return step(task, index, images, labels)

    monkeypatch.setattr(SupernetTask, "step", counted)
    with pytest.raises(KeyboardInterrupt):
        run_smoke("stnas-fig4", tmp_path / "killed")
    resumed = run_smoke("stnas-fig4", tmp_path / "killed")
    # Two supernets of 30 steps: the second was killed at its tenth, before its first checkpoint.
    assert len(taken) == 40 + 30
    assert resumed.details == whole.details


def test_groups_go_from_cheap_to_dear(tmp_path):
    ablation = shared.Ablation.open(Scale.SMOKE, out=tmp_path, device=CPU)
    archs = ablation.spread(3)
    assert len(archs) % 3 == 0
    result = run_smoke("stnas-sampling", tmp_path)
    madds = np.sort(result.details["madds"])
    assert madds[0] < madds[-1]
    assert result.details["expected_madds"]["matched"] < result.details["expected_madds"]["uniform"]
    differences = [row(result, f"uniform, {group}", "rank difference").ours for group in ("cheap", "middle", "dear")]
    assert sum(differences) == pytest.approx(0, abs=1e-9)


def test_shift_is_what_cheap_networks_gain_beyond_dear_ones():
    labels = np.array([0, 0, 1, 1, 2, 2])
    uniform = np.array([10.0, 20.0, 30.0, 30.0, 50.0, 60.0])
    matched = uniform + np.array([5.0, 5.0, 0.0, 0.0, -1.0, -1.0])
    assert stnas_sampling._shift({"uniform": [uniform], "matched": [matched]}, labels) == [6.0]


def test_constant_scores_rank_nothing():
    constant, truth = np.ones(4), np.arange(4.0)
    assert shared.tau(constant, truth) == 0.0
    assert shared.tau_interval(constant, truth, Streams(0)) is None
    assert shared.tau(truth, truth) == 1.0


def test_noise_of_temperature_one_moves_the_weights_most(tmp_path):
    result = run_smoke("stnas-sgld", tmp_path)
    apart = {name: part["relative_distance"][0] for name, part in result.details.items()}
    assert apart["1"] > 10 * apart["1/N"] > 0
    assert apart["1/N"] > apart["0"] > 0
    assert all(part["cosine_of_moves"][0] == pytest.approx(1.0) for part in result.details.values())


def test_imagenet_must_be_there(tmp_path, monkeypatch):
    from trueshot.core.errors import DataError

    monkeypatch.setenv("TRUESHOT_DATA", str(tmp_path))
    with pytest.raises(DataError, match="needs ImageNet"):
        study_module("stnas-fig5").run(Scale.PAPER, out=tmp_path / "out", device=torch.device("cpu"))
