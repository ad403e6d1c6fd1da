"""What whole commands must do on any device; needs no pytest, so that a bare machine can run it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from cli_runs import TINY_SETS, invoke, sets
from PIL import Image

from trueshot.cli.deliver import absent_exporters
from trueshot.spaces import NasBench201

RANK = [
    "spaces={nasbench201: {channels: 4, cells: 1, affine: false}}",
    "data={max_images: 300}",
    "supernet.recipe={epochs: 1, batch_size: 64, lr: 0.1, momentum: 0.0}",
    "supernet.augmentation={}",
    "ranking={supernets: 1, curve: 0, proxy_architectures: 10, bootstrap: 0}",
    "save_every=0",
]


def check_search(device: str, folder: Path) -> None:
    """Search, repeat the command, export and classify; on whatever device, networks serve the processor."""
    out = folder / "run"
    command = ["search", "--data", "digits", "--max-madds", "100k", "--device", device, "--out", out, "--json"]
    command += [*TINY_SETS, *sets("data.max_images=300")]
    code, stdout, stderr = invoke(*command)
    assert code == 0, stderr
    found = json.loads(stdout)
    assert (found["environment"]["gpu"] is None) == (device == "cpu")
    code, again, stderr = invoke(*command, "--resume")
    assert code == 0, stderr
    assert json.loads(again)["networks"] == found["networks"]
    for form in ("module",) if absent_exporters() else ("module", "onnx"):
        code, _, stderr = invoke("export", out, "--format", form)
        assert code == 0, stderr
    Image.fromarray(np.full((8, 8), 128, dtype=np.uint8)).save(folder / "grey.png")
    code, stdout, stderr = invoke("classify", out, folder / "grey.png", "--json")
    assert code == 0, stderr
    assert len(json.loads(stdout)["images"]) == 1


def check_ranking(device: str, sharing: str, folder: Path) -> None:
    """Rank twenty architectures by a supernet and by a proxy, all scores finite."""
    space = NasBench201(channels=4, cells=1, image_size=8, in_channels=1)
    rows = np.unique(space.sample(30, 0), axis=0)[:20]
    truth = folder / "truth.csv"
    pd.DataFrame({"arch": [space.format(row) for row in rows], "acc": np.arange(20.0)}).to_csv(truth, index=False)
    code, stdout, stderr = invoke(
        *("rank", "--data", "digits", "--truth", truth, "--column", "acc", "--sharing", sharing, "--device", device),
        *("--out", folder / "run", "--evaluator", "supernet", "--baseline", "naswot", "--json", *sets(*RANK)),
        *(sets("supernet.sharing.epoch=0") if sharing == "split" else []),
    )
    assert code == 0, stderr
    assert (json.loads(stdout)["environment"]["gpu"] is None) == (device == "cpu")
    scores = pd.read_parquet(folder / "run" / "scores.parquet")
    assert np.isfinite(scores["supernet"]).sum() == 20
    assert np.isfinite(scores["naswot"]).sum() == 10
