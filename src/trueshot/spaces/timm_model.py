"""Networks of timm as spaces of one architecture: costed, trained, saved and exported like any other."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from trueshot.core.errors import ConfigError
from trueshot.spaces.site import Place
from trueshot.spaces.space import Space

if TYPE_CHECKING:
    import torch


@dataclasses.dataclass(frozen=True, kw_only=True)
class TimmModel(Space):
    """A network of timm without decisions, whose string is empty.

    Attributes:
        model: timm's own name of it.
        weights: what it was trained on before and where that came from, for people; empty for fresh weights.
    """

    name: ClassVar[str] = "timm"
    model: str
    weights: str = ""

    def assemble(self, place: Place) -> torch.nn.Module:
        """Build it with fresh weights; nothing is to be placed.

        Raises:
            ConfigError: when timm has no such model.
        """
        import timm

        if not timm.is_model(self.model):
            raise ConfigError(f"timm has no model '{self.model}': see timm.list_models()")
        network: torch.nn.Module = timm.create_model(
            self.model, pretrained=False, num_classes=self.classes, in_chans=self.in_channels
        )
        return network

    @property
    def model_name(self) -> str:
        """Timm's own name."""
        return self.model

    def stream_name(self, row: Any) -> str:
        """Return the text that its random streams are named by."""
        return f"timm {self.model} of {self.classes} classes for {self.image_size} pixels"
