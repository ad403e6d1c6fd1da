"""Trained networks on disk: JSON and safetensors, ONNX, and programs of torch.export; and their use."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from jaxtyping import Float
from torch import Tensor, nn

from trueshot.core.errors import CheckpointError, RunError
from trueshot.core.files import read_json, write_bytes, write_json
from trueshot.spaces import Space
from trueshot.spaces.counting import count_params
from trueshot.spaces.description import describe, rebuild
from trueshot.spaces.offtheshelf import MobileNetV2

ARCHITECTURE, WEIGHTS, ONNX, PROGRAM = "architecture.json", "model.safetensors", "model.onnx", "model.pt2"
TOLERANCE = 1e-4
"""Greatest difference of an exported network's logits, times the largest logit or 1."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoadedNetwork:
    """A trained network and what is needed to use it.

    Attributes:
        network: in evaluation mode on the CPU.
        classes: names in the order of the logits.
        preprocessing: how images become tensors, as it was saved.
        meta: all of ``architecture.json``.
        input_shape: channels, height and width of one image.
    """

    network: nn.Module
    classes: tuple[str, ...]
    preprocessing: dict[str, Any]
    meta: dict[str, Any]
    input_shape: tuple[int, int, int]


def save_network(
    folder: Path,
    network: nn.Module,
    *,
    space: Space | MobileNetV2,
    arch: str | None,
    name: str,
    classes: Sequence[str],
    preprocessing: dict[str, Any],
    extra: dict[str, Any] | None = None,
) -> None:
    """Write ``architecture.json`` and ``model.safetensors``, from which :func:`load_network` rebuilds the network.

    Args:
        folder: made if absent; each file is written atomically, the JSON last.
        network: what ``space.network(...)`` made, trained.
        space: the space of the architecture, or the plan of an off-the-shelf network.
        arch: architecture string in the space, ``None`` for an off-the-shelf network.
        name: of the network in its run.
        classes: names in the order of the logits.
        preprocessing: JSON values that say how images become tensors.
        extra: further JSON values to keep, under the key ``extra``.

    Raises:
        RunError: when a file cannot be written.
        ValueError: when the weights do not fit what would be rebuilt.
    """
    description = _describe(space, arch)
    state = {key: tensor.detach().cpu().contiguous() for key, tensor in network.state_dict().items()}
    with torch.device("meta"):
        expected = {key: tensor.shape for key, tensor in _build(space, arch).state_dict().items()}
    if expected != {key: tensor.shape for key, tensor in state.items()}:
        raise ValueError(f"the weights of {name} are not those of its architecture")
    weights = safetensors.torch.save(state, metadata={"format": "pt"})
    write_bytes(folder / WEIGHTS, weights)
    content = {
        "name": name,
        **description,
        "params": count_params(network),
        "madds": _madds(space, arch),
        "classes": list(classes),
        "preprocessing": preprocessing,
        "sha256": hashlib.sha256(weights).hexdigest(),
        "extra": extra or {},
    }
    write_json(folder / ARCHITECTURE, content)


def load_network(folder: Path) -> LoadedNetwork:
    """Rebuild a trained network from ``architecture.json`` and ``model.safetensors``.

    Raises:
        CheckpointError: when the weights are absent, corrupt or of another network.
        RunError: when ``architecture.json`` is absent or malformed.
        ConfigError: when the class of the space cannot be imported.
    """
    meta = read_json(folder / ARCHITECTURE)
    try:
        arch, description, kind = meta["arch"], meta["space"], meta["kind"]
        classes, preprocessing, checksum = tuple(meta["classes"]), meta["preprocessing"], meta["sha256"]
        if kind not in ("architecture", "mobilenetv2"):
            raise RunError(f"{folder / ARCHITECTURE} holds a network of kind '{kind}', which this trueshot cannot build")
        space = MobileNetV2(**description["arguments"]) if kind == "mobilenetv2" else rebuild(description)
    except (KeyError, TypeError) as error:
        raise RunError(f"{folder / ARCHITECTURE} is incomplete ({error}): export the network again") from error
    state = _read_weights(folder / WEIGHTS, checksum)
    with torch.random.fork_rng(devices=[]):
        network = _build(space, arch)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(f"{folder / WEIGHTS} holds the weights of another network than {ARCHITECTURE}") from error
    return LoadedNetwork(
        network=network.eval(),
        classes=classes,
        preprocessing=preprocessing,
        meta=meta,
        input_shape=space.input_shape,
    )


@torch.no_grad()
def classify(
    loaded: LoadedNetwork, images: Float[Tensor, "n channels height width"], *, top: int = 5
) -> list[list[tuple[str, float]]]:
    """Return for each image the most probable classes, best first, as (name, probability in [0, 1])."""
    device = next(loaded.network.parameters()).device
    probabilities = loaded.network(images.to(device)).softmax(dim=1).cpu()
    values, indices = probabilities.topk(min(top, len(loaded.classes)), dim=1)
    return [
        [(loaded.classes[index], value) for index, value in zip(row, numbers, strict=True)]
        for row, numbers in zip(indices.tolist(), values.tolist(), strict=True)
    ]


def export_onnx(folder: Path, *, example_images: Float[Tensor, "n channels height width"]) -> float:
    """Write ``model.onnx`` beside a saved network, checked with onnxruntime before it is written.

    The batch is dynamic: input ``images`` ``(n, c, h, w)``, output ``logits`` ``(n, classes)``. Class names and
    preprocessing are kept in the model's metadata.

    Args:
        folder: of a saved network.
        example_images: real images, preprocessed, on which both networks are compared.

    Returns:
        The greatest absolute difference of a logit from PyTorch's.

    Raises:
        RunError: when it is above 1e-4 x max(1, largest logit), or the images have another shape.
    """
    import onnxruntime

    loaded = load_network(folder)
    program = torch.onnx.export(
        loaded.network,
        (_traced_batch(loaded, example_images),),
        input_names=["images"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # stack traces with paths of this machine
    for key, value in (("classes", list(loaded.classes)), ("preprocessing", loaded.preprocessing)):
        entry = model.metadata_props.add()
        entry.key, entry.value = f"trueshot.{key}", json.dumps(value)
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def run(images: Tensor) -> Tensor:
        (logits,) = session.run(["logits"], {"images": np.ascontiguousarray(images.numpy())})
        return torch.from_numpy(logits)

    difference = _compare(loaded, run, example_images, folder / ONNX)
    write_bytes(folder / ONNX, content)
    return difference


def export_module(folder: Path, *, example_images: Float[Tensor, "n channels height width"]) -> float:
    """Write ``model.pt2`` beside a saved network: ``torch.export.load(path).module()`` runs it without trueshot.

    The file carries ``architecture.json`` (classes, preprocessing) as an extra file. Arguments, result and errors are
    those of :func:`export_onnx`.
    """
    loaded = load_network(folder)
    example = _traced_batch(loaded, example_images)
    program = torch.export.export(loaded.network, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={ARCHITECTURE: json.dumps(loaded.meta)})
    buffer.seek(0)
    difference = _compare(loaded, torch.export.load(buffer).module(), example_images, folder / PROGRAM)
    write_bytes(folder / PROGRAM, buffer.getvalue())
    return difference


def _describe(space: Space | MobileNetV2, arch: str | None) -> dict[str, Any]:
    if isinstance(space, MobileNetV2):
        name = f"{MobileNetV2.__module__}:{MobileNetV2.__qualname__}"
        return {"kind": "mobilenetv2", "space": {"class": name, "arguments": space.arguments()}, "arch": None}
    return {"kind": "architecture", "space": describe(space), "arch": arch}


def _build(space: Space | MobileNetV2, arch: str | None) -> nn.Module:
    if isinstance(space, MobileNetV2):
        return space.network()
    return space.network(space.parse(arch or ""))


def _madds(space: Space | MobileNetV2, arch: str | None) -> int:
    return space.madds if isinstance(space, MobileNetV2) else int(space.cost(space.parse(arch or "")[None]).madds[0])


def _read_weights(path: Path, checksum: str) -> dict[str, Tensor]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}") from error
    if hashlib.sha256(content).hexdigest() != checksum:
        raise CheckpointError(f"{path} is corrupt (its checksum differs from {ARCHITECTURE}): restore both from the run")
    try:
        return safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path} is no safetensors file ({error})") from error


def _traced_batch(loaded: LoadedNetwork, images: Tensor) -> Tensor:
    """Return two images: a batch of one would be taken for a constant."""
    if not len(images) or tuple(images.shape[1:]) != loaded.input_shape:
        raise RunError(f"images of shape {tuple(images.shape)} do not fit a network for {loaded.input_shape}")
    return images[:2] if len(images) > 1 else images.repeat(2, 1, 1, 1)


@torch.no_grad()
def _compare(loaded: LoadedNetwork, exported: Callable[[Tensor], Tensor], images: Tensor, path: Path) -> float:
    """Compare the logits of the whole batch and of one image alone."""
    wanted = loaded.network(images)
    found = torch.cat([exported(images), exported(images[:1])])
    difference = float((found - torch.cat([wanted, wanted[:1]])).abs().max())
    allowed = TOLERANCE * max(1.0, float(wanted.abs().max()))
    if not difference <= allowed:
        raise RunError(
            f"{path} was not written: its logits differ from PyTorch's by {difference:.3g}, more than {allowed:.3g};"
            f" use {WEIGHTS}"
        )
    return difference
