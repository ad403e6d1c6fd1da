"""Makes scores of several parts, and those without training, from what a run works with."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float64, UInt8
from torch.nn import functional as F

from trueshot.core.cache import EvaluationCache
from trueshot.core.config import Part
from trueshot.core.errors import ConfigError
from trueshot.evaluation.costs import CostScore
from trueshot.evaluation.fused import Fused, fuse
from trueshot.evaluation.fusion_config import FusionConfig, ZeroCostScoreConfig, parts_of
from trueshot.evaluation.protocol import Evaluator
from trueshot.evaluation.proxies.names import ALIASES, COSTS, LIVE, PROXIES
from trueshot.evaluation.wrappers import Cached
from trueshot.evaluation.zero_cost import ProxyImages, ProxyTable, ZeroCost
from trueshot.spaces import Space
from trueshot.spaces.canonical.classes import every
from trueshot.training.data.batches import eval_batches

if TYPE_CHECKING:
    from trueshot.strategies.rankings.ranking import Ranking
    from trueshot.strategies.setup import Context

_POOL = 512
"""Training images that proxies draw from."""


def proxies_of(parts: Iterable[Part]) -> tuple[str, ...]:
    """Return the zero-cost proxies among evaluators."""
    named = (part.config.proxy for part in parts if isinstance(part.config, ZeroCostScoreConfig))
    return tuple(name for name in named if name in PROXIES)


def full_depth(context: Context) -> Space:
    """Return the space of the networks that proxies look at.

    Raises:
        ConfigError: when its arguments are none of the space's, or change what is decided.
    """
    space = context.space.final()
    arguments = context.fusion.zero_cost.networks.get(space.name, {})
    known = space.arguments()
    for name in arguments:
        if name not in known:
            raise ConfigError(
                f"fusion.zero_cost.networks.{space.name}.{name}: space {space.name} takes no such argument"
            )
    # Values come from YAML, which has no tuples.
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in arguments.items()
    }
    full = dataclasses.replace(space, **given)
    if full.decisions != context.space.decisions:
        raise ConfigError(
            f"fusion.zero_cost.networks.{space.name} changes the decisions of the space: give depth and width alone"
        )
    return full


def proxy_device(context: Context) -> torch.device:
    """Return the device that computes zero-cost proxies."""
    return torch.device("cpu") if context.fusion.zero_cost.device == "cpu" else context.device


def proxy_table(context: Context, names: Collection[str], cache: EvaluationCache | None = None) -> ProxyTable:
    """Return the scores of proxies, kept in ``cache``, else in the run directory."""
    options, images = context.fusion.zero_cost, context.images
    limit = max(_POOL, options.images, options.swap_images)
    batches = eval_batches(images.train, images, batch_size=limit, limit=limit, device=proxy_device(context))
    pixels, labels = next(iter(batches))
    full = full_depth(context)
    if pixels.shape[-1] != full.image_size:
        pixels = F.adaptive_avg_pool2d(pixels, full.image_size)
    seen = ProxyImages(images=(pixels, labels), count=options.images, swap=options.swap_images)
    return ProxyTable(
        full, names, seen, context.streams.child("fusion"), parts_cache(context) if cache is None else cache
    )


def parts_cache(context: Context) -> EvaluationCache:
    """Return where the scores of parts are kept."""
    return EvaluationCache(context.run.path / "log" / "parts.parquet")


def zero_cost(context: Context, name: str) -> Evaluator:
    """Return what scores by a cost or a zero-cost proxy.

    Raises:
        ConfigError: when there is no such proxy.
    """
    name = ALIASES.get(name, name)
    if name in PROXIES:
        return ZeroCost(context.proxies if name in context.proxies.names else proxy_table(context, [name]), name)
    if name not in (*COSTS, *LIVE) and name in context.costs.names:
        return CostScore(context.space, name, context.costs)
    return CostScore(full_depth(context), name)


def reference(context: Context, count: int) -> UInt8[np.ndarray, "r decisions"]:
    """Return the architectures that ranks are counted among: drawn as first proposals are, else uniformly.

    All of a space that has no more.
    """
    space = context.space
    if space.architectures is not None and space.architectures <= count:
        return every(space)
    generator = context.streams.numpy("fusion/reference")
    return space.sample(count, generator) if context.sampler is None else context.sampler.sample(count, generator)


def fused(context: Context, fusion: FusionConfig) -> Fused:
    """Return what adds up the parts of a fusion; what each says is kept in the run directory."""
    own = context.replace(fusion=fusion)
    cache = parts_cache(context)
    parts: dict[str, Evaluator] = {}
    for part in fusion.parts:
        inner = dataclasses.replace(part, wrappers=()).build(own)
        # A table of proxies has a cache of its own, and costs take no time.
        evaluator = inner if isinstance(inner, ZeroCost | CostScore) else Cached(inner, cache)
        for wrapper in part.wrappers:
            evaluator = wrapper.build(own, evaluator)
        parts[part.kind] = evaluator
    return Fused(parts, reference(context, fusion.reference))


def untrained(context: Context, parts: Iterable[Part]) -> list[Evaluator]:
    """Return those of the parts that need no supernet, for a forecast: nothing of what they say is kept."""
    free = [part for part in parts if not part.says("needs_supernet", False)]
    throw_away = context.replace(fusion=context.fusion.replace(parts=tuple(free) or context.fusion.parts))
    proxies = proxies_of(free)
    table = proxy_table(throw_away, proxies, EvaluationCache(None)) if proxies else None
    found: list[Evaluator] = []
    for part in free:
        proxy = part.config.proxy if isinstance(part.config, ZeroCostScoreConfig) else None
        found.append(ZeroCost(table, proxy) if table is not None and proxy in proxies else part.build(throw_away))
    return found


@dataclass(frozen=True)
class Columns:
    """The scores of architectures by every part of an evaluator, and of the reference.

    Attributes:
        scores: by part, ``(n,)`` each.
        known: of the reference by part.
        seconds: that a supernet took for its parts.
    """

    scores: dict[str, Float64[np.ndarray, " n"]]
    known: dict[str, Float64[np.ndarray, " r"]]
    seconds: float

    def fused(self, without: str | None = None) -> Float64[np.ndarray, " n"]:
        """Return the sum of the logarithms of the ranks, one part left out if wished."""
        return fuse({name: values for name, values in self.scores.items() if name != without}, self.known)

    def alone(self, name: str) -> Float64[np.ndarray, " n"]:
        """Return the logarithms of the ranks by one part."""
        return fuse({name: self.scores[name]}, self.known)


def fused_columns(ranking: Ranking, part: Part, scores: pd.DataFrame, record: Mapping[str, Any]) -> Columns:
    """Return what an evaluator adds up: scores of one supernet and others.

    Args:
        ranking: the ranking.
        part: the evaluator.
        scores: of the architectures of the truth by this supernet.
        record: what the supernet's job found; it has the scores of the reference.
    """
    columns, known, seconds = {}, {}, 0.0
    context = ranking.context
    for inner in parts_of(part, context.fusion, context.space):
        if inner.says("needs_supernet", False):
            columns[inner.kind] = scores[inner.kind].to_numpy()
            known[inner.kind] = np.array(record["reference"][inner.kind])
            seconds += float(record["score_seconds"][inner.kind])
        else:
            evaluator = inner.build(context)
            columns[inner.kind], known[inner.kind] = evaluator(ranking.truth.archs), evaluator(ranking.reference)
    return Columns(columns, known, seconds)
