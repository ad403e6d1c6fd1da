"""Supernets that are trained on the architectures of a file only."""

import json

import numpy as np
import pandas as pd
import pytest
from strategy_parts import SPACE, make_config, make_search, shared_weights

from trueshot.cli.names import find
from trueshot.core.errors import CheckpointError, ConfigError, DataError
from trueshot.sampling import FixedPool, LiveConvolution, describe_sampler
from trueshot.sampling.config import PoolConfig
from trueshot.strategies.config import SearchConfig

ROWS = np.unique(SPACE.sample(20, 0), axis=0)[:5]


def written(path, rows=ROWS):
    table = pd.DataFrame({"arch": [SPACE.format(row) for row in rows]})
    table.to_csv(path, index=False) if path.suffix == ".csv" else table.to_parquet(path, index=False)
    return str(path)


class OfSpace:
    """The part of a context that a pool needs."""

    space = SPACE


def made(**values):
    return PoolConfig(**values).build(OfSpace)


@pytest.mark.parametrize("name", ["pool.csv", "pool.parquet"])
def test_a_pool_is_drawn_from(name, tmp_path):
    # An architecture that is there twice counts twice.
    sampler = made(pool=written(tmp_path / name, ROWS[[0, 1, 1]]), per_step=3)
    assert isinstance(sampler, FixedPool)
    assert sampler.per_step == 3
    assert np.array_equal(sampler.archs, ROWS[[0, 1, 1]])
    assert describe_sampler(sampler) == "uniform from a pool of 3"
    drawn = sampler.sample(50, np.random.default_rng(0))
    assert {row.tobytes() for row in drawn} == {row.tobytes() for row in ROWS[:2]}
    live = made(pool=written(tmp_path / name), require_live_conv=True)
    assert isinstance(live, LiveConvolution)
    assert describe_sampler(live) == "uniform from a pool of 5, with a live convolution"


def test_a_pool_needs_its_file_and_no_other_kind_takes_one(tmp_path):
    with pytest.raises(ConfigError, match=r"supernet\.sampler\.pool: is missing: give a value"):
        make_config(supernet={"sampler": {"kind": "pool"}})
    with pytest.raises(ConfigError, match=r"supernet\.sampler\.pool: there is no such value"):
        make_config(supernet={"sampler": {"kind": "uniform", "pool": written(tmp_path / "pool.csv")}})
    with pytest.raises(ConfigError, match=r"supernet\.sampler\.pool: .* is no text: put it in quotes"):
        make_config(supernet={"sampler": {"kind": "pool", "pool": 5}})


def test_a_bad_file_is_one_line(tmp_path):
    cases = {"arch\n": "has no architectures", "other\n1\n": "has no column 'arch': it has other", "": "cannot read"}
    for content, words in cases.items():
        (tmp_path / "pool.csv").write_text(content)
        with pytest.raises(DataError, match=words) as caught:
            made(pool=str(tmp_path / "pool.csv"))
        assert "\n" not in str(caught.value)
        assert "pool.csv" in str(caught.value)
    with pytest.raises(DataError, match="there is no file"):
        made(pool=str(tmp_path / "absent.csv"))
    good = SPACE.format(ROWS[0])
    pd.DataFrame({"arch": [good, "E9", None]}).to_csv(tmp_path / "pool.csv", index=False)
    with pytest.raises(DataError, match=r"pool.csv, row 2, 'E9', is no architecture of topology") as caught:
        made(pool=str(tmp_path / "pool.csv"))
    assert "\n" not in str(caught.value)


def test_a_configuration_is_read_again_without_the_file(tmp_path):
    file = tmp_path / "pool.csv"
    config = make_config(supernet={"sampler": {"kind": "pool", "pool": written(file)}})
    file.unlink()
    assert SearchConfig.flat(json.loads(json.dumps(config.flattened())), find) == config


def test_a_changed_pool_does_not_go_on_with_an_old_supernet(tmp_path):
    file = tmp_path / "pool.csv"

    def weights():
        search = make_search(tmp_path / "run", supernet={"sampler": {"kind": "pool", "pool": str(file)}})
        return shared_weights(search)

    def train(weights):
        return weights.train(weights.make(), weights.batches())

    written(file)
    first = weights()
    train(first)
    train(weights())
    written(file, ROWS[:3])
    with pytest.raises(ConfigError, match="holds other architectures than when the run began"):
        first.sampler()
    with pytest.raises(CheckpointError, match=r"supernet\.ckpt belongs to another configuration"):
        train(weights())
