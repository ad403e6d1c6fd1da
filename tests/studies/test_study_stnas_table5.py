import numpy as np
import pytest
from study_checks import CPU, check_killed, check_smoke, refuse, row

from trueshot.core.errors import DataError
from trueshot.core.random import Streams
from trueshot.studies import stnas_table5
from trueshot.studies.result import Scale
from trueshot.studies.stnas_ablation import Ablation
from trueshot.studies.supernets import tau, tau_interval
from trueshot.training.standalone import NetworkTask
from trueshot.training.supernet import SupernetTask


def test_smoke(tmp_path, monkeypatch):
    result = check_smoke("stnas-table5", tmp_path, monkeypatch)
    assert len(list((tmp_path / "supernets").iterdir())) == 1
    assert len(result.details["archs"]) == len(result.details["truth"]) == 6
    published = {"Single checkpoint": 0.71, "Fine-tune": 0.64, "SGLD-param": 0.84, "SGLD-acc": 0.81}
    for what, paper in published.items():
        assert row(result, what).paper == paper
    truth = np.array(result.details["truth"])
    for what, (scores,) in result.details["scores"].items():
        assert row(result, what).values == (tau(np.array(scores), truth),)


def test_a_killed_study_goes_on_where_it_was(tmp_path, monkeypatch):
    # A supernet takes 30 steps and its SGLD samples 20. It is killed in its second epoch, before its first checkpoint.
    check_killed("stnas-table5", SupernetTask, 15, 30 + 20, tmp_path, monkeypatch)


def test_a_killed_truth_goes_on_where_it_was(tmp_path, monkeypatch):
    archs = Ablation.open(Scale.SMOKE, out=tmp_path / "whole", device=CPU).random()[:3]
    whole = Ablation.open(Scale.SMOKE, out=tmp_path / "whole", device=CPU).truth(archs)
    step, taken = NetworkTask.step, []

    def counted(task, index, batches):
        taken.append(index)
        if len(taken) == 25:
            raise KeyboardInterrupt
        return step(task, index, batches)

    monkeypatch.setattr(NetworkTask, "step", counted)
    with pytest.raises(KeyboardInterrupt):
        Ablation.open(Scale.SMOKE, out=tmp_path / "killed", device=CPU).truth(archs)
    assert len(taken) == 25
    # 3 trainings of 20 steps: the second is killed in its fifth and begins again, the first is there.
    resumed = Ablation.open(Scale.SMOKE, out=tmp_path / "killed", device=CPU).truth(archs)
    assert len(taken) == 25 + 40
    np.testing.assert_array_equal(resumed, whole)


def test_whoever_asks_for_the_same_gets_what_was_trained(tmp_path, monkeypatch):
    first = Ablation.open(Scale.SMOKE, out=tmp_path, device=CPU)
    archs = first.random()
    truth, trained = first.truth(archs[:2]), first.supernet(0)
    scores = first.scores(trained, trained.last[-1], archs[:2])
    monkeypatch.setattr(NetworkTask, "step", refuse)
    monkeypatch.setattr(SupernetTask, "step", refuse)
    second = Ablation.open(Scale.SMOKE, out=tmp_path, device=CPU)
    np.testing.assert_array_equal(second.random(), archs)
    np.testing.assert_array_equal(second.truth(archs[:2]), truth)
    again = second.supernet(0)
    np.testing.assert_array_equal(second.scores(again, again.last[-1], archs[:2]), scores)
    assert [path.name for path in again.last] == ["epoch-0002.ckpt", "epoch-0003.ckpt"]
    with pytest.raises(AssertionError, match="trained again what was there"):
        second.supernet(1)


def test_estimate_counts_what_is_trained_and_scored():
    estimate = stnas_table5.estimate(Scale.SMOKE, device=CPU)
    assert {part.what: part.units for part in estimate.parts} == {
        "truth of 6 architectures": 6 * 2 * 320,
        "1 supernets": 3 * 320,
        "2 more epochs of 1 supernets": 2 * 320,
        "fine-tuning": 6 * 2 * 32,
        "84 one-shot scores": 84 * (80 + 64),
    }
    assert all(part.seconds > 0 for part in estimate.parts)


def test_constant_scores_rank_nothing():
    constant, truth = np.ones(4), np.arange(4.0)
    assert tau(constant, truth) == 0.0
    assert tau_interval(constant, truth, Streams(0)) is None
    assert tau(truth, truth) == 1.0


def test_imagenet_must_be_there(tmp_path, monkeypatch):
    monkeypatch.setenv("TRUESHOT_DATA", str(tmp_path))
    with pytest.raises(DataError, match="scale paper needs ImageNet: give its folder"):
        stnas_table5.run(Scale.PAPER, out=tmp_path / "out", device=CPU)
