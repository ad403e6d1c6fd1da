"""Canonical forms: which architectures are twins under a rule, and the one that stands for them."""

from trueshot.spaces.canonical.classes import ByCode, every, unique

__all__ = ["ByCode", "every", "unique"]
