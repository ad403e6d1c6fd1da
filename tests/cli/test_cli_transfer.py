"""``search --supernet RUN`` on other images: the shared weights stay, the head is new, and little is trained."""

import json
import shutil

import numpy as np
import pytest
from cli_runs import TINY_SETS, finished_search, invoke, refused, sets
from PIL import Image
from sklearn.datasets import load_digits

from trueshot.core.run import RunDirectory
from trueshot.strategies.search import Search

RETRAINING = "retraining={recipe: {epochs: 1, batch_size: 64, lr: 0.1, warmup_epochs: 0}, random: 1, at_bound: 0}"
VALUES = sets(RETRAINING, "retraining.convergence=false", "retraining.off_the_shelf=false")

pytestmark = pytest.mark.usefixtures("no_onnx")


def write(root, sides, mode="L"):
    """Write digits of three classes as PNG files of some sides in pixels, in turn."""
    bunch = load_digits()
    for number in np.flatnonzero(bunch.target < 3)[:150].tolist():
        folder = root / "abc"[bunch.target[number]]
        folder.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(np.rint(bunch.images[number] * 255 / 16).astype(np.uint8)).convert(mode)
        image.resize((sides, sides)).save(folder / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return finished_search(tmp_path_factory)


@pytest.fixture(scope="module")
def moved(finished, tmp_path_factory):
    """Images of three classes, twice as large as the digits, and the run that took the supernet of the digits over."""
    folder = tmp_path_factory.mktemp("transfer")
    data, out = write(folder / "three", 16), folder / "run"
    command = ["search", "--supernet", finished.path, "--data", data, "--max-madds", "100k", "--out", out, *VALUES]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trueshot.cli.deliver.export_decision", lambda *_: {})
        code, stdout, stderr = invoke(*command, *sets("supernet.transfer.epochs=1"), "--json")
    assert code == 0, stderr
    return data, out, json.loads(stdout), stderr, command


def test_a_supernet_is_fine_tuned_to_other_images(moved, finished):
    _, out, result, stderr, _ = moved
    told = (
        f"supernet: the shared weights of {finished.path}, trained on digits, are kept, get a new head for 3 classes,"
        " and are fine-tuned for 1 epoch\n"
    )
    assert told in stderr
    # Read at the size that the supernet takes: 96 images in one epoch.
    assert "96 training, 24 validation and 30 test images of 8 pixels, 3 classes" in stderr
    assert "supernet: 1 steps" in stderr
    config = RunDirectory(out).config
    space, there = config["space"]["arguments"], RunDirectory(finished.path).config["space"]["arguments"]
    assert space == {**there, "classes": 3}
    assert result["space"]["arguments"]["classes"] == 3
    assert "are fine-tuned for 1 epoch" in (out / "report.html").read_text()
    # What is asked is stored as it was asked: going on would else shorten it again.
    assert config["asked"]["search"]["supernet"]["transfer"]["epochs"] == 1
    assert config["asked"]["search"]["supernet"]["recipe"]["epochs"] > config["search"]["supernet"]["recipe"]["epochs"]


def test_such_a_run_goes_on_and_its_supernet_serves_again(moved, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    data, out, *_ = moved
    monkeypatch.setattr(Search, "_ask", stop)
    copy = tmp_path / "run"
    shutil.copytree(out, copy)
    (copy / "result.json").unlink()
    code, _, stderr = invoke("search", "--resume", "--out", copy)
    assert code == 130, stderr
    assert "supernet: 1 steps, 1 done before" in stderr
    # The same images elsewhere are no other images.
    elsewhere = shutil.copytree(data, tmp_path / "elsewhere")
    code, _, stderr = invoke("search", "--supernet", out, "--data", elsewhere, "--out", tmp_path / "again")
    assert code == 130, stderr
    assert f"no supernet is trained: that of {out} is searched" in stderr


def test_what_does_not_fit_is_refused(moved, finished, tmp_path):
    *_, command = moved
    out = tmp_path / "run"
    command = [*command[:3], "--data", write(tmp_path / "colour", 8, "RGB"), "--out", out]
    told = refused(*command)
    assert f"the supernet in {finished.path} takes images of 8 pixels and 1 channels, and these have 8 pixels" in told
    command = [*command[:3], "--data", moved[0], "--out", out]
    assert "set data.image_size where only that differs" in refused(*command, *sets("data.image_size=16"))
    for change in (["--space", "chain"], [*TINY_SETS[:1], "space.arguments={nodes: [1, 2], widths: [8, 16]}"]):
        assert "was trained for another space: leave --space and its arguments" in refused(*command, *change)
    told = refused(*command, *sets("supernet.transfer.epochs=0"))
    assert "supernet.transfer.epochs: 0 is too small" in told
    told = refused(*command, "--sharing", "bias")
    assert "holds other weights than this supernet: give the same supernet.sharing" in told
    assert "split its weights, and cannot be fine-tuned" in refused(
        *command, "--sharing", "split", *sets("supernet.sharing.epoch=1", "supernet.recipe.epochs=4")
    )
    assert "uses no supernet: leave out --supernet" in refused(*command, "--strategy", "random", "--oracle", "synflow")
    assert not out.exists()
