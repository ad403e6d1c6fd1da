"""Which architectures a training step uses."""

from trueshot.sampling.samplers import Matched, Sampler, StrictlyFair, Uniform, expected_parts

__all__ = ["Matched", "Sampler", "StrictlyFair", "Uniform", "expected_parts"]
