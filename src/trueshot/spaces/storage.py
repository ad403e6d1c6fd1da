"""Trained networks on disk: JSON and safetensors, rebuilt without any supernet."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from trueshot.core.errors import CheckpointError, RunError
from trueshot.core.files import read_json, write_bytes, write_json
from trueshot.core.modules import source_of
from trueshot.core.run import ARCHITECTURE
from trueshot.spaces.counting import count_params
from trueshot.spaces.description import describe, rebuild
from trueshot.spaces.space import Space

WEIGHTS = "model.safetensors"

_KINDS = ("architecture", "mobilenetv2")
"""Kinds of networks that files may name; the second, of earlier releases, is one like any other."""


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
    space: Space,
    arch: str,
    name: str,
    classes: Sequence[str],
    preprocessing: dict[str, Any],
    extra: dict[str, Any] | None = None,
) -> None:
    """Write ``architecture.json`` and ``model.safetensors``, from which :func:`load_network` rebuilds the network.

    Args:
        folder: made if absent; each file is written atomically, the JSON last.
        network: what ``space.network(...)`` made, trained.
        space: the space of the architecture.
        arch: architecture string in the space.
        name: of the network in its run.
        classes: names in the order of the logits.
        preprocessing: JSON values that say how images become tensors.
        extra: further JSON values to keep, under the key ``extra``.

    Raises:
        RunError: when a file cannot be written.
        ValueError: when the weights do not fit what would be rebuilt.
    """
    row = space.parse(arch)
    state = {key: tensor.detach().cpu().contiguous() for key, tensor in network.state_dict().items()}
    with torch.device("meta"):
        expected = {key: tensor.shape for key, tensor in space.network(row).state_dict().items()}
    if expected != {key: tensor.shape for key, tensor in state.items()}:
        raise ValueError(f"the weights of {name} are not those of its architecture")
    weights = safetensors.torch.save(state, metadata={"format": "pt"})
    write_bytes(folder / WEIGHTS, weights)
    content = {
        "name": name,
        "kind": _KINDS[0],
        "model": space.model_name,
        "space": describe(space) | ({"file": file} if (file := source_of(type(space))) else {}),
        "arch": arch,
        "params": count_params(network),
        "madds": int(space.cost(row[None]).madds[0]),
        "classes": list(classes),
        "preprocessing": preprocessing,
        "sha256": hashlib.sha256(weights).hexdigest(),
        "extra": extra or {},
    }
    write_json(folder / ARCHITECTURE, content)


def model_of(meta: Mapping[str, Any]) -> str:
    """Return whose network the content of an ``architecture.json`` is of: a space's name, or timm's of a model."""
    # Releases that did not write it knew spaces by their classes.
    return str(meta.get("model") or meta["space"]["class"].rpartition(":")[2].lower())


def load_network(folder: Path, *, trust_code: bool = False) -> LoadedNetwork:
    """Rebuild a trained network from ``architecture.json`` and ``model.safetensors``.

    Args:
        folder: of the network.
        trust_code: whether code that it names may be run, see :func:`~trueshot.spaces.description.rebuild`.

    Raises:
        CheckpointError: when the weights are absent, corrupt or of another network.
        RunError: when ``architecture.json`` is absent or malformed.
        ConfigError: when the class of the space cannot be imported, or is code that is not trusted.
    """
    meta = read_json(folder / ARCHITECTURE)
    try:
        arch, description, kind = meta["arch"], meta["space"], meta["kind"]
        classes, preprocessing, checksum = tuple(meta["classes"]), meta["preprocessing"], meta["sha256"]
        if kind not in _KINDS:
            raise RunError(
                f"{folder / ARCHITECTURE} holds a network of kind '{kind}', which this trueshot cannot build"
            )
        space = rebuild(description, trust_code=trust_code)
    except (KeyError, TypeError) as error:
        raise RunError(f"{folder / ARCHITECTURE} is incomplete ({error}): export the network again") from error
    state = _read_weights(folder / WEIGHTS, checksum)
    with torch.random.fork_rng(devices=[]):
        network = space.network(space.parse(arch or ""))
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
