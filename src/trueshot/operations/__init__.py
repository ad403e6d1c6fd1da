"""Candidate operations as ordinary modules that know of no space."""

from trueshot.operations.bottleneck import LinearBottleneck, classifier_head, conv_bn, initialise

__all__ = ["LinearBottleneck", "classifier_head", "conv_bn", "initialise"]
