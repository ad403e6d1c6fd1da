import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
from study_checks import CPU, check_smoke, refuse, row, run_smoke

from trueshot.core.errors import DataError
from trueshot.evaluation.one_shot import OneShot
from trueshot.spaces import NasBench201
from trueshot.studies import surgery as shared
from trueshot.studies import surgery_table4
from trueshot.studies.nasbench201_truth import TRUTH_FILE, read_truth
from trueshot.studies.result import Scale
from trueshot.studies.surgery_setting import PLAIN, SETTINGS, Condition
from trueshot.training.supernet import SupernetTask

needs_truth = pytest.mark.skipif(
    not (Path(os.environ.get("TRUESHOT_DATA") or "absent") / TRUTH_FILE).is_file(),
    reason=f"$TRUESHOT_DATA does not hold {TRUTH_FILE}",
)


def opened(out) -> shared.Surgery:
    return shared.Surgery.open(Scale.SMOKE, out=out, device=CPU)


@pytest.mark.usefixtures("made_up")
def test_smoke(tmp_path, monkeypatch):
    result = check_smoke("surgery-table4", tmp_path, monkeypatch)
    # The made-up truth goes by the number of parameters, and its 12 epochs against it.
    baselines = {what: row(result, what).ours for what in ("parameters", "MAdds", "12 epochs of training")}
    assert baselines == pytest.approx({"parameters": 1.0, "MAdds": 1.0, "12 epochs of training": -1.0})
    assert row(result, "1 sample").paper == 0.7226
    assert [one.what for one in result.rows[:7]] == [
        "1 sample",
        "3 samples, equal computation",
        "5 samples, equal computation",
        "FairNAS, equal computation",
        "3 samples, equal epochs",
        "5 samples, equal epochs",
        "FairNAS, equal epochs",
    ]
    assert [one.note for one in result.rows[:7]] == ["2 epochs", *["1 epochs"] * 3, *["2 epochs"] * 3]
    assert result.details["kendall_tau"] == {one.what: one.ours for one in result.rows[:7]}


@needs_truth
def test_figures_without_a_supernet_are_those_of_the_benchmark(tmp_path, monkeypatch):
    monkeypatch.setattr(shared, "ranking", lambda *_: (np.arange(12.0), np.arange(12.0)))
    result = run_smoke("surgery-table4", tmp_path)
    assert row(result, "parameters").ours == pytest.approx(0.562775, abs=1e-6)
    assert row(result, "MAdds").ours == pytest.approx(0.562775, abs=1e-6)
    assert row(result, "12 epochs of training").ours == pytest.approx(0.727273, abs=1e-6)
    assert row(result, "1 sample").ours == pytest.approx(1.0)


@needs_truth
def test_truth_is_that_of_the_benchmark(tmp_path):
    known = NasBench201().at(np.array([6111, 1835, 1651]))
    surgery = opened(tmp_path)
    np.testing.assert_allclose(surgery.truth(known), [94.3733, 54.2967, 10.0], atol=1e-4)
    np.testing.assert_allclose(surgery.truth(known, "cifar100_test_200"), [73.22, 15.6067, 1.0], atol=1e-4)


@pytest.mark.usefixtures("made_up")
def test_an_unknown_column_is_named(tmp_path):
    with pytest.raises(DataError, match=r"cannot read column svhn_test_200 of .*nasbench201\.parquet"):
        opened(tmp_path).truth(np.zeros((1, 6), dtype=np.uint8), "svhn_test_200")


def test_without_the_truth_nothing_is_trained(tmp_path, monkeypatch):
    monkeypatch.setenv("TRUESHOT_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"needs the truth of NAS-Bench-201: put nasbench201\.parquet into"):
        opened(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_no_table_is_named(tmp_path):
    (tmp_path / "broken.parquet").write_text("no table")
    with pytest.raises(DataError, match=r"cannot read column cifar10_test_200 of .*broken\.parquet"):
        read_truth(tmp_path / "broken.parquet", "cifar10_test_200")


@pytest.mark.usefixtures("made_up")
def test_equal_training_is_done_once_and_no_score_computed_twice(tmp_path, monkeypatch):
    surgery = opened(tmp_path)
    archs = shared.groups_of(surgery).rows
    scores = surgery.scores(surgery.trained(PLAIN), archs)
    assert scores.max() < 0
    assert len(np.unique(scores)) > 1
    monkeypatch.setattr(OneShot, "__call__", refuse)
    monkeypatch.setattr(SupernetTask, "step", refuse)
    again = opened(tmp_path)
    # Another name for the same training is the same supernet.
    np.testing.assert_array_equal(again.scores(again.trained(Condition(name="other")), archs), scores)
    assert [path.name.split("-")[0] for path in (tmp_path / "supernets").iterdir()] == ["plain"]
    with pytest.raises(AssertionError, match="trained again what was there"):
        again.trained(Condition(name="shorter", recipe={"epochs": 1}))


@pytest.mark.usefixtures("made_up")
def test_groups_are_whole_and_alike(tmp_path):
    surgery, space = opened(tmp_path), NasBench201()
    groups = shared.groups_of(surgery)
    assert len(groups.first) == 12
    canonical = space.canonical(groups.rows, shared.RULE)
    np.testing.assert_array_equal(canonical, groups.rows[groups.first][groups.labels])
    of_all = dataclasses.replace(surgery, setting=dataclasses.replace(surgery.setting, archs=None))
    whole = shared.groups_of(of_all)
    assert (len(whole.rows), len(whole.first)) == (15_625, 6_466)


@pytest.mark.usefixtures("made_up")
def test_groups_are_ranked_by_the_means_of_their_members(tmp_path):
    groups = shared.groups_of(opened(tmp_path))
    scores = np.arange(len(groups.rows), dtype=np.float64)
    predicted, true = groups.pair(scores)
    members = [groups.labels == label for label in range(12)]
    np.testing.assert_allclose(predicted, [scores[some].mean() for some in members])
    np.testing.assert_allclose(true, [groups.truth[some].mean() for some in members])


def test_undefined_criteria_are_left_out():
    few = np.arange(10.0)
    assert shared.measured("BR@5%", few, few) is None
    assert shared.measured("Kendall tau", np.ones(10), few) is None
    assert shared.measured("Kendall tau", few, few) == pytest.approx(1.0)
    many = np.arange(40.0)
    assert shared.measured("P@5%", many, many) == 100.0
    assert shared.measured("BR@5%", many, many) == 2.5


def test_estimate_counts_what_is_trained_and_scored():
    estimate = surgery_table4.estimate(Scale.SMOKE, device=CPU)
    assert {part.what: part.units for part in estimate.parts[1:]} == {
        "supernet 3-samples": 2 * 320,
        "supernet 5-samples": 2 * 320,
        "supernet FairNAS": 2 * 320,
        "203 scores": 203 * 80,
    }
    assert estimate.parts[0].what == "supernet plain"
    assert [part.units for part in estimate.parts[:7]] == [640, 320, 320, 320, 640, 640, 640]
    assert all(part.seconds > 0 for part in estimate.parts)


def test_the_paper_trains_for_a_thousand_epochs():
    setting = SETTINGS[Scale.PAPER]
    assert (setting.recipe.epochs, setting.archs, setting.space.channels, setting.space.cells) == (1000, None, 16, 5)
    assert setting.images.train - setting.images.validation == 40_000
    assert shared.scored(Scale.PAPER) == 15_625
