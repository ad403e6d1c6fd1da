"""Training of shared weights (ST-NAS, Algorithm 1): each step trains the architectures that the sampler draws."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from timm.scheduler import CosineLRScheduler
from torch import Tensor, nn
from torch.nn import functional as F

from trueshot.core.random import Streams
from trueshot.sampling import Sampler
from trueshot.sharing import Supernet
from trueshot.training.distillation import Distillation
from trueshot.training.loop import count_correct
from trueshot.training.recipe import clip_gradients, set_learning_rate
from trueshot.training.sgld import SGLD

_BLOCK = 1024


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Cross-entropy with label smoothing, and the teacher's part where there is one."""

    label_smoothing: float = 0.0
    distillation: Distillation | None = None

    def __call__(self, logits: Tensor, labels: Tensor, images: Tensor) -> Tensor:
        """Return the mean loss of a batch."""
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=self.label_smoothing)
        return loss if self.distillation is None else self.distillation(loss, logits.float(), images)


class SupernetTask:
    """One step: the sampler's architectures on one mini-batch, their gradients averaged, only their weights updated.

    Weights outside the sampled architectures get neither gradient nor decay nor momentum in that step.

    Args:
        supernet: the shared weights.
        sampler: which architectures; drawn from ``streams`` by step, so that a resumed run draws the same.
        optimizer: over all parameters of the supernet.
        schedule: timm's schedule in steps, or ``None`` for a constant learning rate.
        loss: of one batch.
        clip: bound on the gradient norm, ``None`` for none.
        streams: source of all draws.
    """

    def __init__(
        self,
        supernet: Supernet,
        sampler: Sampler,
        optimizer: torch.optim.Optimizer,
        schedule: CosineLRScheduler | None,
        loss: Loss,
        clip: float | None,
        streams: Streams,
    ) -> None:
        self.supernet, self.sampler, self.optimizer = supernet, sampler, optimizer
        self.schedule, self.loss, self.clip, self.streams = schedule, loss, clip, streams
        self.learning_rate = float(optimizer.param_groups[0]["lr"])
        self._groups = [list(group["params"]) for group in optimizer.param_groups]
        self._group_of = {id(p): index for index, group in enumerate(self._groups) for p in group}
        self._block: tuple[int, np.ndarray] | None = None
        self._autocast = next(supernet.parameters()).device.type == "cuda"

    def archs(self, index: int) -> np.ndarray:
        """Return the architectures ``(per_step, decisions)`` of a step."""
        block, offset = divmod(index, _BLOCK)
        size = self.sampler.per_step
        if self._block is None or self._block[0] != block:
            self._block = block, self.sampler.sample(_BLOCK * size, self.streams.numpy("architectures", block))
        return self._block[1][offset * size : (offset + 1) * size]

    def step(self, index: int, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Train the architectures of this step; return mean loss and mean number of right answers."""
        if not self.supernet.training:
            self.supernet.train()
        self.learning_rate = set_learning_rate(self.optimizer, self.schedule, index)
        archs = self.archs(index)
        losses, correct = [], []
        for arch in archs:
            with torch.autocast(images.device.type, torch.bfloat16, enabled=self._autocast):
                logits = self.supernet(images, arch)
            loss = self.loss(logits, labels, images) / len(archs)
            loss.backward()
            losses.append(loss.detach())
            correct.append(count_correct(logits, labels))
        used = {id(p): p for arch in archs for p in self.supernet.active(arch).parameters}
        parameters = [p for p in used.values() if p.grad is not None]
        clip_gradients(parameters, self.clip)
        if isinstance(self.optimizer, SGLD):
            self.optimizer.generator = self.streams.torch("sgld/noise", index, device=images.device)
        with self._only(parameters):
            self.optimizer.step()
        for parameter in parameters:
            parameter.grad = None
        return torch.stack(losses).sum(), torch.stack(correct).float().mean()

    @contextmanager
    def _only(self, parameters: Sequence[nn.Parameter]) -> Iterator[None]:
        """Narrow the optimizer to some parameters: it then costs as much as that of a stand-alone network."""
        narrowed: list[list[nn.Parameter]] = [[] for _ in self._groups]
        for parameter in parameters:
            narrowed[self._group_of[id(parameter)]].append(parameter)
        for group, members in zip(self.optimizer.param_groups, narrowed, strict=True):
            group["params"] = members
        try:
            yield
        finally:
            for group, members in zip(self.optimizer.param_groups, self._groups, strict=True):
                group["params"] = members

    def describe(self, index: int) -> str:
        """Name the architectures of a step."""
        return "architecture " + ", ".join(self.supernet.space.format(arch) for arch in self.archs(index))

    def state_dict(self) -> dict[str, Any]:
        """Return weights and optimizer state."""
        return {"model": self.supernet.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore weights and optimizer state."""
        self.supernet.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
