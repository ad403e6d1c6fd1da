import dataclasses
import json
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from trueshot.core.errors import CheckpointError, ConfigError, RunError
from trueshot.reporting import export
from trueshot.reporting.export import classify, export_module, export_onnx
from trueshot.spaces import Chain, Topology
from trueshot.spaces.offtheshelf import MobileNetV2
from trueshot.spaces.storage import load_network, save_network

TOPOLOGY = Topology(
    image_size=8, classes=3, in_channels=1, nodes=(1, 1, 1), widths=(4, 8, 8), stem_stride=1, head_width=16
)
CHAIN = Chain(image_size=16, classes=3, layers=((8, 2), (8, 1)), stem_width=4, fixed_width=4, head_width=16)
SHELF = MobileNetV2(image_size=16, classes=3, width=0.1, reduction=4, head_width=16)
CLASSES = ("cat", "dog", "eel")
PREPROCESSING = {"channels": 1, "image_size": 8, "mean": [0.5], "std": [0.25], "crop": 1.0}


def trained(space, seed: int = 0):
    """A network whose BatchNorm statistics and weights are unlike fresh ones."""
    torch.manual_seed(seed)
    row = space.sample(1, seed)[0]
    network = space.network(row)
    network.train()
    for _ in range(3):
        network(2 * torch.randn(16, *space.input_shape) + 1)
    return network.eval(), space.format(row)


def save(folder, space, seed: int = 0):
    network, arch = trained(space, seed)
    save_network(
        folder, network, space=space, arch=arch, name="best-1", classes=CLASSES, preprocessing=PREPROCESSING,
        extra={"score": 0.9},
    )  # fmt: skip
    return network


@pytest.mark.parametrize("space", [TOPOLOGY, CHAIN, SHELF], ids=["topology", "chain", "mobilenetv2"])
def test_round_trip_gives_the_same_outputs(tmp_path, space):
    network = save(tmp_path, space)
    state = torch.random.get_rng_state()
    loaded = load_network(tmp_path)
    assert torch.equal(torch.random.get_rng_state(), state)
    images = torch.randn(4, *space.input_shape)
    assert torch.equal(loaded.network(images), network(images))
    assert loaded.classes == CLASSES
    assert loaded.preprocessing == PREPROCESSING
    assert loaded.input_shape == space.input_shape
    assert loaded.meta["extra"] == {"score": 0.9}
    assert loaded.meta["params"] == sum(p.numel() for p in network.parameters())
    assert not loaded.network.training


def test_off_the_shelf_networks_of_earlier_releases_are_loaded(tmp_path):
    """Their files name a kind of their own and no architecture."""
    network = save(tmp_path, SHELF)
    path = tmp_path / "architecture.json"
    content = json.loads(path.read_text())
    assert (content["kind"], content["arch"]) == ("architecture", "")
    path.write_text(json.dumps({**content, "kind": "mobilenetv2", "arch": None}))
    images = torch.randn(4, *SHELF.input_shape)
    assert torch.equal(load_network(tmp_path).network(images), network(images))


def test_the_json_says_what_it_costs_and_is_versioned(tmp_path):
    save(tmp_path, TOPOLOGY)
    content = json.loads((tmp_path / "architecture.json").read_text())
    costs = TOPOLOGY.cost(TOPOLOGY.parse(content["arch"])[None])
    assert (content["params"], content["madds"]) == (costs.params[0], costs.madds[0])
    assert content["version"] == 1
    assert content["space"]["class"] == "trueshot.spaces.topology:Topology"


@pytest.mark.parametrize("space", [TOPOLOGY, CHAIN, SHELF], ids=["topology", "chain", "mobilenetv2"])
def test_onnx_agrees_with_pytorch_at_any_batch_size(tmp_path, space):
    network = save(tmp_path, space)
    images = torch.randn(5, *space.input_shape)
    difference = export_onnx(tmp_path, example_images=images)
    assert 0 <= difference < 1e-4
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for n in (1, 3, 7):
        batch = torch.randn(n, *space.input_shape)
        (found,) = session.run(["logits"], {"images": batch.numpy()})
        np.testing.assert_allclose(found, network(batch).detach().numpy(), atol=1e-4)
    assert json.loads(session.get_modelmeta().custom_metadata_map["trueshot.classes"]) == list(CLASSES)
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".data"] == []
    assert not any(node.metadata_props for node in onnx.load(tmp_path / "model.onnx").graph.node)


def test_an_export_that_differs_is_refused_and_not_written(tmp_path, monkeypatch):
    save(tmp_path, CHAIN)
    real, calls = export.load_network, []

    def forged(folder, **how):
        """Compare with other weights than were exported."""
        loaded = real(folder, **how)
        original = loaded.network

        class Forged(torch.nn.Module):
            def forward(self, x):
                calls.append(1)
                return original(x) + (0.01 if not torch.compiler.is_compiling() else 0.0)

        return dataclasses.replace(loaded, network=Forged().eval())

    monkeypatch.setattr(export, "load_network", forged)
    with pytest.raises(RunError, match=r"was not written: its logits differ .*0\.01"):
        export_module(tmp_path, example_images=torch.randn(2, *CHAIN.input_shape))
    assert calls
    assert not (tmp_path / "model.pt2").exists()


@pytest.mark.parametrize("space", [TOPOLOGY, SHELF], ids=["topology", "mobilenetv2"])
def test_program_runs_without_trueshot(tmp_path, space):
    network = save(tmp_path, space)
    images = torch.randn(3, *space.input_shape)
    assert export_module(tmp_path, example_images=images[:1]) < 1e-4
    torch.save(images, tmp_path / "images.pt")
    code = (
        "import sys, torch\n"
        "sys.modules['trueshot'] = None\n"
        "extra = {'architecture.json': ''}\n"
        "network = torch.export.load('model.pt2', extra_files=extra).module()\n"
        "assert '\"eel\"' in extra['architecture.json']\n"
        "torch.save(network(torch.load('images.pt')), 'logits.pt')\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    torch.testing.assert_close(torch.load(tmp_path / "logits.pt"), network(images))


def test_export_refuses_images_of_another_shape(tmp_path):
    save(tmp_path, CHAIN)
    for images in (torch.randn(2, 3, 20, 20), torch.randn(0, *CHAIN.input_shape)):
        with pytest.raises(RunError, match="do not fit"):
            export_onnx(tmp_path, example_images=images)


def test_classify_names_the_best_classes_first(tmp_path):
    network = save(tmp_path, CHAIN)
    images = torch.randn(4, *CHAIN.input_shape)
    found = classify(load_network(tmp_path), images)
    wanted = network(images).softmax(1)
    for row, probabilities in zip(found, wanted, strict=True):
        assert [name for name, _ in row] == [CLASSES[i] for i in probabilities.argsort(descending=True)]
        assert sum(p for _, p in row) == pytest.approx(1)
    assert [len(row) for row in classify(load_network(tmp_path), images, top=1)] == [1] * 4


def test_weights_of_another_architecture_are_not_saved(tmp_path):
    network, _ = trained(CHAIN)
    with pytest.raises(ValueError, match="not those of its architecture"):
        save_network(tmp_path, network, space=SHELF, arch="", name="x", classes=CLASSES, preprocessing=PREPROCESSING)
    assert list(tmp_path.iterdir()) == []


def test_corrupt_and_foreign_files_are_named(tmp_path):
    save(tmp_path, CHAIN)
    weights, meta = tmp_path / "model.safetensors", tmp_path / "architecture.json"
    good, content = weights.read_bytes(), json.loads(meta.read_text())
    weights.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(CheckpointError, match="checksum"):
        load_network(tmp_path)
    weights.unlink()
    with pytest.raises(CheckpointError, match="cannot read"):
        load_network(tmp_path)
    weights.write_bytes(good)
    other = CHAIN.format(1 - CHAIN.parse(content["arch"]).clip(0, 1))
    for change, error, message in (
        ({"arch": other}, CheckpointError, "another network"),
        ({"kind": "transformer"}, RunError, "cannot build"),
        ({"version": 2}, RunError, "version 2"),
        ({"space": {"class": "os:system", "arguments": {}}}, ConfigError, "is no space"),
        ({"space": {"class": "no.such:Space", "arguments": {}}}, ConfigError, "is not run: add --trust-code"),
    ):
        meta.write_text(json.dumps({**content, **change}))
        with pytest.raises(error, match=message):
            load_network(tmp_path)
    meta.write_text(json.dumps({key: value for key, value in content.items() if key != "classes"}))
    with pytest.raises(RunError, match="incomplete"):
        load_network(tmp_path)
