"""Candidate operations as ordinary modules that know of no space."""

from trueshot.operations.bottleneck import LinearBottleneck, conv_bn, initialise

__all__ = ["LinearBottleneck", "conv_bn", "initialise"]
