"""Whole commands on a GPU, where there is one; what does the same on the processor has tests of its own.

Name ``cpu`` in ``DEVICES`` to see that the checks themselves are sound.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from device_checks import check_ranking, check_search

DEVICES = ["cuda"]
pytestmark = pytest.mark.skipif("cuda" in DEVICES and not torch.cuda.is_available(), reason="no GPU here")


@pytest.mark.parametrize("device", DEVICES)
def test_a_search_exports_a_network_for_the_processor(device, tmp_path):
    check_search(device, tmp_path)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("sharing", ["plain", "bias", "split"])
def test_a_ranking_scores_every_architecture(device, sharing, tmp_path):
    check_ranking(device, sharing, tmp_path)
