import os
from pathlib import Path

import numpy as np
import pytest

from trueshot.core.errors import ConfigError, DataError
from trueshot.evaluation.protocol import Evaluator
from trueshot.evaluation.tabular import TabularEvaluator
from trueshot.evaluation.truth import Measurement, TruthTable
from trueshot.spaces import NasBench201

SPACE = NasBench201()
CONV = SPACE.parse("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|")
TWIN = SPACE.parse("|none~0|+|nor_conv_3x3~0|none~1|+|none~0|none~1|skip_connect~2|")
THIRD = SPACE.parse("|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|")
OTHER = SPACE.parse("|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
TABLE = TruthTable.of(
    [
        Measurement(SPACE.format(CONV), "m", 1, 0, 60.0),
        Measurement(SPACE.format(TWIN), "m", 1, 0, 64.0),
        Measurement(SPACE.format(OTHER), "m", 1, 0, 50.0),
        Measurement(SPACE.format(OTHER), "other", 1, 0, 10.0),
    ]
)


def test_values_are_looked_up_by_row():
    evaluator = TabularEvaluator(TABLE, SPACE, "m_1")
    assert isinstance(evaluator, Evaluator)
    scores = evaluator(np.stack([OTHER, CONV, TWIN, CONV]))
    assert scores.dtype == np.float64
    assert scores.tolist() == [50.0, 60.0, 64.0, 60.0]
    assert len(evaluator(np.zeros((0, 6), dtype=np.uint8))) == 0


def test_twins_share_the_mean_of_what_was_measured():
    evaluator = TabularEvaluator(TABLE, SPACE, "m_1", rule="functional")
    assert evaluator(np.stack([THIRD, TWIN, CONV, OTHER])).tolist() == [62.0, 62.0, 62.0, 50.0]


def test_the_digest_names_column_rule_and_values():
    def digest(table=TABLE, column="m_1", rule="literal"):
        return TabularEvaluator(table, SPACE, column, rule=rule).digest

    other = TruthTable.of([*TABLE.measurements()[:-2], Measurement(SPACE.format(OTHER), "m", 1, 0, 50.5)])
    shuffled = TruthTable.of(TABLE.measurements()[::-1])
    assert digest(shuffled) == digest()
    assert len({digest(), digest(other), digest(column="other_1"), digest(rule="functional")}) == 4


def test_what_was_not_measured_is_named():
    evaluator = TabularEvaluator(TABLE, SPACE, "m_1")
    with pytest.raises(DataError, match="m_1 for 1 of 2 architectures, the first '\\|none~0"):
        evaluator(np.stack([CONV, THIRD]))
    with pytest.raises(DataError, match="no column 'm_2'"):
        TabularEvaluator(TABLE, SPACE, "m_2")
    with pytest.raises(ConfigError, match="no canonical rule"):
        TabularEvaluator(TABLE, SPACE, "m_1", rule="exact")
    with pytest.raises(DataError, match="no architecture of nasbench201"):
        TabularEvaluator(TABLE, NasBench201(sub_space="only_conv"), "m_1")


@pytest.mark.skipif("TRUESHOT_DATA" not in os.environ, reason="needs nasbench201.parquet under $TRUESHOT_DATA")
def test_the_whole_benchmark():
    table = TruthTable.read(Path(os.environ["TRUESHOT_DATA"]) / "nasbench201.parquet")
    rows = SPACE.sample(300, 0)
    scores = TabularEvaluator(table, SPACE, "cifar100_test_200")(rows)
    np.testing.assert_array_equal(scores, table.column("cifar100_test_200")[SPACE.index(rows)])
