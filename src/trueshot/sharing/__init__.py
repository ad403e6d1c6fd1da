"""Ways of sharing weights between the architectures of a space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueshot.core.lazy import lazily

if TYPE_CHECKING:
    from trueshot.sharing.attention import Attention
    from trueshot.sharing.bias import Bias, SharedBias
    from trueshot.sharing.priors import NASBENCH201_GRAPH, Priors
    from trueshot.sharing.splitting import Clone, Split, can_split, clones, split, splits_lazily
    from trueshot.sharing.supernet import Active, Arch, Shared, Sharing, SinglePath, Supernet, single_path


__all__ = [
    "NASBENCH201_GRAPH",
    "Active",
    "Arch",
    "Attention",
    "Bias",
    "Clone",
    "Priors",
    "Shared",
    "SharedBias",
    "Sharing",
    "SinglePath",
    "Split",
    "Supernet",
    "can_split",
    "clones",
    "single_path",
    "split",
    "splits_lazily",
]

__getattr__ = lazily(
    __name__,
    {
        "attention": ("Attention",),
        "bias": ("Bias", "SharedBias"),
        "priors": ("NASBENCH201_GRAPH", "Priors"),
        "splitting": ("Clone", "Split", "can_split", "clones", "split", "splits_lazily"),
        "supernet": ("Active", "Arch", "Shared", "Sharing", "SinglePath", "Supernet", "single_path"),
    },
)
