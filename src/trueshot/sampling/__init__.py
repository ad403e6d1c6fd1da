"""Which architectures a training step uses."""

from trueshot.sampling.rejection import LiveConvolution, has_live_convolution
from trueshot.sampling.samplers import Matched, Remembers, Sampler, StrictlyFair, Uniform, expected_parts
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
    "expected_parts",
    "has_live_convolution",
]
