"""Distillation from a timm model."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trueshot.core.errors import ConfigError
from trueshot.training.config import DistillationConfig


class Distillation:
    """Adds the Kullback-Leibler divergence from the teacher's softened answer (Hinton et al. 2015).

    The teacher sees the same augmented and normalised images, resized where its input is larger.
    """

    def __init__(self, teacher: nn.Module, config: DistillationConfig) -> None:
        self.teacher = teacher.eval().requires_grad_(False)
        self.config = config

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
        size, temperature = self.config.image_size, self.config.temperature
        if size is not None and size != images.shape[-1]:
            images = F.interpolate(images, size=(size, size), mode="bilinear", antialias=True)
        with torch.no_grad():
            target = F.log_softmax(self.teacher(images).float() / temperature, dim=1)
        own = F.log_softmax(logits / temperature, dim=1)
        divergence = F.kl_div(own, target, log_target=True, reduction="batchmean") * temperature**2
        return (1 - self.config.weight) * loss + self.config.weight * divergence
