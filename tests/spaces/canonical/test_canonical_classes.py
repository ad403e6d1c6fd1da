import numpy as np
import pytest

from trueshot.core.errors import ConfigError
from trueshot.spaces import Chain, NasBench201
from trueshot.spaces.canonical import cells, every, unique


def test_every_architecture_is_listed_in_lexicographic_order():
    space = Chain(layers=((8, 2), (8, 1)), kernels=(3, 5), expansions=(2,), image_size=16, classes=3)
    assert every(space).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    with pytest.raises(ConfigError, match="too many to list"):
        every(Chain())


@pytest.mark.parametrize(("rule", "count"), [("functional", 5_044), ("nb201", 6_466), ("literal", 15_625)])
def test_canonical_is_the_least_row_of_its_class(rule, count):
    space = NasBench201()
    rows = every(space)
    codes = {
        "functional": cells.functional_codes,
        "nb201": cells.nb201_codes,
        "literal": lambda rows: rows.astype(np.int64) @ 5 ** np.arange(6),
    }[rule](rows).tolist()
    least = {}
    for row, code in zip(map(tuple, rows.tolist()), codes, strict=True):
        least[code] = min(least.get(code, row), row)
    canonical = space.canonical(rows, rule)
    assert canonical.tolist() == [list(least[code]) for code in codes]
    np.testing.assert_array_equal(space.canonical(canonical, rule), canonical)
    assert unique(space, rule) == count


def test_the_default_rule_comes_first():
    space = NasBench201()
    rows = space.sample(50, 0)
    assert space.rules == ("functional", "nb201", "literal")
    np.testing.assert_array_equal(space.canonical(rows), space.canonical(rows, "functional"))
    assert unique(space) == 5_044
    assert unique(Chain()) == Chain().architectures
    assert Chain().rules == ("literal",)
    with pytest.raises(ConfigError, match="functional, nb201, literal"):
        space.canonical(rows, "isomorphic")


def test_a_sub_space_has_the_classes_of_its_own_rows():
    full, part = NasBench201(), NasBench201(sub_space="no_none")
    rows = every(part)
    assert len(rows) == 4_096
    for rule in ("functional", "nb201"):
        in_full = full.canonical(part.operations(rows), rule)
        assert unique(part, rule) == len(np.unique(in_full, axis=0))
        canonical = part.canonical(rows, rule)
        np.testing.assert_array_equal(full.canonical(part.operations(canonical), rule), in_full)
    assert unique(NasBench201(sub_space="only_conv")) == 64
