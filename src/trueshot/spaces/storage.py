"""Trained networks on disk: JSON and safetensors, rebuilt without any supernet."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from trueshot.core.errors import CheckpointError, RunError
from trueshot.core.files import read_json, write_bytes, write_json
from trueshot.spaces.counting import count_params
from trueshot.spaces.description import describe, rebuild
from trueshot.spaces.modules import source_of
from trueshot.spaces.offtheshelf import MobileNetV2
from trueshot.spaces.space import Space

ARCHITECTURE, WEIGHTS = "architecture.json", "model.safetensors"


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
            raise RunError(
                f"{folder / ARCHITECTURE} holds a network of kind '{kind}', which this trueshot cannot build"
            )
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


def _describe(space: Space | MobileNetV2, arch: str | None) -> dict[str, Any]:
    if isinstance(space, MobileNetV2):
        name = f"{MobileNetV2.__module__}:{MobileNetV2.__qualname__}"
        return {"kind": "mobilenetv2", "space": {"class": name, "arguments": space.arguments()}, "arch": None}
    file = source_of(type(space))
    return {"kind": "architecture", "space": describe(space) | ({"file": file} if file else {}), "arch": arch}


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
        raise CheckpointError(
            f"{path} is corrupt (its checksum differs from {ARCHITECTURE}): restore both from the run"
        )
    try:
        return safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path} is no safetensors file ({error})") from error
