import json

import numpy as np
import pytest
from lab_checks import needs_truth
from study_checks import CPU, check_smoke, row, run_smoke

from trueshot.cli.names import STUDIES, study_module
from trueshot.sharing import Supernet, single_path
from trueshot.spaces import NasBench201
from trueshot.spaces.canonical.classes import every
from trueshot.spaces.counting import count_params
from trueshot.studies import interchoice, interchoice_fig3, interchoice_fig6, interchoice_steps
from trueshot.studies.interchoice_curves import (
    BASELINE,
    Outcome,
    difference_rows,
    gain_note,
    improvement,
    improvement_rows,
    rival_rows,
    seed_rows,
)
from trueshot.studies.lab import Lab
from trueshot.studies.result import Scale

ON_CELLS = (
    "interchoice-fig3",
    "interchoice-fig4",
    "interchoice-fig8",
    "interchoice-appendixC",
    "interchoice-appendixD",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("interchoice")


@needs_truth
@pytest.mark.parametrize("name", ON_CELLS)
def test_smoke(name, folder, monkeypatch):
    check_smoke(name, folder, monkeypatch)


@pytest.mark.parametrize("name", [*ON_CELLS, "interchoice-table1"])
def test_estimate(name):
    estimate = study_module(name).estimate(Scale.SMOKE, device=CPU)
    assert estimate.seconds > 0
    assert json.dumps(estimate.to_json())


def test_all_have_one_folder_and_a_title():
    modules = [study_module(name) for name in STUDIES if name.startswith("interchoice-")]
    assert len(modules) == 12
    assert {module.FOLDER for module in modules} == {interchoice.FOLDER}
    assert len({module.TITLE for module in modules}) == 12


@needs_truth
def test_they_share_what_they_train(tmp_path):
    fig3 = run_smoke("interchoice-fig3", tmp_path)
    fig8 = run_smoke("interchoice-fig8", tmp_path)
    assert len(list((tmp_path / "supernets").iterdir())) == 4
    for label in ("only convolutions, baseline", "only convolutions, bias D=1"):
        ours = row(fig8, label, "improvement, 10 left").values
        assert row(fig3, label, "improvement, 10 left").values == ours


def test_paper_is_the_published_supernet():
    setting = interchoice.SETTINGS[Scale.PAPER]
    assert count_params(Supernet(setting.fitted, single_path)) == 782_938
    assert (setting.recipe.epochs, setting.recipe.lr, setting.recipe.weight_decay) == (250, 0.025, 3e-4)
    assert setting.images.train - setting.images.validation == 45_000


@pytest.mark.parametrize(("scale", "epochs"), [(Scale.PAPER, [125, 175, 200]), (Scale.CPU, [4, 5, 6])])
def test_splits_come_at_the_published_share_of_the_training(scale, epochs):
    splits = interchoice.splits(scale, "full")
    assert list(splits) == ["split at 125", "split at 175", "split at 200"]
    assert [condition.sharing.epoch for condition in splits.values()] == epochs


@needs_truth
def test_the_mean_of_figure_3_is_that_of_convolutions_alone(tmp_path):
    lab = Lab.open(interchoice.SETTINGS, Scale.SMOKE, out=tmp_path, device=CPU)
    condition = interchoice.baseline("only_conv")
    assert lab.truth(lab.archs(condition, count=64), condition=condition).mean() == pytest.approx(93.2, abs=0.01)


def test_where_a_ranking_ends_to_help():
    truth = np.arange(40.0)
    right = truth.copy()
    right[20:] = right[20:][::-1]
    # Of the best 28, 190 pairs are in the wrong order and 188 in the right one.
    assert interchoice_fig3._lost(right, truth) == 28
    assert interchoice_fig3._peak(right, truth) == 20
    assert interchoice_fig3._lost(truth, truth) == interchoice_fig3._peak(truth, truth) == 10


def test_improvement_is_0_by_chance_and_1_at_the_best():
    truth = np.array([1.0, 2.0, 3.0, 6.0])
    assert improvement(truth, truth, 1) == 1
    assert improvement(truth, truth, 4) == 0
    assert improvement(truth, truth, 2) == pytest.approx((4.5 - 3) / 3)
    assert improvement(-truth, truth, 1) == pytest.approx(-2 / 3)


def _outcomes() -> dict[str, Outcome]:
    truth = np.arange(20.0)
    drawn = np.random.default_rng(0)
    base = tuple(drawn.permutation(truth) for _ in range(2))
    return {BASELINE: Outcome(truth=truth, scores=base), "right": Outcome(truth=truth, scores=(truth, truth))}


def test_rows_tell_gain_over_the_baseline():
    found = _outcomes()
    base, right = improvement_rows("x", found)
    assert right.values == pytest.approx((5 / 9.5,) * 2)
    assert right.figures["kendall_tau"] == 1
    (gain,) = difference_rows("x", found)
    assert gain.values == pytest.approx([b - a for a, b in zip(base.values, right.values, strict=True)])
    assert "0.53 for the best variant, right" in gain_note("x", found)
    (rival,) = rival_rows("x", {"random": -found[BASELINE].truth}, found[BASELINE].truth)
    assert rival.values == pytest.approx((-5 / 9.5,))


def test_spread_between_seeds_needs_two_of_them():
    found = _outcomes()
    wide, none = seed_rows("x", found)[-1].values
    assert wide > 0
    assert none == 0
    single = {label: Outcome(truth=one.truth, scores=one.scores[:1]) for label, one in found.items()}
    assert seed_rows("x", single) == []
    assert "std" not in single[BASELINE].curve(10)
    assert len(found[BASELINE].curve(1)["std"]) == 20


def test_twins_are_pairs_of_one_function():
    space = NasBench201()
    archs = every(space)
    from trueshot.core.random import Streams

    classes = space.index(space.canonical(archs, "functional"))
    first, second = interchoice_fig6._twins(classes, Streams(0))
    assert (classes[first] == classes[second]).all()
    assert (first != second).all()
    counts = np.unique(classes, return_counts=True)[1]
    assert len(first) == (counts > 1).sum()
    assert len(np.unique(classes[first])) == len(first)


def test_table_1_is_timed_once(tmp_path, monkeypatch):
    first = run_smoke("interchoice-table1", tmp_path)
    monkeypatch.setattr("trueshot.studies.interchoice_table1.measure_steps", None)
    again = run_smoke("interchoice-table1", tmp_path)
    assert [one.to_json() for one in again.rows] == [one.to_json() for one in first.rows]
    assert again.trained_seconds == first.trained_seconds > 0
    after, at_125, at_200 = (
        row(first, f"all operations, split{when}", "time added (%)") for when in (", after it", " at 125", " at 200")
    )
    assert (at_125.paper, at_200.paper, after.paper) == (21, 14, None)
    assert at_125.ours == pytest.approx(after.ours / 2)
    assert at_200.spread.high == pytest.approx(after.spread.high / 5)
    shared, bias = (row(first, f"chain, {name}", "parameters added (%)").ours for name in ("split", "bias D=1"))
    assert shared > bias > 0
    assert not [one for one in first.rows if one.metric.startswith("memory")]


def test_turns_go_round_and_the_least_time_counts(monkeypatch):
    clock = {"now": 0.0}
    calls = []

    def call(name: str, times: list[float]):
        def run() -> None:
            calls.append(name)
            clock["now"] += times.pop(0)

        return run

    for source in ("perf_counter", "process_time"):
        monkeypatch.setattr(f"trueshot.studies.interchoice_steps.time.{source}", lambda: clock["now"])
    taken = interchoice_steps._take_turns([call("a", [9, 3, 2, 4]), call("b", [9, 5, 7, 6])], 3)
    assert "".join(calls) == "ab" + "ab" + "ba" + "ab"
    np.testing.assert_allclose(taken, [[2, 2], [5, 5]])
