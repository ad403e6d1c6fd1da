"""What a scale costs: a few steps measured on stand-in images, multiplied out."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from trueshot.core.random import Streams
from trueshot.evaluation.timing import median_seconds, waiting_for
from trueshot.sampling import Sampler
from trueshot.sharing import Sharing, Supernet, single_path
from trueshot.spaces import Space
from trueshot.studies.images import Images
from trueshot.studies.result import Estimate, Part, Scale
from trueshot.training.classification import Loss
from trueshot.training.config import Recipe
from trueshot.training.optimizers import make_optimizer
from trueshot.training.standalone import NetworkTask, build
from trueshot.training.supernet import SupernetTask
from trueshot.training.task import TRAIN, Task

_STEPS = 3
_PIXELS = 8 * 224 * 224
"""A processor is measured on batches of about so many pixels: its time is in proportion, its memory is not."""


def estimate(scale: Scale, device: torch.device, *parts: Part) -> Estimate:
    """Return the estimate of parts that were measured on ``device``."""
    name = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU with {torch.get_num_threads()} thread(s)"
    )
    note = f"median of {_STEPS} steps on random images, taken in proportion; reading the images is not in it"
    return Estimate(scale=scale, device=name, parts=parts, note=note)


def network_seconds(make: Callable[[], nn.Module], images: Images, recipe: Recipe, device: torch.device) -> float:
    """Return the seconds that training a network takes for each image."""
    network = build(make, Streams(0), device)
    task = NetworkTask(network, recipe, make_optimizer(network, recipe), None, Loss(), Streams(0))
    return _per_image(_stepping(task), images, recipe.batch_size, device)


def supernet_seconds(
    space: Space,
    sampler: Sampler,
    images: Images,
    recipe: Recipe,
    device: torch.device,
    *,
    sharing: Sharing = single_path,
) -> float:
    """Return the seconds that training a supernet takes for each image; weights to be split are not split yet."""
    supernet = _supernet(space, sharing, device)
    task = SupernetTask(supernet, sampler, make_optimizer(supernet, recipe), None, Loss(), recipe.clip, Streams(0))
    return _per_image(_stepping(task), images, recipe.batch_size, device)


def scoring_seconds(
    space: Space,
    sampler: Sampler,
    images: Images,
    batch: int,
    device: torch.device,
    *,
    sharing: Sharing = single_path,
) -> float:
    """Return the seconds that a sampled architecture of a supernet takes for each image it is run on."""
    supernet = _supernet(space, sharing, device).eval()
    archs = sampler.sample(_STEPS + 1, Streams(0).numpy("cost"))

    def score(index: int, pixels: torch.Tensor, labels: torch.Tensor) -> None:
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            supernet(pixels, archs[index])

    return _per_image(score, images, batch, device)


def _supernet(space: Space, sharing: Sharing, device: torch.device) -> Supernet:
    supernet = build(lambda: Supernet(space, sharing), Streams(0), device)
    assert isinstance(supernet, Supernet)
    return supernet


_Action = Callable[[int, torch.Tensor, torch.Tensor], object]


def _stepping(task: Task) -> _Action:
    return lambda index, pixels, labels: task.step(index, {TRAIN: (pixels, labels)})


def _per_image(action: _Action, images: Images, batch: int, device: torch.device) -> float:
    """Time ``action`` on random batches after one that warms up; return the median for each image."""
    if device.type == "cpu":
        batch = max(2, min(batch, _PIXELS // images.side**2))
    generator = Streams(0).torch("cost")
    pixels = torch.randn(batch, *images.shape, generator=generator).to(device, memory_format=torch.channels_last)
    labels = torch.randint(images.classes, (batch,), generator=generator).to(device)
    return median_seconds(lambda index: action(index, pixels, labels), _STEPS, wait=waiting_for(device)) / batch
