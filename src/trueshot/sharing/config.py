"""Which weights a supernet shares between architectures: configurations, free of heavy imports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import Field

from trueshot.core.config import PartConfig

if TYPE_CHECKING:
    from trueshot.sharing.supernet import Sharing


class Shares(Protocol):
    """What a way of sharing must be; :data:`~trueshot.sharing.supernet.Sharing` says what it returns."""

    def __call__(self, space: Any) -> Any:
        """Return what is placed at the sites of a space."""


class PlainConfig(PartConfig):
    """Single path: one set of weights for each option of each site (SPOS)."""

    def build(self, context: Any, *inside: Any) -> Sharing:
        """Return the way of sharing."""
        from trueshot.sharing.supernet import single_path

        return single_path


class ConditionedConfig(PartConfig):
    """What inter-choice weights have in common.

    Attributes:
        depth: how many choices before a site count (D of the paper).
        priors: for each decision the decisions that count, in place of ``depth``.
    """

    depth: int = Field(default=1, ge=1)
    priors: tuple[tuple[int, ...], ...] | None = None


Empty = Literal["nothing", "published"]
"""What leaves a node of a cell to which nothing leads."""


class _BiasConfig(ConditionedConfig):
    """What both forms of inter-choice bias have in common.

    Attributes:
        empty: what leaves a node of a cell to which nothing leads: ``nothing``; or as in the paper's code, and by
            default in the presets of the paper, the candidate applied to the vector alone (``published``).
    """

    empty: Empty = "nothing"


class BiasConfig(_BiasConfig):
    """Inter-choice bias: a vector for each combination of a site's choice and those before it."""

    def build(self, context: Any, *inside: Any) -> Sharing:
        """Return the way of sharing."""
        from trueshot.sharing.bias import Bias

        return Bias(depth=self.depth, priors=self.priors, empty=self.empty)


class SharedBiasConfig(_BiasConfig):
    """Inter-choice bias whose vectors are summed, one for each choice (appendix D of the paper)."""

    def build(self, context: Any, *inside: Any) -> Sharing:
        """Return the way of sharing."""
        from trueshot.sharing.bias import SharedBias

        return SharedBias(depth=self.depth, priors=self.priors, empty=self.empty)


class AttentionConfig(ConditionedConfig):
    """Inter-choice attention: a weight for each channel, computed from the choices.

    Attributes:
        layers: linear layers that compute the weights.
        own: whether a site's own choice counts too.
    """

    layers: Literal[1, 2] = 1
    own: bool = True

    def build(self, context: Any, *inside: Any) -> Sharing:
        """Return the way of sharing."""
        from trueshot.sharing.attention import Attention

        return Attention(depth=self.depth, priors=self.priors, layers=self.layers, own=self.own)


class SplitConfig(ConditionedConfig):
    """Split weights: one set for each choice before a site, from some epoch on.

    Attributes:
        epoch: complete epochs after which weights are split.
        lazy: the published code's behaviour (see :class:`~trueshot.sharing.Split`).
    """

    epoch: int = Field(ge=0)
    lazy: bool = False

    def build(self, context: Any, *inside: Any) -> Sharing:
        """Return the way of sharing; the training splits the weights."""
        from trueshot.sharing.splitting import Split

        return Split(depth=self.depth, priors=self.priors, lazy=self.lazy)
