"""A softmax mixture as a way of sharing: each candidate of a site, weighted by what the context holds under its key."""

import torch
from torch import nn
from torch.nn import functional as F


class Mixture(nn.Module):
    """All candidates of a site, summed with the weights of its key."""

    def __init__(self, site):
        super().__init__()
        self.key, built = site.key, [None if make is None else make() for make in site.candidates.values()]
        self.present = [index for index, module in enumerate(built) if module is not None]
        self.candidates = nn.ModuleList(module for module in built if module is not None)

    def forward(self, x, weights):
        of = weights[self.key]
        return sum(of[index] * module(x) for index, module in zip(self.present, self.candidates, strict=True))

    def absent(self, weights):
        return not any(weights[self.key][index] for index in self.present)

    def blends(self, weights):
        return not self.absent(weights) and len(self.present) < len(weights[self.key].nonzero())

    def chosen(self, weights):
        index = int(weights[self.key].argmax())
        return self.candidates[self.present.index(index)] if index in self.present else None


class Mixed:
    """Places mixtures: ``Supernet(space, Mixed)(images, {key: weights of the candidates})``."""

    def __init__(self, space):
        self.space, self.choosers = space, {}

    def __call__(self, site):
        self.choosers[site.key] = self.space.chooser(site)
        return Mixture(site)

    def context(self, weights):
        return (weights,)

    def context_of(self, row):
        return ({key: F.one_hot(torch.tensor(c(row)), c.size).float() for key, c in self.choosers.items()},)
