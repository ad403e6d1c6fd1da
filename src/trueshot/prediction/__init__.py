"""Predictors: they learn from the scores of some architectures to tell those of others."""
