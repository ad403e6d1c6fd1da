"""Ways of sharing weights between the architectures of a space."""

from trueshot.sharing.attention import Attention
from trueshot.sharing.bias import Bias, SharedBias
from trueshot.sharing.priors import NASBENCH201_GRAPH, Priors
from trueshot.sharing.split import Clone, Split, can_split, clones, split, splits_lazily
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
