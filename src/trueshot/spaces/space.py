"""The one type of a search space."""

from __future__ import annotations

import abc
import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import numpy as np
from jaxtyping import Bool, Integer, UInt8

from trueshot.core.errors import ConfigError
from trueshot.spaces.checks import check_architectures, check_arguments, check_options, checked_valid
from trueshot.spaces.listing import LARGEST, combinations
from trueshot.spaces.mixtures import favoured
from trueshot.spaces.notation import Dashed, Notation, parsed, parsed_all, written
from trueshot.spaces.site import Chooser, Decision, Place, Site
from trueshot.spaces.tables import PLAIN, Convention, Costs, CostTable
from trueshot.spaces.uniform import drawn

_MOST_PIXELS = 2**14
"""Side of the largest image that a space is made for."""

if TYPE_CHECKING:
    import torch

Rule = Callable[[Any, UInt8[np.ndarray, "n decisions"]], UInt8[np.ndarray, "n decisions"]]
"""Maps ``(space, archs)``, checked rows, to the lexicographically least row of each row's class of twins."""


def literal(space: Any, archs: UInt8[np.ndarray, "n decisions"]) -> UInt8[np.ndarray, "n decisions"]:
    """Return every architecture as it is: no two are twins."""
    return archs


@dataclasses.dataclass(frozen=True, kw_only=True)
class Space(abc.ABC):
    """An immutable description of what may be built; it owns no weights.

    A subclass says one thing, once: how a network is assembled. Decisions, encodings, costs, stand-alone networks and
    supernets all come from walking :meth:`assemble` with different callbacks. Subclasses are final frozen dataclasses.

    Where not every combination of options is an architecture, a subclass says which are, by :meth:`valid`; where sites
    follow several decisions, it says what these are, by ``decisions``; where the structure itself follows the
    architecture, how one is built alone, by :meth:`assemble_for`.

    Attributes:
        image_size: side of the square input in pixels.
        classes: number of classes.
        in_channels: channels of the input.
        name: what the space is called on the command line and in messages; a class attribute like those below.
        notation: how architectures are written.
        convention: what costs count.
        canonical_rules: the rules by which architectures are twins, the default first.
        plans: arguments by a name, which may be given as ``plan`` where a space is made by its name.
    """

    name: ClassVar[str] = "space"
    notation: ClassVar[Notation] = Dashed()
    convention: ClassVar[Convention] = PLAIN
    canonical_rules: ClassVar[Mapping[str, Rule]] = {"literal": literal}
    plans: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    image_size: int = 224
    classes: int = 1000
    in_channels: int = 3

    def __post_init__(self) -> None:
        """Check the fields that all spaces have; a subclass that checks its own calls this first."""
        check_arguments(self)
        for name in ("image_size", "classes", "in_channels"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} of space {self.name} is {getattr(self, name)}: choose 1 or more")
        if self.image_size > _MOST_PIXELS:
            raise ConfigError(f"image_size of space {self.name} is {self.image_size}: choose {_MOST_PIXELS} or less")

    @abc.abstractmethod
    def assemble(self, place: Place) -> torch.nn.Module:
        """Build the skeleton, asking ``place(site)`` what stands at each searchable site.

        Genes are numbered in the order in which decisions are first placed, unless the space says its ``decisions``.
        The skeleton is called as ``skeleton(images, *context)`` and hands ``context`` to whatever was placed.
        """

    def assemble_for(self, row: Sequence[int], place: Place) -> torch.nn.Module:
        """Build the skeleton of one architecture, to stand alone: it is called as ``skeleton(images)``.

        Only a space whose structure follows the architecture says this. Whatever is in both skeletons has the same
        name in both, so that the weights of a supernet are found again.
        """
        return self.assemble(place)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one input image."""
        return self.in_channels, self.image_size, self.image_size

    @functools.cached_property
    def all_sites(self) -> tuple[Site, ...]:
        """All searchable spots, in the order in which they are placed."""
        from trueshot.spaces.assembly import sites_of

        return sites_of(self)

    @functools.cached_property
    def decisions(self) -> tuple[Decision, ...]:
        """The genes of an architecture, in order."""
        found: dict[str, Decision] = {}
        for site in self.all_sites:
            if site.choose is not None:
                raise ConfigError(
                    f"site '{site.key}' of space {self.name} follows several decisions: the space must say them all, in"
                    " order, as its 'decisions'"
                )
            decision = Decision(name=site.decision, options=tuple(site.candidates))
            check_options(self.name, decision)
            if found.setdefault(site.decision, decision) != decision:
                raise ConfigError(f"decision '{site.decision}' has other options at another site of {self.name}")
        return tuple(found.values())

    @functools.cached_property
    def genes(self) -> Mapping[str, int]:
        """Index of each decision by its name."""
        return {decision.name: gene for gene, decision in enumerate(self.decisions)}

    def chooser(self, site: Site) -> Chooser:
        """Return which candidate of a site of this space an architecture chooses.

        Raises:
            ConfigError: when the site does not fit the decisions.
        """
        chooser = site.chooser(self.genes)
        if site.choose is None and self.decisions[chooser.genes[0]].options != tuple(site.candidates):
            raise ConfigError(f"decision '{site.decision}' has other options at a site of {self.name}: name the same")
        return chooser

    @functools.cached_property
    def options(self) -> Integer[np.ndarray, " decisions"]:
        """Number of options of each decision."""
        for decision in self.decisions:
            check_options(self.name, decision)
        return np.array([len(decision.options) for decision in self.decisions], dtype=np.int64)

    @functools.cached_property
    def droppable(self) -> UInt8[np.ndarray, " decisions"]:
        """One for each decision that has the option ``none``, else zero."""
        return np.array([decision.none is not None for decision in self.decisions], dtype=np.uint8)

    @property
    def is_product(self) -> bool:
        """Whether every combination of options is an architecture."""
        return type(self).valid is Space.valid

    @property
    def is_static(self) -> bool:
        """Whether all architectures have one structure, in which they differ only by what stands at its sites."""
        return type(self).assemble_for is Space.assemble_for

    @property
    def is_additive(self) -> bool:
        """Whether a cost is a sum over decisions: one structure, and sites that follow one decision each."""
        return self.is_static and all(site.choose is None for site in self.all_sites)

    @functools.cached_property
    def architectures(self) -> int | None:
        """Number of architectures, exact; ``None`` where some combinations are none, and all are too many to list."""
        combined = math.prod(map(int, self.options))
        if self.is_product:
            return combined
        return int(checked_valid(self, combinations(self.options)).sum()) if combined <= LARGEST else None

    @property
    def topologies(self) -> int | None:
        """Number of sets of edges that can be present, or ``None`` where every edge always is."""
        return 2 ** int(self.droppable.sum()) if self.droppable.any() else None

    def check(self, archs: Integer[np.ndarray, "n decisions"] | list[Any]) -> UInt8[np.ndarray, "n decisions"]:
        """Return the batch as ``uint8``.

        Raises:
            ArchitectureError: naming the first row and position that is no option of this space, or the first row that
                is not valid.
        """
        return check_architectures(self, archs)

    def valid(self, archs: UInt8[np.ndarray, "n decisions"]) -> Bool[np.ndarray, " n"]:
        """Return which combinations of options are architectures; here all."""
        return np.ones(len(archs), dtype=bool)

    def sample(self, n: int, rng: np.random.Generator | int) -> UInt8[np.ndarray, "n decisions"]:
        """Draw ``n`` architectures, all equally likely.

        Raises:
            ConfigError: when a thousand rounds find no valid one.
        """
        return drawn(self, n, np.random.default_rng(rng))

    def format(self, row: Integer[np.ndarray, " decisions"]) -> str:
        """Write one architecture: the names of its options joined by ``-``, or the string of the space's benchmark."""
        (checked,) = self.check(np.asarray(row)[None])
        return written(self, checked)

    def parse(self, text: str) -> UInt8[np.ndarray, " decisions"]:
        """Read one architecture; ``parse(format(row))`` gives ``row``.

        Raises:
            ArchitectureError: naming the position that is wrong and what may stand there, or the architecture where
                every option is right but not their combination.
        """
        return parsed(self, text)

    def parse_all(self, texts: Sequence[str]) -> UInt8[np.ndarray, "n decisions"]:
        """Read many architectures, as :meth:`parse` reads each, in a fraction of the time.

        Raises:
            ArchitectureError: as :meth:`parse`, for the first that is wrong.
        """
        if type(self).parse is Space.parse:
            return parsed_all(self, texts)
        return self.check(np.array([self.parse(text) for text in texts]).reshape(len(texts), -1))

    @property
    def rules(self) -> tuple[str, ...]:
        """Names of the canonical rules, the default first."""
        return tuple(self.canonical_rules)

    def canonical(
        self, archs: Integer[np.ndarray, "n decisions"], rule: str | None = None
    ) -> UInt8[np.ndarray, "n decisions"]:
        """Return for each row the lexicographically least row of its class under ``rule`` (the first without one).

        Under ``literal`` every architecture is its own class.

        Raises:
            ConfigError: when the space has no such rule.
        """
        chosen = self.rules[0] if rule is None else rule
        if chosen not in self.canonical_rules:
            raise ConfigError(f"space {self.name} has no canonical rule '{rule}'; it has: {', '.join(self.rules)}")
        return self.canonical_rules[chosen](self, self.check(archs))

    @property
    def cost_table(self) -> CostTable | None:
        """Additive costs of every option of every decision, ``None`` where costs are no such sums."""
        from trueshot.spaces.counting import cost_table

        return cost_table(self) if self.is_additive else None

    def cost(self, archs: Integer[np.ndarray, "n decisions"]) -> Costs:
        """Return parameters and MAdds of every architecture: from the table, or else by walking each network."""
        from trueshot.spaces.counting import walked

        table, rows = self.cost_table, self.check(archs)
        return walked(self, rows) if table is None else table(rows)

    def bounds(self, metric: Literal["params", "madds"] = "madds") -> tuple[int, int] | None:
        """Return the least and the greatest cost of an architecture, ``None`` where costs are no sums of decisions."""
        table, genes = self.cost_table, range(len(self.decisions))
        if table is None or not self.is_product:
            return None
        fixed: int = getattr(table, f"fixed_{metric}")
        each = [getattr(table, metric)[gene, : self.options[gene]] for gene in genes]
        return fixed + sum(int(costs.min()) for costs in each), fixed + sum(int(costs.max()) for costs in each)

    def network(self, arch: Integer[np.ndarray, " decisions"]) -> torch.nn.Module:
        """Build one architecture as an ordinary module, ``forward(images)``, with fresh weights."""
        from trueshot.spaces.assembly import network

        (row,) = self.check(np.asarray(arch)[None])
        return network(self, tuple(row.tolist()))

    def derive(self, weights: Mapping[str, Any]) -> UInt8[np.ndarray, " decisions"]:
        """Return the architecture that the weights of a mixture favour.

        Each decision takes the option of most weight, summed over the keys of its sites; of equal ones the first.

        Args:
            weights: for the key of each site one number for each candidate, as an array or tensor.

        Raises:
            ConfigError: when a key is missing or has another number of weights, or when sites follow several decisions
                and the space does not say how to derive.
            ArchitectureError: when the architecture is not valid.
        """
        return favoured(self, weights)

    @property
    def model_name(self) -> str:
        """Whose networks these are, for people and files: the name of the space, or that of another library's model."""
        return self.name

    def stream_name(self, row: Integer[np.ndarray, " decisions"]) -> str:
        """Return the text by which the random streams of the network of one architecture are named."""
        return self.format(row)

    def scaled(self, multiplier: float, divisor: int = 8) -> Space:
        """Return the space with its widths multiplied, channels divisible by ``divisor``.

        The layer before the classifier may be widened but is not narrowed, as in MobileNetV2.

        Raises:
            ConfigError: when the space does not say which widths it multiplies.
        """
        raise ConfigError(f"space {self.name} does not say which widths it multiplies: define its method 'scaled'")

    def final(self) -> Space:
        """Return the space of the networks that are trained on their own: itself, unless a supernet has other parts."""
        return self

    def arguments(self) -> dict[str, Any]:
        """Return the fields that rebuild this space: ``type(space)(**arguments)`` equals it."""
        return cast(dict[str, Any], {field.name: getattr(self, field.name) for field in dataclasses.fields(self)})

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields alone: what was found by assembling need not survive a copy, and may not be copied."""
        return self.arguments()
