"""Zero-cost proxies as evaluators: what networks with initial weights say, twins once, all proxies of a pass together.

Each is defined in :mod:`trueshot.evaluation.proxies`; weights are drawn as its source draws them, once for each
architecture. Networks have no edge that leads nowhere.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property, partial
from typing import final

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch import Tensor
from torch.nn import functional as F

from trueshot.core.cache import EvaluationCache
from trueshot.core.errors import ConfigError, DataError
from trueshot.core.fingerprint import fingerprint
from trueshot.core.random import Streams
from trueshot.evaluation.proxies import gradients, patterns
from trueshot.evaluation.proxies.az import az
from trueshot.evaluation.proxies.initial import Fresh, Workshop
from trueshot.evaluation.proxies.names import PASSES, PROXIES
from trueshot.evaluation.proxies.sharing import computed_once
from trueshot.evaluation.recalibration import Batch
from trueshot.spaces import Space
from trueshot.spaces.description import plain
from trueshot.spaces.skeletons import backbone

LAST = -float(np.finfo(np.float64).max)
"""The score of an architecture whose proxy is NaN or infinite: the last place, by a finite number."""

Rows = UInt8[np.ndarray, "n decisions"]


@dataclass(frozen=True, kw_only=True)
class ProxyImages:
    """What proxies look at.

    Attributes:
        images: normalised training images, without augmentation, and their labels.
        count: images of each proxy but SWAP, and of noise.
        swap: images of SWAP.
    """

    images: Batch
    count: int = 64
    swap: int = 32

    def __post_init__(self) -> None:
        """Check that there are images enough to be told apart."""
        if len(self.images[1]) < 2:
            raise DataError(f"zero-cost proxies need a batch of two images or more, not {len(self.images[1])}")

    def first(self, count: int) -> Tensor:
        """Return the first images, the same for every architecture."""
        return self.images[0][:count]

    def drawn(self, generator: torch.Generator) -> Batch:
        """Return images for one architecture, each cropped at random by an eighth of its side and perhaps mirrored."""
        images, labels = self.images
        chosen = torch.randperm(len(labels), generator=generator)[: self.count]
        side, border = images.shape[-1], images.shape[-1] // 8
        padded = F.pad(images[chosen], (border,) * 4)
        down, right = torch.randint(2 * border + 1, (2, len(chosen)), generator=generator).tolist()
        views = [view[:, y : y + side, x : x + side] for view, y, x in zip(padded, down, right, strict=True)]
        mirrored = torch.rand(len(chosen), generator=generator) < 0.5
        batch = torch.stack([view.flip(2) if flip else view for view, flip in zip(views, mirrored, strict=True)])
        return batch, labels[chosen]


@final
class ProxyTable:
    """Scores of several proxies, computed for an architecture together, each class of twins once.

    Args:
        space: builds the networks.
        names: the proxies that will be asked for.
        images: what they look at.
        streams: source of weights and noise.
        cache: of the scores; in memory only without one.

    Raises:
        ConfigError: when there is no such proxy.
    """

    def __init__(
        self,
        space: Space,
        names: Collection[str],
        images: ProxyImages,
        streams: Streams,
        cache: EvaluationCache | None = None,
    ) -> None:
        for name in names:
            if name not in PROXIES:
                raise ConfigError(f"'{name}' is no zero-cost proxy: choose one of {', '.join(PROXIES)}")
        self.space, self.names, self.images, self.streams = space, tuple(dict.fromkeys(names)), images, streams
        self.cache = EvaluationCache(None) if cache is None else cache
        self.device = images.images[0].device
        self._workshop = Workshop(space, self.device)
        self._signs: dict[tuple[torch.memory_format, int, torch.Size], Tensor] = {}

    @cached_property
    def digests(self) -> dict[str, str]:
        """The digest of each proxy: of space, images and seed."""
        space = plain(self.space)
        images = self.images.images, self.images.count, self.images.swap
        return {
            name: fingerprint("zero-cost 3", name, space, self.space.rules[0], self.streams.seed, *images)
            for name in self.names
        }

    def column(self, name: str, archs: Rows) -> Float64[np.ndarray, " n"]:
        """Return the scores by one proxy; those of the others are kept for when they are asked for."""
        if not len(archs):
            return np.empty(0, dtype=np.float64)
        rows, inverse = np.unique(self.space.canonical(archs), axis=0, return_inverse=True)
        scores = self.cache.get(self.digests[name], rows)
        for position in np.flatnonzero(np.isnan(scores)):
            row = rows[position : position + 1]
            missing = {other for other in self.names if np.isnan(self.cache.get(self.digests[other], row)[0])}
            found = self.computed(tuple(row[0].tolist()), missing)
            for other, value in found.items():
                self.cache.put(self.digests[other], row, np.array([value]), arch=[self.space.format(row[0])])
            scores[position] = found[name]
        self.cache.flush()
        return scores[inverse.reshape(-1)]

    def computed(self, row: tuple[int, ...], names: Collection[str]) -> dict[str, float]:
        """Compute the proxies of one architecture, those that are not finite as the last place.

        Raises:
            ConfigError: when the network has nothing that a proxy looks at; it is named.
        """
        streams = self.streams.child("zero-cost", *row)
        fresh = self._workshop.network(row, streams)
        found: dict[str, float] = {}
        with streams.forked("dropout"), computed_once(fresh.network):
            for group, members in PASSES.items():
                wanted = [name for name in members if name in names]
                if wanted:
                    values = self._passed(group, fresh, streams, wanted)
                    found |= {name: values[name] if np.isfinite(values[name]) else LAST for name in wanted}
        return found

    def _passed(self, group: str, fresh: Fresh, streams: Streams, wanted: list[str]) -> dict[str, float]:
        """Make one pass over the network."""
        if group in ("swap", "naswot") and not patterns.rectifies(fresh.network):
            raise ConfigError(
                f"{group} counts rectifiers, and networks of {self.space.name} have none (ReLU, ReLU6): leave it out"
            )
        images = self.images

        def given(pixels: Tensor) -> Tensor:
            return pixels.contiguous(memory_format=fresh.format)

        if group == "az":
            wants_signs = "az-trainability" in wanted
            signs = partial(self._sign, fresh.format) if wants_signs else None
            return az(backbone(fresh.draw("he")), given(self._noise("az")), signs)
        if group == "swap":
            return {"swap": patterns.swap(fresh.draw("normal"), given(images.first(images.swap)))}
        if group == "zen":
            network = fresh.draw("normal", statistics=True)
            return {"zen": gradients.zen(network, given(self._noise("zen")), given(self._noise("zen-change")))}
        if group == "naswot":
            return {"naswot": patterns.naswot(fresh.draw("default"), given(images.first(images.count)))}
        if group == "synflow":
            return {"synflow": gradients.synflow(fresh.draw("default", statistics=True), given(images.first(1)))}
        pixels, labels = images.drawn(streams.torch("images"))
        if group == "loss":
            return gradients.of_the_loss(fresh.draw("default"), given(pixels), labels)
        return {"jacob_cov": gradients.jacob_cov(fresh.draw("default"), given(pixels))}

    def _noise(self, name: str) -> Tensor:
        """Return images of standard normal values, the same for every architecture."""
        shape = (self.images.count, *self.space.input_shape)
        return torch.randn(shape, generator=self.streams.torch(f"noise/{name}")).to(self.device)

    def _sign(self, memory_format: torch.memory_format, level: int, shape: torch.Size) -> Tensor:
        """Return the gradient of a level's output, the same for every architecture of this shape."""
        key = memory_format, level, shape
        if key not in self._signs:
            generator = self.streams.torch("signs", level, *shape)
            signs = torch.randint(2, shape, generator=generator).mul_(2).sub_(1).float().to(self.device)
            self._signs[key] = signs.contiguous(memory_format=memory_format)
        return self._signs[key]


@final
class ZeroCost:
    """Scores architectures by one proxy of a table; the last place is :data:`LAST`."""

    def __init__(self, table: ProxyTable, proxy: str) -> None:
        self.table, self.proxy = table, proxy

    @property
    def digest(self) -> str:
        """Fingerprint of space, proxy, images and seed."""
        return self.table.digests[self.proxy]

    def __call__(self, archs: Rows) -> Float64[np.ndarray, " n"]:
        """Score every architecture."""
        return self.table.column(self.proxy, self.table.space.check(archs))
