"""Training of shared weights (ST-NAS, Algorithm 1): each step trains the architectures that the sampler draws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from trueshot.core.errors import ConfigError
from trueshot.core.random import Streams
from trueshot.sampling import Remembers, Sampler
from trueshot.sharing import Supernet, can_split, clones, split, splits_lazily
from trueshot.training.classification import Loss, count_correct, loss_and_accuracy
from trueshot.training.config import Averaging
from trueshot.training.data.batches import Batch
from trueshot.training.dropout import ClassifierDropout
from trueshot.training.optimizers import clip_gradients, take_step
from trueshot.training.parts import in_parts
from trueshot.training.schedules import Schedule, WatchesEpochs, set_learning_rate
from trueshot.training.splitting import adopt
from trueshot.training.task import TRAIN, Metric, Row

_BLOCK = 1024


@dataclass(frozen=True, kw_only=True)
class StepOptions:
    """What a step does beyond the plain one.

    Attributes:
        averaging: a weight's gradient is the sum over the step's architectures, divided by their number (``all``), or
            by the number of those that contain the weight (``containing``; the Surgery paper's code).
        split_at: the step before which the weights are split (:class:`~trueshot.sharing.Split`); ``None`` for never.
        dropout: probability of each feature in front of the classifier to be dropped.
        at_once: most images whose activations are in memory at a time, ``None`` for the whole batch.
    """

    averaging: Averaging = "all"
    split_at: int | None = None
    dropout: float = 0.0
    at_once: int | None = None


PLAIN_STEP = StepOptions()


class SupernetTask:
    """One step: the sampler's architectures on one mini-batch, their gradients averaged, only their weights updated.

    Weights outside the sampled architectures get neither gradient nor decay nor momentum in that step.

    Args:
        supernet: the shared weights.
        sampler: which architectures; drawn from ``streams`` by step, so that a resumed run draws the same.
        optimizer: over all parameters of the supernet.
        schedule: of the learning rate, or ``None`` for a constant learning rate.
        loss: of one batch.
        clip: bound on the gradient norm, ``None`` for none.
        streams: source of all draws.
        options: what else a step does.

    Raises:
        ConfigError: when weights are to be split that do not share by splitting, or that are split lazily and trained
            by several architectures a step.
    """

    def __init__(
        self,
        supernet: Supernet,
        sampler: Sampler,
        optimizer: torch.optim.Optimizer,
        schedule: Schedule | None,
        loss: Loss,
        clip: float | None,
        streams: Streams,
        options: StepOptions = PLAIN_STEP,
    ) -> None:
        if options.split_at is not None and not can_split(supernet):
            raise ConfigError("there are no weights to split: build the supernet with the sharing 'split'")
        if sampler.per_step > 1 and splits_lazily(supernet):
            raise ConfigError(
                "lazily split weights share one momentum and can be trained by one architecture a step, not by"
                f" {sampler.per_step}: split them eagerly, or choose another sampler"
            )
        self.supernet, self.sampler, self.optimizer, self.options = supernet, sampler, optimizer, options
        self.schedule, self.loss, self.clip, self.streams = schedule, loss, clip, streams
        self.learning_rate = float(optimizer.param_groups[0]["lr"])
        self._dropout = ClassifierDropout(supernet, options.dropout, streams)
        self._index_groups()
        self._block: tuple[int, np.ndarray] | None = None
        self._autocast = next(supernet.parameters()).device.type == "cuda"

    def archs(self, index: int) -> np.ndarray:
        """Return the architectures ``(per_step, decisions)`` of a step."""
        block, offset = divmod(index, _BLOCK)
        size = self.sampler.per_step
        if self._block is None or self._block[0] != block:
            if isinstance(self.sampler, Remembers) and block != (0 if self._block is None else self._block[0] + 1):
                self.sampler.restart()
                for before in range(block):
                    self._draw(before)
            self._block = block, self._draw(block)
        return self._block[1][offset * size : (offset + 1) * size]

    def _draw(self, block: int) -> np.ndarray:
        return self.sampler.sample(_BLOCK * self.sampler.per_step, self.streams.numpy("architectures", block))

    def _index_groups(self) -> None:
        self._groups = [list(group["params"]) for group in self.optimizer.param_groups]
        self._group_of = {id(p): index for index, group in enumerate(self._groups) for p in group}

    def _adopt_clones(self) -> None:
        adopt(self.optimizer, clones(self.supernet))
        self._index_groups()

    def step(self, index: int, batches: Mapping[str, Batch]) -> dict[str, Metric]:
        """Train the architectures of this step; return their mean loss and accuracy."""
        images, labels = batches[TRAIN]
        if not self.supernet.training:
            self.supernet.train()
        if index == self.options.split_at:
            split(self.supernet)
            self._adopt_clones()
        self.learning_rate = set_learning_rate(self.optimizer, self.schedule, index)
        archs = self.archs(index)
        losses, correct = [], []
        for number, arch in enumerate(archs):
            right = []
            for count, (part, classes) in enumerate(in_parts(images, labels, self.options.at_once)):
                precision = torch.autocast(images.device.type, torch.bfloat16, enabled=self._autocast)
                with precision, self._dropout(index, number + count * len(archs)):
                    logits = self.supernet(part, arch)
                loss = self.loss(logits, classes, part) / len(archs)
                if len(classes) < len(labels):
                    loss = loss * (len(classes) / len(labels))
                loss.backward()
                losses.append(loss.detach())
                right.append(count_correct(logits, classes))
            correct.append(torch.stack(right).sum() if len(right) > 1 else right[0])
        parameters = self._average(archs)
        clip_gradients(parameters, self.clip)
        with self._only(parameters):
            take_step(self.optimizer, self.streams, index)
        for parameter in parameters:
            parameter.grad = None
        return loss_and_accuracy(torch.stack(losses).sum(), torch.stack(correct).float().mean(), len(labels))

    def _average(self, archs: np.ndarray) -> list[nn.Parameter]:
        """Return the parameters that have a gradient, their gradients averaged as the options say."""
        used: dict[int, nn.Parameter] = {}
        times: Counter[int] = Counter()
        for arch in archs:
            held = {id(p): p for p in self.supernet.active(arch).parameters}
            used.update(held)
            times.update(held.keys())
        parameters = [p for p in used.values() if p.grad is not None]
        if self.options.averaging == "containing" and len(archs) > 1:
            factors = [len(archs) / times[id(p)] for p in parameters]
            torch._foreach_mul_([p.grad for p in parameters if p.grad is not None], factors)
        return parameters

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

    def end_epoch(self, epoch: int) -> Row:
        """Return the learning rate of the last step."""
        return {"lr": self.learning_rate}

    def watch(self, epochs: Sequence[Row]) -> None:
        """Tell a schedule that goes by the figures of the epochs."""
        if isinstance(self.schedule, WatchesEpochs):
            self.schedule.watch(epochs)

    def describe(self, index: int) -> str:
        """Name the architectures of a step."""
        return "architecture " + ", ".join(self.supernet.space.format(arch) for arch in self.archs(index))

    def state_dict(self) -> dict[str, Any]:
        """Return weights and optimizer state."""
        return {"model": self.supernet.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore weights and optimizer state."""
        self.supernet.load_state_dict(state["model"])
        # Loading split weights splits them; the optimizer must know the parameters before it takes its state.
        self._adopt_clones()
        self.optimizer.load_state_dict(state["optimizer"])
        self._adopt_clones()
