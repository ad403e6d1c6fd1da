"""The one type of a search space."""

from __future__ import annotations

import abc
import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, cast

import numpy as np
import torch
from jaxtyping import Integer, UInt8
from torch import nn

from trueshot.core.errors import ArchitectureError, ConfigError
from trueshot.spaces.checks import check_options
from trueshot.spaces.counting import Convention, Costs, CostTable, cost_table
from trueshot.spaces.notation import Dashed, Notation
from trueshot.spaces.site import Decision, Place, Site

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

    Attributes:
        image_size: side of the square input in pixels.
        classes: number of classes.
        in_channels: channels of the input.
        name: what the space is called on the command line and in messages; a class attribute like those below.
        notation: how architectures are written.
        convention: what costs count.
        canonical_rules: the rules by which architectures are twins, the default first.
    """

    name: ClassVar[str] = "space"
    notation: ClassVar[Notation] = Dashed()
    convention: ClassVar[Convention] = Convention()
    canonical_rules: ClassVar[Mapping[str, Rule]] = {"literal": literal}
    image_size: int = 224
    classes: int = 1000
    in_channels: int = 3

    def __post_init__(self) -> None:
        """Check the fields that all spaces have; a subclass that checks its own calls this first."""
        for name in ("image_size", "classes", "in_channels"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} of space {self.name} is {getattr(self, name)}: choose 1 or more")

    @abc.abstractmethod
    def assemble(self, place: Place) -> nn.Module:
        """Build the skeleton, asking ``place(site)`` what stands at each searchable site.

        Genes are numbered in the order in which decisions are first placed. The skeleton is called as
        ``skeleton(images, *context)`` and hands ``context`` to whatever was placed.
        """

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one input image."""
        return self.in_channels, self.image_size, self.image_size

    @functools.cached_property
    def decisions(self) -> tuple[Decision, ...]:
        """The genes of an architecture, in order."""
        found: dict[str, Decision] = {}

        def place(site: Site) -> nn.Module:
            decision = Decision(name=site.decision, options=tuple(site.candidates))
            check_options(self.name, decision)
            if found.setdefault(site.decision, decision) != decision:
                raise ConfigError(f"decision '{site.decision}' has other options at another site of {self.name}")
            return nn.Identity()

        with torch.device("meta"):
            self.assemble(place)
        return tuple(found.values())

    @functools.cached_property
    def genes(self) -> Mapping[str, int]:
        """Index of each decision by its name."""
        return {decision.name: gene for gene, decision in enumerate(self.decisions)}

    @functools.cached_property
    def options(self) -> Integer[np.ndarray, " decisions"]:
        """Number of options of each decision."""
        return np.array([len(decision.options) for decision in self.decisions])

    @functools.cached_property
    def droppable(self) -> UInt8[np.ndarray, " decisions"]:
        """One for each decision that has the option ``none``, else zero."""
        return np.array([decision.none is not None for decision in self.decisions], dtype=np.uint8)

    @property
    def architectures(self) -> int:
        """Number of architectures, exact."""
        return math.prod(map(int, self.options))

    @property
    def topologies(self) -> int | None:
        """Number of sets of edges that can be present, or ``None`` where every edge always is."""
        return 2 ** int(self.droppable.sum()) if self.droppable.any() else None

    def check(self, archs: Integer[np.ndarray, "n decisions"] | list[Any]) -> UInt8[np.ndarray, "n decisions"]:
        """Return the batch as ``uint8``.

        Raises:
            ArchitectureError: naming the first row and position that is no option of this space.
        """
        array = np.asarray(archs)
        if array.ndim != 2 or array.shape[1] != len(self.decisions) or array.dtype.kind not in "iu":
            wanted = f"(n, {len(self.decisions)})"
            raise ArchitectureError(
                f"architectures of {self.name} are an integer array {wanted}, not {array.dtype} {array.shape}"
            )
        wrong = np.argwhere((array < 0) | (array >= self.options))
        if len(wrong):
            row, gene = map(int, wrong[0])
            decision = self.decisions[gene]
            raise ArchitectureError(
                f"{self.name} architecture {row}, position {gene + 1} of {len(self.decisions)} (decision"
                f" {decision.name}): {array[row, gene]} is no option of it; choose 0 to {len(decision.options) - 1}"
            )
        return array.astype(np.uint8)

    def sample(self, n: int, rng: np.random.Generator | int) -> UInt8[np.ndarray, "n decisions"]:
        """Draw ``n`` architectures, every option of every decision equally likely."""
        generator = np.random.default_rng(rng)
        return generator.integers(0, self.options, size=(n, len(self.decisions))).astype(np.uint8)

    def format(self, row: Integer[np.ndarray, " decisions"]) -> str:
        """Write one architecture: the names of its options joined by ``-``, or the string of the space's benchmark."""
        (checked,) = self.check(np.asarray(row)[None])
        return self.notation.join([d.options[int(choice)] for d, choice in zip(self.decisions, checked, strict=True)])

    def parse(self, text: str) -> UInt8[np.ndarray, " decisions"]:
        """Read one architecture; ``parse(format(row))`` gives ``row``.

        Raises:
            ArchitectureError: naming the position that is wrong and what may stand there.
        """
        words = self.notation.split(text)
        row = np.empty(len(self.decisions), dtype=np.uint8)
        # A missing part counts as an empty one, so that the first position that is wrong is always named.
        padded = words + [""] * (len(self.decisions) - len(words))
        for gene, (word, decision) in enumerate(zip(padded, self.decisions, strict=False)):
            lowered = [option.lower() for option in decision.options]
            if word.strip().lower() not in lowered:
                found = f"'{word.strip()}' is" if gene < len(words) else "the architecture ends before it, it is"
                raise ArchitectureError(
                    f"{self.name} architecture, position {gene + 1} of {len(row)} (decision {decision.name}): {found}"
                    f" not one of {', '.join(decision.options)}"
                )
            row[gene] = lowered.index(word.strip().lower())
        if len(words) > len(row):
            raise ArchitectureError(
                f"{self.name} architecture, position {len(row) + 1}: '{words[len(row)]}' is one too many;"
                f" an architecture has {len(row)} {self.notation.parts}"
            )
        return row

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
    def cost_table(self) -> CostTable:
        """Additive costs of every option of every decision."""
        return cost_table(self)

    def cost(self, archs: Integer[np.ndarray, "n decisions"]) -> Costs:
        """Return parameters and MAdds of every architecture."""
        return self.cost_table(self.check(archs))

    def bounds(self, metric: Literal["params", "madds"] = "madds") -> tuple[int, int]:
        """Return the least and the greatest cost that an architecture can have."""
        table, genes = self.cost_table, range(len(self.decisions))
        fixed: int = getattr(table, f"fixed_{metric}")
        each = [getattr(table, metric)[gene, : self.options[gene]] for gene in genes]
        return fixed + sum(int(costs.min()) for costs in each), fixed + sum(int(costs.max()) for costs in each)

    def network(self, arch: Integer[np.ndarray, " decisions"]) -> nn.Module:
        """Build one architecture as an ordinary module, ``forward(images)``, with fresh weights."""
        (row,) = self.check(np.asarray(arch)[None])

        def place(site: Site) -> nn.Module | None:
            candidate = tuple(site.candidates.values())[row[self.genes[site.decision]]]
            return None if candidate is None else candidate()

        return self.assemble(place)

    def final(self) -> Space:
        """Return the space of the networks that are trained on their own: itself, unless a supernet has other parts."""
        return self

    def arguments(self) -> dict[str, Any]:
        """Return the fields that rebuild this space: ``type(space)(**arguments)`` equals it."""
        return cast(dict[str, Any], {field.name: getattr(self, field.name) for field in dataclasses.fields(self)})
