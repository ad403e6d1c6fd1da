import numpy as np
import pytest

from trueshot.core.errors import CriteriaError
from trueshot.criteria.top import best_rank_at_k, precision_at_k, top_count, worst_rank_at_k

TRUE = np.random.default_rng(0).permutation(200).astype(float)


def test_top_count():
    assert top_count(0.05, 15_625) == 781
    assert top_count(0.01, 15_625) == 156
    assert top_count(0.29, 100) == 29
    assert top_count(1.0, 7) == 7
    assert top_count(1, 7) == 1
    assert top_count(7, 7) == 7


@pytest.mark.parametrize(
    ("k", "message"),
    [(0.01, "K = 0.01 is too small for 50"), (0.0, "no fraction"), (1.5, "no fraction"), (0, "not between"),
     (51, "not between 1 and the 50"), (-1, "not between"), (float("nan"), "no fraction")],
)  # fmt: skip
def test_k_out_of_range(k, message):
    for criterion in (precision_at_k, best_rank_at_k, worst_rank_at_k):
        with pytest.raises(CriteriaError, match=message):
            criterion(predicted=np.arange(50.0), true=np.arange(50.0), k=k)


@pytest.mark.parametrize("k", [0.05, 0.5, 1, 10, 1.0])
def test_perfect(k):
    count = top_count(k, 200)
    assert precision_at_k(predicted=TRUE, true=TRUE, k=k) == 1
    assert best_rank_at_k(predicted=TRUE, true=TRUE, k=k) == 1 / 200
    assert worst_rank_at_k(predicted=TRUE, true=TRUE, k=k) == count / 200


def test_reversed():
    count = top_count(0.05, 200)
    assert precision_at_k(predicted=-TRUE, true=TRUE, k=0.05) == 0
    assert best_rank_at_k(predicted=-TRUE, true=TRUE, k=0.05) == (200 - count + 1) / 200
    assert worst_rank_at_k(predicted=-TRUE, true=TRUE, k=0.05) == 1


def test_expectation_of_random_scores():
    generator = np.random.default_rng(5)
    m, k, count = 100, 0.07, 7
    precision, best = [], []
    for _ in range(4000):
        predicted = generator.random(m)
        precision.append(precision_at_k(predicted=predicted, true=TRUE[:m], k=k))
        best.append(best_rank_at_k(predicted=predicted, true=TRUE[:m], k=k))
    for values, expected in ((precision, k), (best, (m + 1) / ((count + 1) * m))):
        assert np.mean(values) == pytest.approx(expected, abs=4 * np.std(values) / np.sqrt(len(values)))


def test_denominators_of_the_printed_table():
    # 0.006 % = 1/15,625, 0.013 % = 2/15,625 and 0.015 % = 1/6,466 in Table 3 of the Surgery paper.
    for size, first, printed in ((15_625, 0, 0.006), (15_625, 1, 0.013), (6_466, 0, 0.015)):
        true = np.arange(size, 0.0, -1.0)
        predicted = np.zeros(size)
        predicted[first] = 1
        value = best_rank_at_k(predicted=predicted, true=true, k=1)
        assert value == (first + 1) / size
        assert 100 * value == pytest.approx(printed, abs=5.1e-4)


def test_predicted_comes_first():
    predicted = np.array([4.0, 3.0, 2.0, 1.0])
    true = np.array([2.0, 1.0, 4.0, 3.0])
    assert best_rank_at_k(predicted=predicted, true=true, k=1, relative=False) == 3
    true = np.array([3.0, 4.0, 1.0, 2.0])
    predicted = np.array([2.0, 1.0, 4.0, 3.0])
    assert best_rank_at_k(predicted=predicted, true=true, k=1, relative=False) == 4
    assert best_rank_at_k(predicted=true, true=np.array([1.0, 4.0, 3.0, 2.0]), k=2, relative=False) == 1


def test_against_sets_and_sorting():
    generator = np.random.default_rng(7)
    predicted = TRUE + generator.normal(scale=60, size=200)
    by_truth, by_score = (sorted(range(200), key=lambda i, c=column: -c[i]) for column in (TRUE, predicted))
    for k in (1, 2, 10, 57, 200):
        overlap = len(set(by_truth[:k]) & set(by_score[:k]))
        true_ranks = [by_truth.index(i) + 1 for i in by_score[:k]]
        assert precision_at_k(predicted=predicted, true=TRUE, k=k) == overlap / k
        assert precision_at_k(predicted=TRUE, true=predicted, k=k) == overlap / k
        assert best_rank_at_k(predicted=predicted, true=TRUE, k=k, relative=False) == min(true_ranks)
        assert worst_rank_at_k(predicted=predicted, true=TRUE, k=k, relative=False) == max(true_ranks)


def test_ties_by_position_or_at_random():
    true, tied = np.arange(10.0), np.zeros(10)
    assert precision_at_k(predicted=tied, true=true, k=2) == 0
    assert precision_at_k(predicted=tied, true=true[::-1].copy(), k=2) == 1
    generator = np.random.default_rng(0)
    drawn = [precision_at_k(predicted=tied, true=true, k=2, ties=generator) for _ in range(2000)]
    assert np.mean(drawn) == pytest.approx(0.2, abs=0.03)
    best = [best_rank_at_k(predicted=tied, true=true, k=2, ties=generator) for _ in range(2000)]
    assert np.mean(best) == pytest.approx(11 / 30, abs=0.03)
    worst = [worst_rank_at_k(predicted=tied, true=true, k=2, ties=generator) for _ in range(2000)]
    assert np.mean(worst) == pytest.approx(22 / 30, abs=0.03)
