"""How reliable a table is, on tables whose answer is known."""

import os
from pathlib import Path

import numpy as np
import pytest

from trueshot.core.errors import DataError
from trueshot.evaluation.truth import MEAN, Measurement, TruthTable
from trueshot.spaces import Chain, NasBench201
from trueshot.strategies.rankings.reliability import describe_column


def table(*rows):
    return TruthTable.of([Measurement(arch, "m", 1, seed, value) for arch, seed, value in rows])


def test_figures_of_a_column():
    told = describe_column(table(("a", 0, 1.0), ("a", 1, 3.0), ("b", 0, 4.0), ("c", 0, 6.0)), "m_1")
    assert (told.n, told.mean, told.min, told.max, told.best) == (3, 4.0, 2.0, 6.0, "c")
    assert told.std == pytest.approx(np.std([2, 4, 6]))
    assert told.seeds == (0, 1)
    assert (told.twins, told.params_tau, told.madds_tau) == (None, None, None)
    # Only one architecture has two seeds: its deviation is known, an order is not.
    assert (told.between_seeds.kendall_tau, told.between_seeds.pairs) == (None, 0)
    assert (told.between_seeds.architectures, told.between_seeds.std) == (1, pytest.approx(np.sqrt(2)))


def test_seed_against_seed():
    values = {"a": (1, 2, 9), "b": (2, 1, 8), "c": (3, 3, 7), "d": (4, 4, None)}
    rows = [(arch, seed, float(v)) for arch, of in values.items() for seed, v in enumerate(of) if v is not None]
    told = describe_column(table(*rows), "m_1").between_seeds
    # Seeds 0 and 1: five of six pairs agree. 0 and 2: none of three; 1 and 2: one of three.
    assert told.kendall_tau == pytest.approx(np.mean([4 / 6, -1, -1 / 3]))
    assert (told.pairs, told.architectures) == (3, 4)
    expected = np.mean([np.std([v for v in of if v is not None], ddof=1) for of in values.values()])
    assert told.std == pytest.approx(expected)


def test_means_and_single_seeds_say_nothing_of_it():
    assert describe_column(table(("a", MEAN, 1.0), ("b", MEAN, 2.0)), "m_1").between_seeds is None
    assert describe_column(table(("a", 0, 1.0), ("b", 0, 2.0)), "m_1").between_seeds is None
    assert describe_column(table(("a", 0, 1.0), ("b", 1, 2.0)), "m_1").between_seeds is None
    constant = describe_column(table(("a", 0, 1.0), ("b", 0, 1.0), ("a", 1, 1.0), ("b", 1, 2.0)), "m_1")
    assert constant.between_seeds.kendall_tau is None


def test_twins_and_costs():
    space = NasBench201()
    # On its own a skip into the output is the cell's input, and so is a skip over a skip: three spellings of it.
    skip, none, conv = "skip_connect", "none", "nor_conv_3x3"

    def cell(*ops):
        a, b, c, d, e, f = ops
        return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"

    one, two = cell(none, none, none, skip, none, none), cell(skip, none, none, none, skip, none)
    other, dear = cell(none, none, none, conv, none, none), cell(conv, none, none, none, conv, none)
    told = describe_column(table((one, 0, 10.0), (two, 0, 14.0), (other, 0, 20.0), (dear, 0, 30.0)), "m_1", space)
    assert (told.twins.rule, told.twins.groups, told.twins.architectures) == ("functional", 1, 2)
    assert told.twins.std == pytest.approx(np.std([10, 14], ddof=1))
    # Costs 0, 0, 1 and 2 convolutions: one tied pair, all others in order.
    assert told.params_tau == told.madds_tau == pytest.approx(5 / np.sqrt(5 * 6))
    assert describe_column(table((one, 0, 1.0), (other, 0, 2.0)), "m_1", space).twins is None
    chain = Chain(layers=((8, 2),), kernels=(3, 5), expansions=(2,), image_size=16, classes=3)
    plain = describe_column(table(("E2K3", 0, 1.0), ("E2K5", 0, 2.0)), "m_1", chain)
    assert (plain.twins, plain.params_tau) == (None, 1.0)


def test_unknown_names():
    with pytest.raises(DataError, match="no column 'x'"):
        describe_column(table(("a", 0, 1.0)), "x")
    with pytest.raises(DataError, match="entry 1, 'a', is no architecture of nasbench201"):
        describe_column(table(("a", 0, 1.0)), "m_1", NasBench201())


@pytest.mark.skipif("TRUESHOT_DATA" not in os.environ, reason="needs nasbench201.parquet under $TRUESHOT_DATA")
def test_the_truth_of_nasbench201():
    truth = TruthTable.read(Path(os.environ["TRUESHOT_DATA"]) / "nasbench201.parquet")
    told = describe_column(truth, "cifar10_test_200", NasBench201())
    assert (told.n, told.seeds, told.between_seeds) == (15_625, (), None)
    assert (round(told.mean, 4), round(told.std, 4), round(told.max, 4)) == (87.0629, 12.9348, 94.3733)
    # Parameter count: 0.578. Twins deviate by about 0.15 points above 90 % and more below.
    assert round(told.params_tau, 3) == 0.578
    assert 0.15 < told.twins.std < 0.17
    assert told.twins.architectures - told.twins.groups == 15_625 - 5_044
