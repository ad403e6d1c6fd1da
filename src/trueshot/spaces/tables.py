"""Costs as numbers: what is counted, of which architectures, and additive tables of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, Integer

from trueshot.spaces.costs import Costs as Costs


@dataclass(frozen=True, kw_only=True)
class Convention:
    """What is counted beyond the weights of the convolution and linear layers that are run.

    Attributes:
        linear_bias: whether the bias of a linear layer counts, one MAdd for each output.
        dead_edges: whether what is placed where it leads nowhere, and hence never run, counts as if it were.
    """

    linear_bias: bool = False
    dead_edges: bool = False


PLAIN = Convention()


@dataclass(frozen=True)
class CostTable:
    """Additive costs of a space.

    Attributes:
        fixed_params: parameters outside the sites; ``fixed_madds`` likewise.
        params: ``(decisions, most options)``, parameters of each option summed over the sites of its decision, zero
            beyond the last option; ``madds`` likewise.
    """

    fixed_params: int
    fixed_madds: int
    params: Int64[np.ndarray, "decisions options"]
    madds: Int64[np.ndarray, "decisions options"]

    def __call__(self, archs: Integer[np.ndarray, "n decisions"]) -> Costs:
        """Cost every architecture of the batch."""
        genes = np.arange(len(self.params))
        return Costs(
            params=self.fixed_params + self.params[genes, archs].sum(axis=1, dtype=np.int64),
            madds=self.fixed_madds + self.madds[genes, archs].sum(axis=1, dtype=np.int64),
        )
