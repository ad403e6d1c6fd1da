"""Trained networks on disk: JSON and safetensors, ONNX, and programs of torch.export; and their use."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from trueshot.core.errors import RunError
from trueshot.core.files import write_bytes
from trueshot.core.run import ARCHITECTURE
from trueshot.spaces.storage import WEIGHTS, LoadedNetwork, load_network, model_of

ONNX, PROGRAM = "model.onnx", "model.pt2"
TOLERANCE = 1e-4
"""Greatest difference of an exported network's logits, times the largest logit or 1."""


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


def export_onnx(
    folder: Path, *, example_images: Float[Tensor, "n channels height width"], trust_code: bool = False
) -> float:
    """Write ``model.onnx`` beside a saved network, checked with onnxruntime before it is written.

    The batch is dynamic: input ``images`` ``(n, c, h, w)``, output ``logits`` ``(n, classes)``. Class names,
    preprocessing and names are kept in the model's metadata.

    Args:
        folder: of a saved network.
        example_images: real images, preprocessed, on which both networks are compared.
        trust_code: whether code that the folder names may be run.

    Returns:
        The greatest absolute difference of a logit from PyTorch's.

    Raises:
        RunError: when it is above 1e-4 x max(1, largest logit), or the images have another shape.
    """
    import onnxruntime

    loaded = load_network(folder, trust_code=trust_code)
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
    told = {
        "classes": list(loaded.classes),
        "preprocessing": loaded.preprocessing,
        "name": loaded.meta["name"],
        "model": model_of(loaded.meta),
    }
    for key, value in told.items():
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


def export_module(
    folder: Path, *, example_images: Float[Tensor, "n channels height width"], trust_code: bool = False
) -> float:
    """Write ``model.pt2`` beside a saved network: ``torch.export.load(path).module()`` runs it without trueshot.

    The file carries ``architecture.json`` (classes, preprocessing) as an extra file. Arguments, result and errors are
    those of :func:`export_onnx`.
    """
    loaded = load_network(folder, trust_code=trust_code)
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
