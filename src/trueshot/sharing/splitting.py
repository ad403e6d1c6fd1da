"""Split weights: from some step on, a site has one set of weights for each choice before it.

Source: Laube and Zell, "Inter-choice dependent super-network weights", section 3.3.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast, final

import torch
from torch import Tensor, nn

from trueshot.sharing.priors import Combination, Previous, Priors
from trueshot.sharing.supernet import Active, Recognisable, Shared, Sharing, by_row, single_path
from trueshot.spaces import Site, Space
from trueshot.spaces.site import MayBeAbsent


class Clone(NamedTuple):
    """A parameter that came of a split.

    Attributes:
        source: the parameter that it was copied from.
        parameter: itself.
        shares_state: whether both have one and the same optimizer state.
    """

    source: nn.Parameter
    parameter: nn.Parameter
    shares_state: bool


@final
@dataclass(frozen=True, kw_only=True)
class Split:
    """A way of sharing weights: plain until :func:`split` is called, then one set for each combination before a site.

    A set holds all candidates of the site, so that a weight is selected by the choices before and the own choice.
    BatchNorm statistics are split as well. A site with nothing before it is never split. A state of split weights can
    be loaded into a supernet that is not split yet: it splits.

    Attributes:
        depth: how many choices before a site count, 1 in the paper.
        lazy: the published code's behaviour. A set starts when it is first trained, as a copy of the set that was
            trained just before (after the split, that of combination 0), and all sets of a weight have one optimizer
            state. Otherwise all sets start at the split, each with a copy of the state.
        priors: explicit lists of what each decision depends on, in place of ``depth``.
        over: the way of sharing that is split.
    """

    depth: int = 1
    lazy: bool = False
    priors: Priors | None = None
    over: Sharing = single_path

    def __call__(self, space: Space) -> Callable[[Site], nn.Module]:
        """Return what to place at each site of ``space``.

        Raises:
            ConfigError: when ``depth`` or ``priors`` do not fit the space.
        """
        inner, previous = by_row(self.over, space), Previous(space, self.depth, self.priors)

        def place(site: Site) -> nn.Module:
            before, placed = previous.before(site), inner(site)
            return SplitPath(placed, Combination(before), lazy=self.lazy) if before else placed

        return place


def split(supernet: nn.Module) -> None:
    """Give every site that :class:`Split` placed its own weights for each choice before it, in place.

    The next outputs are the same as without the split. A supernet that is split already stays as it is. An optimizer
    does not know of the new parameters: see :func:`clones`.
    """
    for path in _paths(supernet):
        path.grow()


def clones(supernet: nn.Module) -> list[Clone]:
    """Return all parameters that came of a split, in an order that depends on the supernet alone."""
    return [clone for path in _paths(supernet) for clone in path.clones()]


def can_split(supernet: nn.Module) -> bool:
    """Return whether any site may be split."""
    return next(_paths(supernet), None) is not None


def splits_lazily(supernet: nn.Module) -> bool:
    """Return whether the sets of some site share their optimizer state."""
    return any(path.lazy for path in _paths(supernet))


def split_state(supernet: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state of ``supernet`` before it was split as one after it, in which all sets are equal.

    What is split already, and what belongs to another supernet, stays as it is.
    """
    found = dict(state)
    for name, module in supernet.named_modules():
        if not isinstance(module, SplitPath):
            continue
        first = f"{name}.sets.0."
        members = [key.removeprefix(first) for key in found if key.startswith(first)]
        for number in range(1, len(module.sets)):
            for member in members:
                found.setdefault(f"{name}.sets.{number}.{member}", found[first + member])
    return found


def recall(supernet: nn.Module) -> None:
    """Have lazily split sites read from their buffers which sets were trained, after their state was replaced."""
    for path in _paths(supernet):
        path.recall()


def _paths(supernet: nn.Module) -> Iterator[SplitPath]:
    return (module for module in list(supernet.modules()) if isinstance(module, SplitPath))


@final
class SplitPath(nn.Module):
    """Holds one set of weights, and after :meth:`grow` one for each combination of the choices before.

    Args:
        inner: the site's weights.
        before: the choices that select a set.
        lazy: see :class:`Split`.
    """

    memory: Tensor

    def __init__(self, inner: nn.Module, before: Combination, *, lazy: bool = False) -> None:
        super().__init__()
        self.before, self.lazy = before, lazy
        self.sets = nn.ModuleList([inner])
        self._may_be_absent = isinstance(inner, MayBeAbsent)
        self._last, self._begun = 0, {0}
        if lazy:
            # For checkpoints: the set trained last, then for each set whether it was ever trained.
            memory = torch.zeros(1 + before.count, dtype=torch.long)
            memory[1] = 1
            self.register_buffer("memory", memory)

    def function(self, arch: Sequence[int]) -> Hashable:
        """Return what tells the function that the site computes from others."""
        selected = self._selected(arch)
        return selected.function(arch) if isinstance(selected, Recognisable) else (id(self), *arch)

    def grow(self) -> None:
        """Copy the weights for every other combination; does nothing when that is done."""
        if len(self.sets) == 1:
            self.sets.extend(copy.deepcopy(self.sets[0]) for _ in range(self.before.count - 1))

    def clones(self) -> Iterator[Clone]:
        """Yield the parameters of all sets but the first."""
        sources = list(self.sets[0].parameters())
        for members in list(self.sets)[1:]:
            for source, parameter in zip(sources, members.parameters(), strict=True):
                yield Clone(source, parameter, self.lazy)

    def forward(self, x: Tensor, arch: Sequence[int]) -> Tensor | None:
        """Run the chosen candidate of the set that the choices before select."""
        if self.lazy and self.training and len(self.sets) > 1 and not self.absent(arch):
            self._begin(self.before(arch))
        output: Tensor | None = self._selected(arch)(x, arch)
        return output

    def absent(self, arch: Sequence[int]) -> bool:
        """Return whether the architecture has no connection here."""
        return self._may_be_absent and cast(MayBeAbsent, self._selected(arch)).absent(arch)

    def active(self, arch: Sequence[int]) -> Active:
        """Return what the selected set uses."""
        return cast(Shared, self._selected(arch)).active(arch)

    def chosen(self, arch: Sequence[int]) -> nn.Module | None:
        """Return what the selected set chooses."""
        return cast(Shared, self._selected(arch)).chosen(arch)

    def _selected(self, arch: Sequence[int]) -> nn.Module:
        if len(self.sets) == 1:
            return self.sets[0]
        number = self.before(arch)
        # Under ``lazy`` a set that was never trained does not exist yet: evaluation takes the one it would start from.
        return self.sets[number if not self.lazy or number in self._begun else self._last]

    @torch.no_grad()
    def _begin(self, number: int) -> None:
        """Start a set by the one trained before it, and remember it as the last."""
        if number not in self._begun:
            own, source = self.sets[number].state_dict(), self.sets[self._last].state_dict()
            for name, value in own.items():
                value.copy_(source[name])
            self._begun.add(number)
            self.memory[1 + number] = 1
        if number != self._last:
            self._last = number
            self.memory[0] = number

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *arguments: Any) -> None:
        """Split first, where the state to load is split."""
        if any(name.startswith(f"{prefix}sets.1.") for name in state_dict):
            self.grow()
        super()._load_from_state_dict(state_dict, prefix, *arguments)
        self.recall()

    def recall(self) -> None:
        """Read from the buffer which sets were trained."""
        if self.lazy:
            last, *begun = self.memory.tolist()
            self._last, self._begun = last, {number for number, flag in enumerate(begun) if flag}
