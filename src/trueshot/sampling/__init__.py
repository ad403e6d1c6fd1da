"""Which architectures a training step uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueshot.core.lazy import lazily

if TYPE_CHECKING:
    from trueshot.sampling.rejection import LiveConvolution, has_live_convolution
    from trueshot.sampling.samplers import Matched, Remembers, Sampler, StrictlyFair, Uniform, expected_parts
    from trueshot.sampling.told import describe_sampler
    from trueshot.sampling.twins import Deisomorphic, FixedPool, LazyDeisomorphic


__all__ = [
    "Deisomorphic",
    "FixedPool",
    "LazyDeisomorphic",
    "LiveConvolution",
    "Matched",
    "Remembers",
    "Sampler",
    "StrictlyFair",
    "Uniform",
    "describe_sampler",
    "expected_parts",
    "has_live_convolution",
]

__getattr__ = lazily(
    __name__,
    {
        "rejection": ("LiveConvolution", "has_live_convolution"),
        "samplers": ("Matched", "Remembers", "Sampler", "StrictlyFair", "Uniform", "expected_parts"),
        "told": ("describe_sampler",),
        "twins": ("Deisomorphic", "FixedPool", "LazyDeisomorphic"),
    },
)
