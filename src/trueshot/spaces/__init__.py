"""Search spaces: each is written once, as the assembly of its network.

Nothing here imports PyTorch before it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueshot.core.lazy import lazily

if TYPE_CHECKING:
    from trueshot.spaces.chain import Chain
    from trueshot.spaces.costs import Costs
    from trueshot.spaces.nasbench201 import NasBench201
    from trueshot.spaces.site import NONE, Blends, Candidate, Chooser, Decision, MayBeAbsent, Place, Site
    from trueshot.spaces.space import Space
    from trueshot.spaces.tables import Convention, CostTable
    from trueshot.spaces.topology import Topology


__all__ = [
    "NONE",
    "Blends",
    "Candidate",
    "Chain",
    "Chooser",
    "Convention",
    "CostTable",
    "Costs",
    "Decision",
    "MayBeAbsent",
    "NasBench201",
    "Place",
    "Site",
    "Space",
    "Topology",
]

__getattr__ = lazily(
    __name__,
    {
        "chain": ("Chain",),
        "costs": ("Costs",),
        "nasbench201": ("NasBench201",),
        "site": ("Blends", "Candidate", "Chooser", "Decision", "MayBeAbsent", "NONE", "Place", "Site"),
        "space": ("Space",),
        "tables": ("Convention", "CostTable"),
        "topology": ("Topology",),
    },
)
