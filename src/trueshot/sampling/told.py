"""Samplers in a few words, for people."""

from __future__ import annotations

from trueshot.core.own import name_of
from trueshot.core.units import format_count
from trueshot.sampling.rejection import LiveConvolution
from trueshot.sampling.samplers import Matched, Sampler, StrictlyFair, Uniform
from trueshot.sampling.twins import Deisomorphic, FixedPool, LazyDeisomorphic


def describe_sampler(sampler: Sampler) -> str:
    """Say how architectures are drawn; a user's own sampler is told by the name of its class."""
    if isinstance(sampler, Matched):
        expected = f"{format_count(sampler.expected_madds)} MAdds expected"
        if sampler.drops_nothing:
            return f"with every branch kept: only the full topology is sampled, {expected}"
        floor = ", but no more rarely than uniformly" if (sampler.dropped > sampler.p_drop + 1e-12).any() else ""
        return f"with each branch left out with probability {sampler.p_drop:.3f}{floor}: {expected}"
    if isinstance(sampler, LiveConvolution):
        return f"{describe_sampler(sampler.sampler)}, with a live convolution"
    if isinstance(sampler, Deisomorphic):
        return f"de-isomorphic over {sampler.classes} classes"
    if isinstance(sampler, LazyDeisomorphic):
        return f"de-isomorphic by rejection from {describe_sampler(sampler.sampler)}"
    if isinstance(sampler, FixedPool):
        return f"uniform from a pool of {len(sampler.archs)}"
    if isinstance(sampler, StrictlyFair):
        return "strictly fair"
    return "uniform" if isinstance(sampler, Uniform) else name_of(sampler)
