"""How networks and supernets are trained: configurations, free of heavy imports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from trueshot.core.config import Config

Averaging = Literal["all", "containing"]
"""Gradients of a step are divided by the number of all its architectures, or of those that contain the weight."""


class Plateau(Config):
    """A learning rate that falls whenever the training loss no longer does (PyTorch's ReduceLROnPlateau).

    Attributes:
        factor: the learning rate is multiplied by, above 0 and below 1.
        patience: complete epochs without a new least mean training loss that are borne; after one more the rate falls.
    """

    factor: float = Field(default=0.5, gt=0, lt=1)
    patience: int = Field(default=30, ge=0)


class Recipe(Config):
    """Stochastic gradient descent with a falling learning rate, and what regularises it.

    Attributes:
        epochs: passes over the training images.
        batch_size: images in a step.
        at_once: most images whose activations are in memory at a time; the gradients of the parts of a batch are added
            up, and BatchNorm normalises each part by itself. None for the whole batch.
        lr: learning rate at the start.
        final_lr: learning rate at the end.
        warmup_epochs: epochs of linear rise before.
        momentum: of SGD.
        nesterov: whether the momentum is Nesterov's, as in PyTorch.
        weight_decay: on convolution and linear weights, not on norms and biases unless ``decay_all``.
        decay_all: whether norms and biases decay too, as in the code of NATS-Bench and of aw_nas.
        label_smoothing: probability mass spread over the other classes.
        clip: bound on the gradient norm, none for no bound.
        ema_decay: decay of the averaged weights that are used at the end, none for the last weights. It is warmed up
            as ``min(ema_decay, (1 + step) / (10 + step))``.
        plateau: the rate falls in steps, by the training loss, down to ``final_lr`` at the least and without a warm-up;
            none for a cosine.
        dropout: probability of each feature in front of the classifier to be dropped in training, in supernets and
            networks alike.
    """

    epochs: int = Field(ge=1)
    batch_size: int = Field(default=128, ge=2)
    at_once: int | None = Field(default=None, ge=2)
    lr: float = Field(default=0.1, gt=0, allow_inf_nan=False)
    final_lr: float = Field(default=0.0, ge=0)
    warmup_epochs: float = Field(default=0.0, ge=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    nesterov: bool = False
    weight_decay: float = Field(default=1e-4, ge=0, allow_inf_nan=False)
    decay_all: bool = False
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    clip: float | None = Field(default=None, gt=0)
    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    plateau: Plateau | None = None
    dropout: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _check(self) -> Recipe:
        if self.final_lr > self.lr:
            raise ValueError(f"final_lr {self.final_lr} is above lr {self.lr}: choose 0 to {self.lr}")
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs {self.warmup_epochs} leaves nothing of {self.epochs} epochs: choose fewer")
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        if self.plateau is not None and self.warmup_epochs > 0:
            raise ValueError("warmup_epochs goes with a cosine, not with plateau: set one of them only")
        return self

    def with_epochs(self, epochs: int) -> Recipe:
        """Return the recipe with another number of epochs, a quarter of which is warm-up at most."""
        return self.replace(epochs=epochs, warmup_epochs=min(self.warmup_epochs, epochs / 4))


class Adam(Config):
    """Adam (Kingma and Ba 2015), as published gradient searches use it for their architecture parameters.

    Attributes:
        lr: step size.
        betas: decay of the running means of the gradient and of its square.
        weight_decay: of all parameters, added to the gradient (L2).
    """

    lr: float = Field(default=3e-4, gt=0)
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.5, 0.999)
    weight_decay: float = Field(default=1e-3, ge=0)


class LearningConfig(Config):
    """How much is learned from a teacher, and at which size that sees images.

    Attributes:
        weight: share of the teacher's loss, in (0, 1].
        temperature: of both softmaxes.
        image_size: the teacher's input side in pixels, none for the student's.
    """

    weight: float = Field(default=0.5, gt=0, le=1)
    temperature: float = Field(default=4.0, gt=0)
    image_size: int | None = Field(default=None, ge=1)


class DistillationConfig(LearningConfig):
    """Which teacher, trained on the same classes, a network or supernet learns from.

    Attributes:
        teacher: name of a timm model, for example ``resnet18``.
        checkpoint: local file with its weights (safetensors or a PyTorch state), trained on the same classes.
    """

    teacher: str
    checkpoint: Path
