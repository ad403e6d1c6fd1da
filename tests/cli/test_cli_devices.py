"""Whole commands on a GPU, where there is one; what does the same on the processor has tests of its own.

Name ``cpu`` in ``DEVICES`` to see that the tests themselves are sound.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from cli_runs import TINY_SETS, invoke, sets

from trueshot.spaces import NasBench201

DEVICES = ["cuda"]
pytestmark = pytest.mark.skipif("cuda" in DEVICES and not torch.cuda.is_available(), reason="no GPU here")
RANK = [
    "spaces={nasbench201: {channels: 4, cells: 1, affine: false}}",
    "data={max_images: 300}",
    "supernet.recipe={epochs: 1, batch_size: 64, lr: 0.1, momentum: 0.0}",
    "supernet.augmentation={}",
    "ranking={supernets: 1, curve: 0, proxy_architectures: 10, bootstrap: 0}",
    "save_every=0",
]


@pytest.mark.parametrize("device", DEVICES)
def test_a_search_exports_a_network_for_the_processor(device, tmp_path):
    out = tmp_path / "run"
    command = ["search", "--data", "digits", "--max-madds", "100k", "--device", device, "--out", out, "--json"]
    command += [*TINY_SETS, *sets("data.max_images=300")]
    code, stdout, stderr = invoke(*command)
    assert code == 0, stderr
    found = json.loads(stdout)
    assert (found["environment"]["gpu"] is None) == (device == "cpu")
    code, again, stderr = invoke(*command, "--resume")
    assert code == 0, stderr
    assert json.loads(again)["networks"] == found["networks"]
    for form in ("module", "onnx"):
        code, _, stderr = invoke("export", out, "--format", form)
        assert code == 0, stderr
    Image.fromarray(np.full((8, 8), 128, dtype=np.uint8)).save(tmp_path / "grey.png")
    code, stdout, stderr = invoke("classify", out, tmp_path / "grey.png", "--json")
    assert code == 0, stderr
    assert len(json.loads(stdout)["images"]) == 1


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("sharing", ["plain", "bias", "split"])
def test_a_ranking_scores_every_architecture(device, sharing, tmp_path):
    space = NasBench201(channels=4, cells=1, image_size=8, in_channels=1)
    rows = np.unique(space.sample(30, 0), axis=0)[:20]
    truth = tmp_path / "truth.csv"
    pd.DataFrame({"arch": [space.format(row) for row in rows], "acc": np.arange(20.0)}).to_csv(truth, index=False)
    code, stdout, stderr = invoke(
        *("rank", "--data", "digits", "--truth", truth, "--column", "acc", "--sharing", sharing, "--device", device),
        *("--out", tmp_path / "run", "--evaluator", "supernet", "--baseline", "naswot", "--json", *sets(*RANK)),
        *(sets("supernet.sharing.epoch=0") if sharing == "split" else []),
    )
    assert code == 0, stderr
    assert (json.loads(stdout)["environment"]["gpu"] is None) == (device == "cpu")
    scores = pd.read_parquet(tmp_path / "run" / "scores.parquet")
    assert np.isfinite(scores["supernet"]).sum() == 20
    assert np.isfinite(scores["naswot"]).sum() == 10
