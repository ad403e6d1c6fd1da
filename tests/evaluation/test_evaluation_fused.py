"""Scores added up by the logarithms of their ranks, against ranks counted one by one."""

import numpy as np
import pytest

from trueshot.cli.names import find
from trueshot.core.errors import ConfigError
from trueshot.evaluation import Evaluator, Fused
from trueshot.evaluation.fused import fuse, log_ranks
from trueshot.evaluation.fusion_config import FusedConfig, FusionConfig, parts_of, supernet_parts
from trueshot.spaces import Chain, NasBench201

SPACE, CHAIN = NasBench201(), Chain()


def test_ranks_among_a_reference():
    known = np.array([5.0, 2.0, 1.0, 2.0])
    found = log_ranks(np.array([2.0, 9.0, -np.inf, np.nan]), known)
    assert found == pytest.approx([np.log(0.6), 0.0, np.log(0.2), np.log(0.2)])
    # A reference that is broken in places counts these as last.
    assert log_ranks(np.array([0.0]), np.array([np.nan, -np.inf, 1.0])) == pytest.approx([np.log(0.75)])


def test_whole_sets_give_the_sum_of_the_log_ranks_of_az_nas():
    first, second = np.array([3.0, 2.0, 1.0]), np.array([1.0, 2.0, 3.0])
    expected = [np.log(3 / 3 * 1 / 3), np.log(2 / 3 * 2 / 3), np.log(1 / 3 * 3 / 3)]
    assert expected == pytest.approx([-1.09861, -0.81093, -1.09861], abs=1e-5)
    # With ranks from 1.5 to n + 0.5 of n + 1 the middle wins too.
    found = fuse({"a": first, "b": second}, {"a": first, "b": second})
    assert found == pytest.approx([np.log(3.5 * 1.5 / 16), np.log(2.5 * 2.5 / 16), np.log(3.5 * 1.5 / 16)])


class Table:
    """Scores by the first decision."""

    def __init__(self, values):
        self.values, self.digest, self.asked = np.array(values, dtype=float), str(values), 0

    def __call__(self, archs):
        self.asked += len(archs)
        return self.values[archs[:, 0]]


def test_a_score_is_a_function_of_the_row_alone():
    reference = SPACE.sample(30, 0)
    up, odd = Table([0, 1, 2, 3, 4]), Table([0, 1, 0, 1, 0])
    evaluator = Fused({"up": up, "odd": odd}, reference)
    assert isinstance(evaluator, Evaluator)
    archs = SPACE.sample(12, 1)
    scores = evaluator(archs)
    assert np.array_equal(evaluator(archs[::-1]), scores[::-1])
    assert np.array_equal(evaluator(archs[3:4]), scores[3:4])
    assert up.asked == 12 + 12 + 1 + 30
    by_hand = [
        sum(
            np.log((1 + (known < value).sum() + 0.5 * (known == value).sum()) / 31)
            for known, value in ((part(reference), part(row[None])[0]) for part in (up, odd))
        )
        for row in archs
    ]
    assert scores == pytest.approx(by_hand)
    assert Fused({"odd": odd, "up": up}, reference).digest == evaluator.digest
    others = (Fused({"up": up}, reference), Fused({"up": up, "odd": odd}, reference[:20]))
    assert len({evaluator.digest, *(other.digest for other in others)}) == 3


def test_a_constant_part_is_refused_by_name():
    flat = Fused({"up": Table(range(5)), "flat": Table([7] * 5)}, SPACE.sample(30, 0))
    with pytest.raises(ConfigError, match="part flat gives all 30 architectures of the reference one score"):
        flat(SPACE.sample(2, 1))


def parts(name, space=SPACE, **fusion):
    part = find("evaluator", name).part(name, {})
    return [inner.kind for inner in parts_of(part, FusionConfig.make(fusion, find), space)]


def test_names_of_what_is_fused():
    assert parts("fused") == ["supernet+twins", "params-live", "swap", "az-expressivity"]
    assert parts("fused", CHAIN) == ["supernet", "params-live", "swap", "az-expressivity"]
    assert parts("fused-zero-cost") == ["params-live", "swap", "az-expressivity"]
    four = ["az-expressivity", "az-progressivity", "az-trainability", "az-complexity"]
    assert parts("az") == four
    assert parts("fused", parts=["az", "supernet:loss", "az-expressivity"]) == [*four, "supernet:loss"]
    assert parts("swap") == ["swap"]
    assert parts("supernet+twins") == ["supernet+twins"]
    both = find("evaluator", "fused").part("fused", {"parts": ["supernet:median", "naswot"]}, {"names": find})
    assert [inner.kind for inner in supernet_parts(both, FusionConfig(), SPACE)] == ["supernet:median"]
    assert not find("evaluator", "az").part("az", {}).says("needs_supernet")
    assert both.says("needs_supernet")


def test_parts_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="no part that uses a supernet: add supernet, or take fused-zero-cost"):
        parts("fused", parts=["swap"])
    with pytest.raises(ConfigError, match="no part that goes without a supernet"):
        parts("fused-zero-cost", parts=["supernet"])
    with pytest.raises(ConfigError, match="fused is made of parts itself"):
        FusionConfig.make({"parts": ["fused"]}, find)
    with pytest.raises(ConfigError, match=r"unknown evaluator 'swop': did you mean swap\?"):
        FusionConfig.make({"parts": ["swop"]}, find)
    with pytest.raises(ConfigError, match="space chain has no isomorphic twins"):
        parts("fused", CHAIN, parts=["supernet+twins"])
    assert FusedConfig().needs_supernet
