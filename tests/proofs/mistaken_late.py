"""Evaluators that need a supernet, and parts that end the process: each has one mistake."""

import sys

import numpy as np


class Needy:
    """An evaluator by the trained supernet that answers rightly."""

    needs_supernet, digest = True, "needy"

    def __init__(self, config, context):
        self.inside = context.trained.evaluator()

    def __call__(self, archs):
        return self.inside(archs)


class NeedyShort(Needy):
    def __call__(self, archs):
        return self.inside(archs)[:1]


class NeedyAttribute(Needy):
    def __call__(self, archs):
        return self.inside.score(archs)


class Free:
    needs_images, digest = False, "free"

    def __init__(self, config, context):
        pass

    def __call__(self, archs):
        return np.zeros((len(archs), 2))


class Ends(Free):
    def __call__(self, archs):
        sys.exit(7)
