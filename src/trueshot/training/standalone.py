"""Training of one stand-alone network from scratch or from given weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from trueshot.core.observe import SILENT, Observer
from trueshot.core.random import Streams
from trueshot.training.classification import Loss, count_correct, loss_and_accuracy
from trueshot.training.config import Recipe
from trueshot.training.data.batches import Batch
from trueshot.training.dropout import ClassifierDropout
from trueshot.training.formats import placed
from trueshot.training.loop import train
from trueshot.training.optimizers import clip_gradients, make_optimizer, take_step
from trueshot.training.parts import in_parts
from trueshot.training.plan import Plan, Revise
from trueshot.training.schedules import Schedule, WatchesEpochs, make_schedule, set_learning_rate
from trueshot.training.task import TRAIN, Metric, Row, Stream

if TYPE_CHECKING:
    from timm.utils import ModelEmaV3


class NetworkTask:
    """One step of an ordinary network, with timm's moving average of the weights where the recipe asks for it."""

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        optimizer: torch.optim.Optimizer,
        schedule: Schedule | None,
        loss: Loss,
        streams: Streams,
    ) -> None:
        self.network, self.recipe, self.optimizer = network, recipe, optimizer
        self.schedule, self.loss, self.streams = schedule, loss, streams
        self.learning_rate = recipe.lr
        self.average = None if recipe.ema_decay is None else _average(network, recipe.ema_decay)
        self._autocast = next(network.parameters()).device.type == "cuda"
        # The global stream is forked only for networks that draw from it: forking costs as much as a small layer.
        self._dropout = ClassifierDropout(network, recipe.dropout, streams)
        self._draws = any(isinstance(m, nn.Dropout) and m.p > 0 for m in network.modules())

    def step(self, index: int, batches: Mapping[str, Batch]) -> dict[str, Metric]:
        """Update the network; return loss and accuracy."""
        images, labels = batches[TRAIN]
        if not self.network.training:
            self.network.train()
        self.learning_rate = set_learning_rate(self.optimizer, self.schedule, index)
        self.optimizer.zero_grad(set_to_none=True)
        losses, correct = [], []
        for number, (part, classes) in enumerate(in_parts(images, labels, self.recipe.at_once)):
            # The first part draws what a whole batch does.
            at = (index, number) if number else (index,)
            if self._draws:
                with self.streams.forked("dropout", *at), self._dropout(*at):
                    logits = self._forward(part)
            else:
                with self._dropout(*at):
                    logits = self._forward(part)
            loss = self.loss(logits, classes, part)
            if len(classes) < len(labels):
                loss = loss * (len(classes) / len(labels))
            loss.backward()
            losses.append(loss.detach())
            correct.append(count_correct(logits, classes))
        clip_gradients(self.network.parameters(), self.recipe.clip)
        take_step(self.optimizer, self.streams, index)
        if self.average is not None and self.recipe.ema_decay is not None:
            self.average.decay = min(self.recipe.ema_decay, (1 + index) / (10 + index))
            self.average.update(self.network)
        total, right = (torch.stack(parts).sum() if len(parts) > 1 else parts[0] for parts in (losses, correct))
        return loss_and_accuracy(total, right, len(labels))

    def _forward(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self._autocast):
            logits: Tensor = self.network(images)
        return logits

    def end_epoch(self, epoch: int) -> Row:
        """Return the learning rate of the last step."""
        return {"lr": self.learning_rate}

    def watch(self, epochs: Sequence[Row]) -> None:
        """Tell a schedule that goes by the figures of the epochs."""
        if isinstance(self.schedule, WatchesEpochs):
            self.schedule.watch(epochs)

    def describe(self, index: int) -> str:
        """Name what was trained."""
        return "stand-alone network"

    def state_dict(self) -> dict[str, Any]:
        """Return weights, their average and optimizer state."""
        average = None if self.average is None else self.average.module.state_dict()
        return {"model": self.network.state_dict(), "optimizer": self.optimizer.state_dict(), "average": average}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.network.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.module.load_state_dict(state["average"])


def _average(network: nn.Module, decay: float) -> ModelEmaV3:
    # Importing it takes as long as PyTorch itself.
    from timm.utils import ModelEmaV3

    return ModelEmaV3(network, decay=decay, foreach=True)


def build(make: Callable[[], nn.Module], streams: Streams, device: str | torch.device) -> nn.Module:
    """Build a module with initial weights drawn from ``streams``, in the memory layout that trains fastest."""
    with streams.forked("initial-weights"):
        module = make()
    return placed(module, device)


def train_network(
    network: nn.Module,
    batches: Stream,
    recipe: Recipe,
    streams: Streams,
    *,
    plan: Plan | None = None,
    loss: Loss | None = None,
    observer: Observer = SILENT,
    revise: Revise | None = None,
    until: int | None = None,
) -> tuple[nn.Module, list[Row]]:
    """Train ``network`` by ``recipe``.

    Args:
        network: trained in place.
        batches: its training images.
        recipe: how; ``epochs`` counts passes over ``batches``.
        streams: source of dropout's draws.
        plan: for how many steps, and where to keep checkpoints and logs; by default the epochs of the recipe, and
            nothing is kept.
        loss: by default cross-entropy with the recipe's label smoothing.
        observer: told of the progress.
        revise: may change the number of steps, see :func:`~trueshot.training.loop.train`.
        until: complete steps after which to pause.

    Returns:
        The network to use (the average of the weights where the recipe asks for it) and one row for each epoch.
    """
    plan = plan or Plan(phase="network", steps=recipe.epochs * batches.steps_per_epoch)
    loss = loss or Loss(label_smoothing=recipe.label_smoothing)
    schedule = make_schedule(recipe, plan, batches.steps_per_epoch)
    task = NetworkTask(network, recipe, make_optimizer(network, recipe), schedule, loss, streams)
    history = train(task, {TRAIN: batches}, plan, observer=observer, revise=revise, until=until)
    return (network if task.average is None else task.average.module).eval(), history
