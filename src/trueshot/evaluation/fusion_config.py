"""Scores made of several: configurations of what is fused, free of heavy imports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator

from trueshot.core.config import Choice, Config, Flag, Part
from trueshot.core.errors import ConfigError
from trueshot.evaluation.config import EvaluatorConfig, SupernetScoreConfig, TwinsConfig
from trueshot.evaluation.proxies.names import AZ

if TYPE_CHECKING:
    from trueshot.evaluation.protocol import Evaluator


class ZeroCostScoreConfig(EvaluatorConfig):
    """Scores without training: a zero-cost proxy of the networks at full depth, or a cost, the larger the better.

    Attributes:
        proxy: its name, which stands for the whole: ``--oracle swap``.
    """

    proxy: str

    def build(self, context: Any, *inside: Any) -> Evaluator:
        """Return the evaluator; proxies of one table are computed together."""
        evaluator: Evaluator = context.zero_cost(self.proxy)
        return evaluator


def zero_cost_part(name: str) -> Part:
    """Return the evaluator called ``name``, one of :data:`~trueshot.evaluation.proxies.names.ZERO_COST`."""
    return Part(name, ZeroCostScoreConfig(proxy=name))


TWINS = Part("supernet+twins", SupernetScoreConfig(), wrappers=(Part("twins", TwinsConfig()),))
"""The mean over twins of the scores by the supernet."""

DEFAULT = (TWINS, *map(zero_cost_part, ("params-live", "swap", "az-expressivity")))
"""What is fused where nothing is said."""

FUSED_AZ = tuple(map(zero_cost_part, AZ))


def _expanded(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Return the parts, ``az`` as the four that it stands for, and each once.

    Raises:
        ValueError: when a part is itself made of parts.
    """
    found: dict[str, Part] = {}
    for part in parts:
        if isinstance(part.config, FusedConfig):
            if part.kind != "az":
                raise ValueError(f"{part.kind} is made of parts itself: name its parts instead")
            found |= {inner.kind: inner for inner in FUSED_AZ}
        else:
            found[part.kind] = part
    return tuple(found.values())


class ZeroCostOptions(Config):
    """What zero-cost proxies look at.

    Attributes:
        images: training images of each proxy but SWAP, and images of noise.
        swap_images: training images of SWAP.
        networks: by the name of a space, arguments of the networks that they are computed on, over those of the space
            as its networks are trained on their own: a supernet may be shallow and narrow, these are at full depth.
        device: that computes them: ``run``, the one that trains, or ``cpu``, so that other workers compute them while
            a GPU trains (the last digits may differ).
    """

    images: int = Field(default=64, ge=2)
    swap_images: int = Field(default=32, ge=2)
    networks: dict[str, dict[str, Any]] = Field(default_factory=dict)
    device: Literal["run", "cpu"] = "run"


class FusionConfig(Config):
    """What is fused, and how.

    The score of a part is the logarithm of its rank among a fixed sample of the space; those of all parts are added.

    Attributes:
        parts: evaluators; none given is ``supernet+twins`` (``supernet`` where twins cannot be listed),
            ``params-live``, ``swap`` and ``az-expressivity``. ``az`` stands for the four of AZ-NAS.
        reference: architectures in the sample; all where the space has no more.
        zero_cost: what zero-cost proxies look at.
    """

    parts: Annotated[
        tuple[Annotated[Part, Choice("evaluator")], ...],
        Flag(
            "--fuse",
            metavar="PARTS",
            help="What evaluator fused adds up, such as supernet+twins,params-live,swap,az-expressivity.",
            parse=lambda text: [part.strip() for part in text.split(",")],
        ),
    ] = ()
    reference: int = Field(default=1000, ge=10)
    zero_cost: ZeroCostOptions = ZeroCostOptions()

    @field_validator("parts")
    @classmethod
    def _check_parts(cls, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        return _expanded(parts)

    def of(self, space: Any) -> tuple[Part, ...]:
        """Return the parts for a space."""
        from trueshot.spaces.canonical.classes import lists_twins

        if self.parts or lists_twins(space):
            return self.parts or DEFAULT
        return (Part("supernet", SupernetScoreConfig()), *DEFAULT[1:])


class FusedConfig(EvaluatorConfig):
    """Adds up the logarithms of the ranks of several scores: ``fused``, the parts by ``--fuse``.

    Attributes:
        parts: evaluators in place of those of ``fusion.parts``.
        trained: whether parts may need a supernet; ``fused-zero-cost`` leaves those that do out, and then trains
            nothing.
    """

    parts: tuple[Annotated[Part, Choice("evaluator")], ...] = ()
    trained: bool = True

    @field_validator("parts")
    @classmethod
    def _check_parts(cls, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        return _expanded(parts)

    @property
    def needs_supernet(self) -> bool:  # type: ignore[override]
        """Whether trained shared weights must be there."""
        return self.trained

    def fusion(self, fusion: FusionConfig, space: Any) -> FusionConfig:
        """Return the fusion with exactly the parts that this evaluator adds up.

        Raises:
            ConfigError: when none is left, or none uses the supernet although one is trained.
        """
        parts = self.parts or fusion.of(space)
        if not self.trained:
            parts = tuple(part for part in parts if not part.says("needs_supernet", False))
        elif not any(part.says("needs_supernet", False) for part in parts):
            raise ConfigError("--fuse names no part that uses a supernet: add supernet, or take fused-zero-cost")
        if not parts:
            raise ConfigError("--fuse names no part that goes without a supernet: add one, such as params-live")
        return fusion.replace(parts=parts)

    def build(self, context: Any, *inside: Any) -> Evaluator:
        """Return the evaluator; its reference is drawn as the first proposals are, else uniformly."""
        evaluator: Evaluator = context.fused(self.fusion(context.fusion, context.space))
        return evaluator


def parts_of(part: Part, fusion: FusionConfig, space: Any) -> tuple[Part, ...]:
    """Return what an evaluator adds up; only itself where it is one score.

    Raises:
        ConfigError: when nothing is left to add up, or twins are asked for that cannot be listed.
    """
    parts = part.config.fusion(fusion, space).parts if isinstance(part.config, FusedConfig) else (part,)
    if any(averages_twins(one) for one in parts):
        from trueshot.spaces.canonical.classes import lists_twins

        if not lists_twins(space):
            raise ConfigError(f"space {space.name} has no isomorphic twins that could be listed: leave out +twins")
    return parts


def supernet_parts(part: Part, fusion: FusionConfig, space: Any) -> tuple[Part, ...]:
    """Return the scores by shared weights that an evaluator is made of: itself, its parts, or none.

    Raises:
        ConfigError: as :func:`parts_of`.
    """
    return tuple(one for one in parts_of(part, fusion, space) if one.says("needs_supernet", False))


def averages_twins(part: Part) -> bool:
    """Return whether a score is a mean over twins."""
    return any(isinstance(wrapper.config, TwinsConfig) for wrapper in part.wrappers)
