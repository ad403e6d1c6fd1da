"""Distillation from a timm model."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import torch
from jaxtyping import Float32
from torch import Tensor, nn
from torch.nn import functional as F

from trueshot.core.errors import ConfigError
from trueshot.core.fingerprint import fingerprint
from trueshot.training.config import DistillationConfig, LearningConfig


class Distillation:
    """Adds the Kullback-Leibler divergence from the teacher's softened answer (Hinton et al. 2015).

    The teacher sees the same augmented images, resized where its input has another size.

    Args:
        teacher: gives a logit for each class; it is not trained.
        config: how much is learned from it.
        rescale: brings normalised images from the scaling of the student to that of the teacher; by default it is the
            same.
    """

    def __init__(
        self, teacher: nn.Module, config: LearningConfig, *, rescale: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        self.teacher = teacher.eval().requires_grad_(False)
        self.config, self._rescale = config, rescale

    @cached_property
    def digest(self) -> str:
        """Fingerprint of the teacher's weights and of how much is learned from it."""
        return fingerprint("distillation", self.config.plain(), self.teacher.state_dict())

    @classmethod
    def load(
        cls, config: DistillationConfig, *, classes: int, in_channels: int, device: str | torch.device
    ) -> Distillation:
        """Build the teacher with timm.

        Raises:
            ConfigError: when timm has no such model or the checkpoint does not fit it.
        """
        # Importing it takes as long as PyTorch itself.
        import timm

        if not timm.is_model(config.teacher):
            raise ConfigError(f"timm has no model '{config.teacher}' to distil from: see timm.list_models()")
        if not config.checkpoint.is_file():
            raise ConfigError(f"no file {config.checkpoint}: give the teacher's weights as distillation.checkpoint")
        try:
            teacher = timm.create_model(
                config.teacher, num_classes=classes, in_chans=in_channels, checkpoint_path=str(config.checkpoint)
            )
        except (RuntimeError, ValueError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(
                f"{config.checkpoint} does not fit timm's {config.teacher} of {classes} classes: {reason}"
            ) from error
        return cls(teacher.to(device), config)

    def __call__(self, loss: Tensor, logits: Tensor, images: Tensor) -> Tensor:
        """Mix the student's ``loss`` with the teacher's part."""
        temperature = self.config.temperature
        with torch.no_grad():
            seen = resized(images if self._rescale is None else self._rescale(images), self.config.image_size)
            target = F.log_softmax(self.teacher(seen).float() / temperature, dim=1)
        own = F.log_softmax(logits / temperature, dim=1)
        divergence = F.kl_div(own, target, log_target=True, reduction="batchmean") * temperature**2
        return (1 - self.config.weight) * loss + self.config.weight * divergence


def resized(images: Float32[Tensor, "n c h w"], side: int | None) -> Float32[Tensor, "n c h2 w2"]:
    """Return square images of another side in pixels; ``None`` leaves them as they are."""
    if side is None or side == images.shape[-1]:
        return images
    return F.interpolate(images, size=(side, side), mode="bilinear", antialias=True)
