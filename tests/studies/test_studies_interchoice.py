"""The studies of inter-choice weights: analyses by hand, settings at the scale of the paper."""

import numpy as np
import pytest
from made_up_scores import scored
from study_checks import session

from trueshot.cli.names import TABLE, find_study
from trueshot.core.random import Streams
from trueshot.criteria.curves import improvement_curve
from trueshot.studies.interchoice import curve, improvements
from trueshot.studies.interchoice_fig6 import twins
from trueshot.studies.interchoice_table2 import between, offset
from trueshot.studies.panels import PanelsScored
from trueshot.studies.record import Scale
from trueshot.studies.trainings import TrainedNetworks

N = 30
TRUTH = np.arange(float(N))
NAMES = ("uniform, baseline", "uniform, bias D=2", "fair, baseline", "fair, bias D=2")


def material(**rows):
    found = {(name, "single"): rows.get(name, [TRUTH]) for name in NAMES}
    return scored(found | {(name, "single"): values for name, values in rows.items()}, TRUTH)


def test_curves_are_the_means_of_those_of_the_criteria():
    noisy = TRUTH + np.random.default_rng(0).normal(0, 9, (2, N))
    line = curve(material(a=noisy), "a", 5)
    whole = [improvement_curve(predicted=row, true=TRUTH, smallest=5) for row in noisy]
    np.testing.assert_array_equal(line.x, whole[0].remaining)
    np.testing.assert_allclose(line.y, (whole[0].improvement + whole[1].improvement) / 2)
    flat = scored({("a", "single"): noisy}, np.ones(N))
    assert improvements(flat, "a") == (0.0, 0.0)


def test_correlation_is_lost_among_the_best():
    # All but the best 15 in order, those in reverse.
    row = np.concatenate([TRUTH[:15], TRUTH[15:][::-1]])
    found = find_study("interchoice-fig3").analyse(material(**{"uniform, baseline": [row]}))
    # Of 435 pairs the 105 among the best 15 are reversed.
    assert found.claims["tau of all less tau of the best"] == pytest.approx(((435 - 210) / 435 + 1,))
    # With 15 left all of the best are there; with 10 left the worst ten of them: 22 and 19.5, where 29 is the best.
    assert found.claims["further improvement"] == pytest.approx((-2.5 / 14.5,))
    assert found.pictures[1].lines[0].y[0] == pytest.approx((435 - 210) / 435)


def test_a_single_architecture_is_farther_from_the_median_than_ten():
    second = TRUTH.copy()
    second[[0, N - 1]] = second[[N - 1, 0]]
    found = find_study("interchoice-fig8").analyse(material(**{"uniform, baseline": [TRUTH, TRUTH, second]}))
    # The third picks the worst: improvements of one are 1, 1 and -1, of ten 1, 1 and 1 less 2.9 / 14.5.
    tens = improvements(material(**{"uniform, baseline": [TRUTH, second]}), "uniform, baseline")
    gap = tens[0] - tens[1]
    assert gap == pytest.approx(2.9 / 14.5)
    assert found.claims["spread, 1 left less 10 left"] == pytest.approx((0.0, 0.0, 2.0 - gap))


def test_panels_are_compared_inside_their_space():
    names = ("baseline", "bias D=1", "bias D=2", "bias D=3", "split at 125", "split at 175", "split at 200")
    good = scored({(name, "single"): [TRUTH] for name in names}, TRUTH)
    bad = scored({(name, "single"): [-TRUTH if name == "baseline" else TRUTH] for name in names}, TRUTH)
    panels = PanelsScored(panels={"all operations": bad, "no Zero": good, "only convolutions": bad})
    outcome = find_study("interchoice-fig4-panels").analyse(panels)
    lost = improvements(bad, "bias D=2")[0] - improvements(bad, "baseline")[0]
    assert outcome.claims["all operations, baseline less bias D=2"] == pytest.approx((-lost,))
    assert outcome.claims["only convolutions, bias D=2 less baseline"] == pytest.approx((lost,))
    assert outcome.claims["no Zero, bias D=2 less baseline"] == (0.0,)
    assert [picture.name for picture in outcome.pictures] == ["all-operations", "no-zero", "only-convolutions"]
    assert list(panels.table()["panel"].unique()) == ["all operations", "no Zero", "only convolutions"]
    assert panels.seconds == 3.0


def test_self_consistency_takes_pairs_that_share_no_supernet():
    rows = [TRUTH, TRUTH, TRUTH, -TRUTH]
    found = scored({("a", "single"): rows}, TRUTH)
    assert between(found, "a", lambda a, b: float(a @ b > 0)) == (1.0, 0.0)
    assert offset(np.array([1.0, 2.0, 3.0]), np.array([3.0, 4.0, 5.0])) == pytest.approx(2.0)


def test_twins_are_two_members_of_each_class_that_has_two():
    labels = np.array([0, 1, 1, 2, 0, 2, 2, 3])
    first, second = twins(labels, Streams(0))
    np.testing.assert_array_equal(labels[first], [0, 1, 2])
    np.testing.assert_array_equal(labels[second], [0, 1, 2])
    assert not set(first) & set(second)


@pytest.mark.parametrize("name", [name for name in TABLE["study"] if name.startswith("interchoice-")])
def test_the_published_settings_are_read(name, tmp_path):
    work, here = find_study(name).work, session(tmp_path)
    parts = getattr(work, "panels", {"": work})
    if name == "interchoice-table1":
        found = work.settings(here, Scale.PAPER)
        assert [extent.archs.count for extent, _ in found.values()] == [100] * 4
        kinds = [kinds["split"] for _, kinds in found.values()]
        assert [kind.supernet.recipe.batch_size for kind in kinds] == [256, 256, 256, 128]
        return
    if name.startswith("interchoice-fig6"):
        assert work.repetitions(here, Scale.PAPER) == (1201 if name.endswith("201") else 50)
        return
    for part in parts.values():
        extent, kinds = part.settings(here, Scale.PAPER)
        assert extent.seeds == 3
        chain = next(iter(kinds.values())).space.name == "chain"
        for condition, kind in kinds.items():
            epochs = int(condition.split()[0]) if "epochs" in condition else (600 if chain else 250)
            assert kind.supernet.recipe.epochs == epochs
            if condition.startswith("split at"):
                assert kind.supernet.split_epoch == int(condition.split()[-1])


def test_splits_come_at_the_published_share_of_a_short_training(tmp_path):
    work = find_study("interchoice-fig5").work
    kinds = work.settings(session(tmp_path), Scale.SMOKE)[1]
    assert {kind.supernet.recipe.epochs for kind in kinds.values()} == {3}
    assert kinds["split at 400"].supernet.split_epoch == 2


def test_an_adapted_supernet_is_compared_with_one_of_statistics_anew():
    names = ("600 epochs, weak", "300 epochs, weak", "900 epochs, weak", "150 epochs, strong", "600 epochs, strong")
    rows = {(name, "single"): [TRUTH] for name in names} | {(name, "reset"): [-TRUTH] for name in names}
    records = {name: [{"history": [{"accuracy": 0.5}]}] for name in names}
    found = find_study("interchoice-fig7").analyse(scored(rows, TRUTH, records=records))
    # Ten of thirty are left, the best or the worst: means of 24.5 and 4.5 around 14.5, and 29 is the best.
    assert found.claims["600 epochs, weak, adapted less reset"] == pytest.approx((20 / 14.5,))
    assert found.claims["600 epochs, weak less 300 epochs, weak"] == (0.0,)
    assert {one.values for one in found.findings if one.metric == "training accuracy (%)"} == {(50.0,)}


def test_truth_of_chains_is_compared_between_two_seeds():
    tops = {"chain-0": (0.1, 0.3), "chain-1": (0.2, 0.2), "chain-2": (0.3, 0.6), "chain-3": (0.4, 0.7)}
    records = {name: [{"top1": top, "train_top1": 1 - pair[0]} for top in pair] for name, pair in tops.items()}
    outcome = find_study("interchoice-fig6").analyse(TrainedNetworks(records=records, data={}))
    # Means are 20, 20, 45 and 55: five of six pairs agree, one is tied; the training's order is the reverse.
    assert np.mean(outcome.claims["one and the mean of two"]) == pytest.approx(5 / np.sqrt(30), abs=0.15)
    assert outcome.claims["training and test"] == pytest.approx((-1.0,) * 4)
    findings = {one.what: one.values[0] for one in outcome.findings}
    assert findings["one training and another"] == pytest.approx(4 / 6)
    assert findings["trainings of one architecture"] == pytest.approx(np.sqrt((200 + 0 + 450 + 450) / 4))
