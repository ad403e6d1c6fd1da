"""The analyses of single studies, by hand."""

import numpy as np
import pytest
from made_up_scores import scored

from trueshot.cli.names import find_study
from trueshot.studies.stnas_fig5 import ranks
from trueshot.studies.stnas_sampling import slope
from trueshot.studies.surgery_table2 import spreads


def claims(name, material):
    return find_study(name).analyse(material).claims


def test_slope_of_the_gain_is_in_points_an_e_fold():
    assert slope(np.array([1.0, 3.0, 8.0]), np.exp([0.0, 1.0, 2.0])) == pytest.approx(3.5)
    # Accuracies in fractions; MAdds grow by e from one to the next, so the gains of 6, 4, 2 points fall by 2.
    uniform, matched = [[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]], [[0.16, 0.24, 0.32], [0.1, 0.2, 0.3]]
    found = claims(
        "stnas-sampling", scored({("uniform", "single"): uniform, ("matched", "single"): matched}, [1, 2, 3])
    )
    assert found["slope of the gain"] == pytest.approx((-2.0, 0.0))


def test_ranks_of_an_epoch_and_how_far_they_move():
    first, second = [0.9, 0.5, 0.7], [0.5, 0.9, 0.7]
    np.testing.assert_array_equal(ranks(np.array([first, second])), [[1, 3, 2], [3, 1, 2]])
    found = scored({("supernet", "last@1"): [first], ("supernet", "last@2"): [second]}, [1, 2, 3])
    assert claims("stnas-fig5", found)["ranks moved"] == pytest.approx((4 / 3,))


def test_two_runs_differ_by_their_taus():
    up, down = [1.0, 2.0, 3.0], [3.0, 2.0, 1.0]
    found = scored({("supernet", "last@2"): [up, down, up, up]}, [1, 2, 3])
    assert claims("stnas-fig4", found)["two runs"] == pytest.approx((2.0, 0.0))


def test_single_checkpoint_is_compared_on_the_architectures_that_the_other_way_scored():
    worst, best = [4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0]
    half = {("supernet", "last@1"): [[2.0, 1.0, 3.0, 4.0]], ("supernet", "Fine-tune"): [[1.0, 2.0]]}
    whole = {("supernet", "SGLD-param"): [best], ("supernet", "SGLD-acc"): [worst]}
    found = claims("stnas-table5", scored(half | whole, [1, 2, 3, 4]))
    # On the first two the single checkpoint is wrong (-1); on all four it has five pairs of six (4/6).
    assert found["Fine-tune less single"] == pytest.approx((2.0,))
    assert found["SGLD-param less single"] == pytest.approx((1 - 4 / 6,))
    assert found["SGLD-acc less single"] == pytest.approx((-1 - 4 / 6,))


def test_spread_inside_groups_by_hand():
    # Two groups of two: accuracies 1 apart and equal, so 0.5 and 0; ranks 1 and 2, 3 and 4 of four, 0.5 each.
    accuracy, rank = spreads(np.array([[4.0, 3.0, 1.0, 1.0]]), np.array([0, 0, 1, 1]))
    assert accuracy == pytest.approx((0.25,))
    assert rank == pytest.approx((0.5 * 15_625 / 4,))


def test_groups_are_ranked_by_the_mean_of_their_members():
    curve = {("no de-isomorphism", "curve@1"): [[1, 6, 2, 3, 4, 5]], ("de-isomorphic", "curve@1"): [[1, 1, 2, 2, 3, 3]]}
    material = scored(curve, [1, 1, 2, 2, 3, 3], labels=[0, 0, 1, 1, 2, 2])
    # Means of the groups are 3.5, 2.5, 4.5: one pair of three is wrong, tau 1/3. Of the twelve pairs of all rows with
    # unequal truth four are wrong: (12 - 2 * 4) / sqrt(12 * 15).
    found = claims("surgery-table3", material)["post de-isomorphism less no de-isomorphism, Kendall tau"]
    assert found == pytest.approx((1 / 3 - 4 / np.sqrt(12 * 15),))


def test_smallest_supernet_is_compared_with_the_largest():
    up, down = [1.0, 2.0, 3.0], [3.0, 2.0, 1.0]
    scores = {("4 channels", "single"): [down], ("8 channels", "single"): [up], ("16 channels", "single"): [up]}
    outcome = find_study("surgery-fig3b").analyse(scored(scores, [1, 2, 3]))
    assert outcome.claims == {"4 channels less 16 channels": pytest.approx((-2.0,))}
    (picture,) = outcome.pictures
    assert (picture.x, picture.lines[0].x) == ("channels", (4.0, 8.0, 16.0))
    assert picture.lines[0].y == pytest.approx((-1.0, 1.0, 1.0))


def test_bias_is_compared_with_the_baseline_of_the_same_sampling():
    truth = np.arange(12.0)
    names = ("uniform, baseline", "uniform, bias D=2", "fair, baseline", "fair, bias D=2")
    scores = dict(zip([(name, "single") for name in names], [[-truth], [truth], [truth], [truth]], strict=True))
    found = claims("interchoice-fig4", scored(scores, truth))
    assert found["uniform, Kendall tau"] == pytest.approx((2.0,))
    # Ten of twelve are left: the best ten have a mean of 6.5, the worst of 4.5, all of 5.5 and the best is 11.
    assert found["uniform, improvement, 10 left"] == pytest.approx((2 / 5.5,))
    assert found["fair, improvement, 10 left"] == (0.0,)


def test_a_small_supernet_is_worth_what_it_picks():
    truth = [float(value) for value in range(12)]
    best, worst = truth, [-value for value in truth]
    sizes = ("5 layers", "8 layers", "11 layers", "4 channels", "8 channels", "16 channels")
    rows = {(name, "single"): [worst if name == "5 layers" else best] for name in sizes}
    outcome = find_study("surgery-section44").analyse(scored(rows, truth))
    # The mean of the best five is 9, of the worst five 2.
    assert outcome.claims == {"5 layers less 11 layers": (-7.0,), "4 channels less 16 channels": (0.0,)}
    picked = {(one.what, one.metric): one.values for one in outcome.findings}
    assert picked["5 layers", "best by score: accuracy (%)"] == (0.0,)
    assert picked["most madds", "best by score: accuracy (%)"] == (11.0,)
