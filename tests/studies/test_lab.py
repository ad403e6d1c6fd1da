import numpy as np
import pytest
from lab_checks import TINY, needs_truth
from study_checks import CPU, refuse

from trueshot.core.errors import DataError
from trueshot.evaluation.one_shot import OneShot
from trueshot.spaces import NasBench201
from trueshot.strategies.config import SamplerConfig, SharingConfig
from trueshot.studies.lab import PLAIN, Condition, Lab, scoring_part, space_size, supernet_part
from trueshot.studies.lab_truth import read_truth
from trueshot.studies.result import Scale
from trueshot.training.supernet import SupernetTask

SETTING = TINY[Scale.SMOKE]


@pytest.fixture
def lab(tmp_path):
    return Lab.open(TINY, Scale.SMOKE, out=tmp_path, device=CPU)


@needs_truth
def test_architectures_are_random_each_once_and_nested(lab):
    rows = lab.archs(count=300)
    assert len(np.unique(rows, axis=0)) == 300
    np.testing.assert_array_equal(lab.archs(), rows[:8])
    assert len(lab.archs(Condition(name="convs", sub_space="only_conv"), count=100)) == 64


@needs_truth
def test_truth_is_that_of_the_benchmark(lab):
    space = NasBench201()
    known = space.at(np.array([6111, 1835, 1651]))
    np.testing.assert_allclose(lab.truth(known), [94.3733, 54.2967, 10.0], atol=1e-4)
    np.testing.assert_allclose(lab.truth(known, "cifar100_test_200"), [73.22, 15.6067, 1.0], atol=1e-4)
    convs = Condition(name="convs", sub_space="only_conv")
    all_3x3 = np.ones((1, 6), dtype=np.uint8)
    np.testing.assert_allclose(lab.truth(all_3x3, condition=convs), [93.76], atol=1e-2)


@needs_truth
def test_an_unknown_column_is_named(lab):
    with pytest.raises(DataError, match="svhn_test_200"):
        lab.truth(lab.archs(), "svhn_test_200")


def test_without_the_truth_nothing_is_trained(tmp_path, monkeypatch):
    monkeypatch.setenv("TRUESHOT_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"nasbench201\.parquet"):
        Lab.open(TINY, Scale.SMOKE, out=tmp_path / "out", device=CPU)
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_no_table_is_named(tmp_path):
    (tmp_path / "broken.parquet").write_text("no table")
    with pytest.raises(DataError, match=r"broken\.parquet"):
        read_truth(tmp_path / "broken.parquet", "cifar10_test_200")


@needs_truth
def test_scores_are_those_of_the_epoch_and_never_computed_twice(lab, monkeypatch):
    archs, trained = lab.archs(), lab.trained(PLAIN, 0)
    assert list(trained.marks) == [1, 2]
    first, last = (lab.scores(trained, epoch, archs) for epoch in (1, 2))
    assert not np.allclose(first, last)
    accuracy = lab.scores(trained, 2, archs, metric="accuracy")
    assert ((accuracy >= 0) & (accuracy <= 1)).all()
    assert (last < 0).all()
    monkeypatch.setattr(OneShot, "__call__", refuse)
    monkeypatch.setattr(SupernetTask, "step", refuse)
    np.testing.assert_array_equal(lab.scores(trained, 1, archs), first)
    # In another process, so to speak.
    again = Lab.open(TINY, Scale.SMOKE, out=lab.work.out, device=CPU)
    np.testing.assert_array_equal(again.scores(again.trained(PLAIN, 0), 1, archs), first)
    # Another name for the same training is the same supernet.
    np.testing.assert_array_equal(lab.scores(lab.trained(Condition(name="other"), 0), 2, archs), last)


@needs_truth
def test_conditions_change_what_they_say(lab):
    fair = Condition(name="fair", sampler=SamplerConfig(kind="fair"), cells=2, channels=2, recipe={"epochs": 1})
    trained = lab.trained(fair, 0)
    assert (trained.setup.space.cells, trained.setup.space.channels) == (2, 2)
    assert list(trained.marks) == [1]
    assert trained.setup.config.supernet.sampler.kind == "fair"
    assert lab.scores(trained, 1, lab.archs()).shape == (8,)


@needs_truth
def test_weights_from_before_a_split_are_scored_too(lab):
    trained = lab.trained(Condition(name="split", sharing=SharingConfig(kind="split", epoch=1)), 0)
    archs = lab.archs()
    before, after = (lab.scores(trained, epoch, archs) for epoch in (1, 2))
    assert not np.allclose(before, after)


@needs_truth
def test_rivals_need_no_supernet(lab, monkeypatch):
    monkeypatch.setattr(SupernetTask, "step", refuse)
    archs = lab.archs(count=200)
    rows = {row.what: row for row in lab.rival_rows(archs)}
    assert rows["parameters"].ours == pytest.approx(0.58, abs=0.1)
    assert rows["12 epochs of training"].ours == pytest.approx(0.594, abs=0.1)
    assert rows["parameters"].interval.low < rows["parameters"].ours < rows["parameters"].interval.high
    scores = lab.rivals(archs[:4], proxies=("naswot",))
    assert len(np.unique(scores["naswot"])) > 1


def test_costs_are_in_proportion():
    condition = Condition(name="bias", sharing=SharingConfig(kind="bias"), recipe={"epochs": 3})
    part = supernet_part(SETTING, CPU, 2, condition)
    assert part.units == 2 * 3 * 320
    assert part.seconds > 0
    assert scoring_part(SETTING, CPU, 10).units == 10 * 80
    assert space_size() == 15_625
    assert space_size(Condition(name="convs", sub_space="only_conv")) == 64
