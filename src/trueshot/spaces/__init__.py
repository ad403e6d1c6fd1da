"""Search spaces: each is written once, as the assembly of its network."""

from trueshot.spaces.chain import Chain
from trueshot.spaces.counting import Costs, CostTable
from trueshot.spaces.nasbench201 import NasBench201
from trueshot.spaces.site import NONE, Candidate, Decision, Place, Site
from trueshot.spaces.space import Space
from trueshot.spaces.topology import Topology

__all__ = [
    "NONE",
    "Candidate",
    "Chain",
    "CostTable",
    "Costs",
    "Decision",
    "NasBench201",
    "Place",
    "Site",
    "Space",
    "Topology",
]
