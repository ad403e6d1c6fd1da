"""Which architectures train a supernet: the configurations of the samplers, free of heavy imports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from trueshot.core.config import PartConfig

if TYPE_CHECKING:
    from trueshot.sampling.samplers import Sampler

MOST_DROPPED = 0.8
"""Bound on a ``p_drop`` that nobody asked for: branches that are hardly ever trained would be scored as worthless."""


class SamplerConfig(PartConfig):
    """What the samplers of this package have in common.

    Attributes:
        per_step: architectures whose gradients make one optimizer step.
        require_live_conv: whether architectures without a convolution that leads anywhere are rejected.
    """

    per_step: int = Field(default=1, ge=1)
    require_live_conv: bool = False

    def build(self, context: Any, *inside: Any) -> Sampler:
        """Return the sampler of ``context.space``.

        Raises:
            BudgetError: when an explicit target cannot be met.
        """
        from trueshot.sampling.rejection import LiveConvolution

        sampler = self._plain(context)
        return LiveConvolution(context.space, sampler) if self.require_live_conv else sampler

    def _plain(self, context: Any) -> Sampler:
        """Return the sampler that rejects nothing."""
        raise TypeError(f"{type(self).__name__} does not say how its sampler is built")


class UniformConfig(SamplerConfig):
    """Every architecture equally likely (SPOS)."""

    def _plain(self, context: Any) -> Sampler:
        from trueshot.sampling.samplers import Uniform

        return Uniform(context.space, self.per_step)


class MatchedConfig(SamplerConfig):
    """Branches dropped so that the expected multiply-adds meet a target (ST-NAS, Eq. 4 and 5).

    Attributes:
        target_madds: the target, met exactly; without one, the bound on the multiply-adds as far as ``p_drop`` stays at
            most 0.8, and no branch is dropped more rarely than in uniform sampling (Eq. 3).
    """

    target_madds: int | None = Field(default=None, gt=0)

    def _plain(self, context: Any) -> Sampler:
        import dataclasses

        from trueshot.sampling.samplers import Matched

        if self.target_madds is not None:
            sampler = Matched.to_target(context.space, self.target_madds)
        else:
            sampler = Matched.within(
                context.space, context.bounds.get("madds", (None, None))[1], most_dropped=MOST_DROPPED
            )
        return dataclasses.replace(sampler, per_step=self.per_step)


class AutoConfig(MatchedConfig):
    """Matched where the space can drop edges, else uniform."""

    def _plain(self, context: Any) -> Sampler:
        from trueshot.sampling.samplers import Uniform

        if context.space.droppable.any():
            return super()._plain(context)
        return Uniform(context.space, self.per_step)


class FairConfig(SamplerConfig):
    """Every candidate of every decision once in a step (FairNAS), which sets the architectures of a step itself."""

    def _plain(self, context: Any) -> Sampler:
        from trueshot.sampling.samplers import StrictlyFair

        return StrictlyFair(context.space)


class DeisomorphicConfig(SamplerConfig):
    """Every class of isomorphic twins equally likely; the space is listed (Surgery paper, section 4).

    Attributes:
        rule: what twins are; without one, the first rule of the space.
        member: whether the least member of a class is drawn or a random one.
    """

    rule: str | None = None
    member: Literal["representative", "random"] = "representative"

    def build(self, context: Any, *inside: Any) -> Sampler:
        """Return the sampler; classes without a live convolution are left out before drawing."""
        from trueshot.sampling.twins import Deisomorphic

        return Deisomorphic(context.space, self.rule, self.member, self.require_live_conv, self.per_step)


class LazyDeisomorphicConfig(SamplerConfig):
    """The published form of de-isomorphic sampling: classes as they are met, for spaces of any size.

    Attributes:
        rule: what twins are; without one, the first rule of the space.
    """

    rule: str | None = None

    def build(self, context: Any, *inside: Any) -> Sampler:
        """Return the sampler; it draws one by one from the one that it rejects from."""
        from trueshot.sampling.rejection import LiveConvolution
        from trueshot.sampling.samplers import Uniform
        from trueshot.sampling.twins import LazyDeisomorphic

        drawn: Sampler = Uniform(context.space)
        if self.require_live_conv:
            drawn = LiveConvolution(context.space, drawn)
        return LazyDeisomorphic(context.space, drawn, rule=self.rule, per_step=self.per_step)


class PoolConfig(SamplerConfig):
    """Uniform from the architectures in a file.

    Attributes:
        pool: Parquet or CSV file with a column ``arch``; architectures that stand there repeatedly count as often.
        pool_digest: of the architectures in it, filled in, so that a change of the file is noticed.
    """

    pool: str
    pool_digest: str = ""

    @model_validator(mode="before")
    @classmethod
    def _fill_digest(cls, values: Any) -> Any:
        # A stored configuration has the digest already, and may be read where the file is not.
        if isinstance(values, dict) and isinstance(values.get("pool"), str) and not values.get("pool_digest"):
            from trueshot.sampling.pool import pool_digest

            return {**values, "pool_digest": pool_digest(values["pool"])}
        return values

    def _plain(self, context: Any) -> Sampler:
        from trueshot.sampling.pool import read_pool
        from trueshot.sampling.twins import FixedPool

        archs = read_pool(self.pool, context.space, self.pool_digest)
        return FixedPool(context.space, archs, per_step=self.per_step)
