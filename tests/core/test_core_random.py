"""Random streams: addressed draws, independent of what was drawn before, and no trace in the global generators."""

import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from trueshot.core.random import Streams


def test_a_draw_depends_on_its_address_alone():
    streams = Streams(7)
    expected = streams.numpy("batch", 731).integers(0, 2**62, 5)
    for step in range(20):
        streams.numpy("batch", step).random(3)
    np.testing.assert_array_equal(Streams(7).numpy("batch", 731).integers(0, 2**62, 5), expected)


def test_addresses_do_not_collide():
    streams = [Streams(0), Streams(1), Streams(0).child("a"), Streams(0).child("a", 1)]
    addresses = [("a",), ("b",), ("a", 0), ("a", 1), ("a", 0, 1), ("a", 1, 0), ("a", 10), ("a1",), ("a1", 0)]
    keys = {s.key(*address) for s in streams for address in addresses}
    assert len(keys) == len(streams) * len(addresses)
    assert all(0 <= key < 2**63 for key in keys)


def test_names_and_counters_are_not_confused():
    addresses = [("a", 1), ("a/1",), ("a/1/",), ("a/", 1), ("a, 1",), ("a'", 1), ("a", 1, 2), ("a/1", 2), ("a", 12)]
    assert len({Streams(0).key(*address) for address in addresses}) == len(addresses)
    assert Streams(1).key("1/a") != Streams(11).key("a")


def test_keys_do_not_depend_on_the_process():
    # The hash of a str does, unless PYTHONHASHSEED is fixed.
    code = "from trueshot.core.random import Streams; print(Streams(3).key('sgld', 5, 6))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(out.stdout) == Streams(3).key("sgld", 5, 6)


def test_numpy_integers_are_counters_like_any():
    assert Streams(0).key("x", int(np.int64(4))) == Streams(0).key("x", 4)


def test_torch_generator_is_reproducible_and_its_own():
    before = torch.get_rng_state()
    first = torch.randn(4, generator=Streams(1).torch("noise", 2))
    assert torch.equal(first, torch.randn(4, generator=Streams(1).torch("noise", 2)))
    assert not torch.equal(first, torch.randn(4, generator=Streams(1).torch("noise", 3)))
    assert torch.equal(before, torch.get_rng_state())


def _global_draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.random()), float(torch.rand(()))  # noqa: NPY002


def test_forked_seeds_and_restores_every_global_generator():
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    expected = _global_draws()
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    with Streams(5).forked("dropout", 1):
        first = _global_draws()
    # The key that is not found says that the draws were the same, and leaves the block by an error.
    with pytest.raises(KeyError, match="True"), Streams(5).forked("dropout", 1):
        {}[_global_draws() == first]
    assert _global_draws() == expected
