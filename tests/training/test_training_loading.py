"""``trueshot.load``: a network, its preprocessing and its classes from a folder, and no code of others."""

import json
import subprocess
import sys

import numpy as np
import pytest
import timm
import torch
from data_files import encoded, pixels
from PIL import Image

import trueshot
from trueshot.core.errors import ConfigError, DataError, RunError
from trueshot.spaces import Topology
from trueshot.spaces.storage import load_network, model_of, save_network
from trueshot.spaces.timm_model import TimmModel
from trueshot.training.data.preprocessing import Preprocessing

SPACE = Topology(image_size=16, classes=2, nodes=(1, 1), widths=(4, 8), stem_stride=1, head_width=16)
TIMM = TimmModel(model="mobilenetv3_small_050", image_size=32, classes=2)
LIKE = {"mean": (0.1, 0.2, 0.3), "std": (0.5, 0.25, 0.125), "channels": 3}


def save(folder, space=SPACE, *, name="best-1", interpolation="bilinear", score=0.0):
    torch.manual_seed(0)
    row = np.zeros(len(space.decisions), dtype=np.uint8)
    network = space.network(row).eval()
    preprocessing = Preprocessing(image_size=space.image_size, crop=0.75, interpolation=interpolation, **LIKE)
    content = {"preprocessing": preprocessing.to_dict(), "extra": {"score": score}}
    save_network(folder, network, space=space, arch=space.format(row), name=name, classes=("cat", "dog"), **content)
    return network, preprocessing


def test_importing_the_package_imports_no_torch():
    code = "import sys, trueshot; assert 'torch' not in sys.modules; assert callable(trueshot.load)"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="has no attribute nothing"):
        _ = trueshot.nothing


@pytest.mark.parametrize(("space", "model"), [(SPACE, "topology"), (TIMM, "mobilenetv3_small_050")])
def test_a_network_of_any_kind_is_loaded_with_what_it_needs(tmp_path, space, model):
    saved, preprocessing = save(tmp_path, space)
    network, found, classes = trueshot.load(str(tmp_path))
    assert (found, classes) == (preprocessing, ("cat", "dog"))
    assert not network.training
    images = torch.rand(2, 3, space.image_size, space.image_size)
    with torch.no_grad():
        assert torch.equal(network(images), saved(images))
    # Timm's own name of the model is in the file.
    assert model_of(json.loads((tmp_path / "architecture.json").read_text())) == model
    assert space is SPACE or timm.is_model(model)


def test_of_a_run_the_recommended_network_is_loaded_or_the_named_one(tmp_path):
    for place, name in (("winners/best-1", "best-1"), ("winners/recommended", "recommended"), ("baselines/r", "r")):
        save(tmp_path / place, name=name, interpolation={"r": "nearest"}.get(name, "bilinear"))
    assert load_network(tmp_path / "winners" / "recommended").meta["name"] == "recommended"
    assert trueshot.load(tmp_path).preprocessing.interpolation == "bilinear"
    assert trueshot.load(tmp_path, network="r").preprocessing.interpolation == "nearest"
    with pytest.raises(RunError, match="has no network 'x': choose one of best-1, r, recommended"):
        trueshot.load(tmp_path, network="x")
    with pytest.raises(RunError, match="has no winners: give the run directory of a finished search"):
        trueshot.load(tmp_path / "none")


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest", "bicubic"])
def test_preprocessing_takes_a_file_bytes_or_an_image(tmp_path, interpolation):
    preprocessing = Preprocessing(image_size=16, crop=0.75, interpolation=interpolation, **LIKE)
    file, image = tmp_path / "a.png", Image.fromarray(pixels(1, (40, 30)))
    file.write_bytes(encoded(1, (40, 30)))
    # By hand: the shorter side to 16 / 0.75, floored, then the central square.
    resized = image.resize((28, 21), getattr(Image.Resampling, interpolation.upper()))
    square = np.asarray(resized)[2:18, 6:22].transpose(2, 0, 1) / 255
    wanted = (square - np.array(LIKE["mean"])[:, None, None]) / np.array(LIKE["std"])[:, None, None]
    for source in (file, str(file), file.read_bytes(), image):
        np.testing.assert_allclose(preprocessing(source)[0].numpy(), wanted, atol=1e-5)
    with pytest.raises(DataError, match=r"cannot read image: not an image; give a whole JPEG"):
        preprocessing(b"no image")


HOSTILE = "from pathlib import Path\nPath({mark!r}).write_text('run')\nfrom trueshot.spaces import Topology\n"


@pytest.mark.parametrize("by", ["file", "module", "package"])
def test_code_that_a_folder_names_is_run_only_where_it_is_trusted(tmp_path, monkeypatch, by):
    save(tmp_path)
    mark, stem = tmp_path / "mark", f"hostile_{by}"
    home = tmp_path if by == "file" else tmp_path / "path"
    file = home / stem / "inner.py" if by == "package" else home / f"{stem}.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(HOSTILE.format(mark=str(mark)) + "class Mine(Topology):\n    pass\n")
    module = f"{stem}.inner" if by == "package" else stem
    if by != "file":
        monkeypatch.syspath_prepend(str(home))
    meta = json.loads((tmp_path / "architecture.json").read_text())
    meta["space"] |= {"class": f"{module}:Mine"} | ({"file": str(file)} if by == "file" else {})
    (tmp_path / "architecture.json").write_text(json.dumps(meta))
    with pytest.raises(ConfigError, match=rf"space {module}:Mine is code of its own.*: add --trust-code"):
        trueshot.load(tmp_path)
    assert not mark.exists()
    assert type(trueshot.load(tmp_path, trust_code=True).network)
    assert mark.read_text() == "run"
    # What has been imported already runs nothing.
    trueshot.load(tmp_path)
    del sys.modules[module]


@pytest.mark.parametrize("name", ["trueshot.__main__:Space", "trueshot.cli.main:main", "antigravity:Space"])
def test_no_other_module_is_imported_for_a_space(tmp_path, name):
    save(tmp_path)
    meta = json.loads((tmp_path / "architecture.json").read_text())
    meta["space"]["class"] = name
    (tmp_path / "architecture.json").write_text(json.dumps(meta))
    before = set(sys.modules)
    with pytest.raises(ConfigError, match=r"is code of its own|is no space|cannot import"):
        trueshot.load(tmp_path)
    assert set(sys.modules) == before
