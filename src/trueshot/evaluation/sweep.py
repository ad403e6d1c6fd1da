"""Runs many architectures of a supernet at once, computing what they have in common once.

Two architectures share a value of a node when the steps that lead to it are the same: the same modules, which make the
same of the architecture, on the same values. So the stem is run once for all; prefixes once for each distinct prefix;
and an architecture that differs from another only where nothing is run, not at all.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, cast, final

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trueshot.evaluation.modes import evaluating
from trueshot.evaluation.recalibration import Statistics
from trueshot.sharing.supernet import IDENTITY, Active, Recognisable, Shared, Supernet
from trueshot.spaces.steps import Concatenate, Stepwise, node_values

Row = tuple[int, ...]
Outputs = list[Tensor | None]
"""One for each batch; ``None`` where a module stands for no connection, then for every batch."""

Value = tuple[Outputs, Outputs]
"""What calibration and validation batches are at one node."""

MEMORY = 1 << 29
"""Bytes of values kept for others that need them, 512 MiB; what does not fit is computed again."""


class _Apply(NamedTuple):
    """Value of a node: ``module`` applied to the value ``source``, under ``context`` where it is placed.

    ``function`` tells it from others.
    """

    module: nn.Module
    source: int
    context: tuple[Any, ...] | None
    function: Hashable

    @property
    def sources(self) -> tuple[int, ...]:
        """The values that this one is made of."""
        return (self.source,)


class _Add(NamedTuple):
    """Value of a node: the sum of two others."""

    first: int
    second: int

    @property
    def sources(self) -> tuple[int, ...]:
        """The values that this one is made of."""
        return self.first, self.second


class _Join(NamedTuple):
    """Value of a node: the channels of others, one after another."""

    sources: tuple[int, ...]


_Operation = _Apply | _Add | _Join

_IMAGES = 0


@final
class Plan:
    """The distinct values that some architectures need, each as a number; images are 0."""

    def __init__(self, supernet: Supernet) -> None:
        self.supernet = supernet
        assert isinstance(supernet.body, Stepwise)
        self._body = supernet.body
        # Asking a protocol takes longer than all the rest of placing a step.
        self._functions: dict[nn.Module, Callable[..., Hashable] | None] = {}
        self._numbers: dict[Hashable, int] = {}
        self.operations: list[_Operation | None] = [None]

    def add(self, row: Row) -> int:
        """Return the number of the logits of an architecture."""
        values, target = {0: _IMAGES}, 0
        context = self.supernet.context_of(row)
        for step in self._body.steps(*context):
            if isinstance(step, Concatenate):
                found = self._join(tuple(values[source] for source in step.sources))
            else:
                function = self._function(step.module, row, context) if step.placed else id(step.module)
                found = self._apply(step.module, values[step.source], context if step.placed else None, function)
            target = step.target
            values[target] = self._sum(values[target], found) if target in values else found
        return values[target]

    def _apply(self, module: nn.Module, source: int, context: tuple[Any, ...] | None, function: Hashable) -> int:
        if function == IDENTITY:
            return source
        return self._number((function, source), _Apply(module, source, context, function))

    def _function(self, module: nn.Module, row: Row, context: tuple[Any, ...]) -> Hashable:
        if module not in self._functions:
            self._functions[module] = module.function if isinstance(module, Recognisable) else None
        function = self._functions[module]
        return (id(module), row) if function is None else function(*context)

    def _sum(self, first: int, second: int) -> int:
        # Sums of two are commutative to the last bit; of more they are not associative, so that their order stays.
        return self._number(("+", min(first, second), max(first, second)), _Add(first, second))

    def _join(self, sources: tuple[int, ...]) -> int:
        return sources[0] if len(sources) == 1 else self._number(("|", *sources), _Join(sources))

    def _number(self, key: Hashable, operation: _Operation) -> int:
        number = self._numbers.setdefault(key, len(self.operations))
        if number == len(self.operations):
            self.operations.append(operation)
        return number


@final
class Sweep:
    """Computes logits of architectures, each distinct value once as far as memory allows.

    Args:
        supernet: its body must be :class:`~trueshot.spaces.steps.Stepwise`.
        calibration: batches by which the statistics of each BatchNorm layer are adapted before it is used.
        validation: batches whose logits are wanted.
        statistics: whose statistics normalise.
        memory: bytes of values kept.
        spoils: which functions write into their input, as far as known; filled in, so that a later sweep of the same
            supernet need not try them.
    """

    def __init__(
        self,
        supernet: Supernet,
        calibration: Sequence[Tensor],
        validation: Sequence[Tensor],
        statistics: Statistics,
        memory: int = MEMORY,
        spoils: dict[Hashable, bool] | None = None,
    ) -> None:
        self.supernet, self.statistics, self.memory = supernet, statistics, memory
        self._images: Value = (list(calibration), list(validation))
        self._fixed: dict[nn.Module, tuple[_BatchNorm, ...]] = {}
        self._spoils = {} if spoils is None else spoils

    def __call__(self, rows: Sequence[Row]) -> Iterator[tuple[list[int], list[Tensor]]]:
        """Yield the positions of all rows that are one computation, and their logits, one tensor for each batch."""
        plan, positions = planned(self.supernet, rows)
        memo = _Memo(plan, positions, self.memory)
        norms = (module for module in self.supernet.modules() if isinstance(module, _BatchNorm))
        # Once for all: lending takes as long as running a small module.
        with self.statistics.borrowed(norms):
            for number, where in positions.items():
                yield where, cast(list[Tensor], self._value(memo, number)[1])

    def _value(self, memo: _Memo, number: int) -> Value:
        """Return a value, computing what is not at hand; every call is one of its uses."""
        if number == _IMAGES:
            return self._images
        kept = memo.take(number)
        if kept is not None:
            return kept
        operation = cast(_Operation, memo.plan.operations[number])
        sources = [self._value(memo, source) for source in operation.sources]
        if isinstance(operation, _Apply):
            value = self._apply(operation, sources[0])
        else:
            combine = _add if isinstance(operation, _Add) else _join
            # Calibration batches, then validation batches.
            value = combine(*(part[0] for part in sources)), combine(*(part[1] for part in sources))
        memo.keep(number, value)
        return value

    def _apply(self, operation: _Apply, source: Value) -> Value:
        module, context = operation.module, operation.context or ()

        def run(images: Tensor | None) -> Tensor | None:
            images = self._guarded(operation, cast(Tensor, images))
            output: Tensor | None = module(images, *context)
            return output

        calibrated: Outputs = []
        norms = self._norms(operation)
        batches = cast(list[Tensor], source[0])
        self.statistics.estimate(norms, batches, lambda images: calibrated.append(run(images)))
        # Modules without norms are not run by the estimate, but what follows them may have some.
        if len(calibrated) < len(source[0]):
            calibrated = [run(images) for images in source[0]]
        return calibrated, [run(images) for images in source[1]]

    def _guarded(self, operation: _Apply, images: Tensor) -> Tensor:
        """Return a copy of ``images`` for a module that writes into its input, which others need as it is."""
        key, module, context = operation.function, operation.module, operation.context or ()
        if key not in self._spoils:
            few, kept = images[:2].clone(), images[:2]
            with evaluating(module):
                module(few, *context)
            self._spoils[key] = not torch.equal(few, kept)
        return images.clone() if self._spoils[key] else images

    def _norms(self, operation: _Apply) -> Sequence[_BatchNorm]:
        module, context = operation.module, operation.context
        if context is not None and isinstance(module, Shared):
            return module.active(*context).norms
        if module not in self._fixed:
            self._fixed[module] = Active.of([module]).norms
        return self._fixed[module]


def planned(supernet: Supernet, rows: Sequence[Row]) -> tuple[Plan, dict[int, list[int]]]:
    """Return a plan for some architectures, and where in ``rows`` those stand that need each of its logits.

    Logits are in an order in which neighbours have much in common.
    """
    plan = Plan(supernet)
    positions: dict[int, list[int]] = {}
    # Decisions are numbered as they are placed, so that sorted rows have long prefixes in common.
    for position in sorted(range(len(rows)), key=rows.__getitem__):
        positions.setdefault(plan.add(rows[position]), []).append(position)
    return plan, positions


def widest(supernet: Supernet, row: Row, images: Tensor) -> int:
    """Return the bytes of the largest value of a node for one image."""
    few = images[:2]
    assert isinstance(supernet.body, Stepwise)
    with evaluating(supernet), torch.inference_mode():
        context = supernet.context_of(row)
        values = node_values(supernet.body.steps(*context), few, context)
    return max(value.numel() * value.element_size() for node, value in values.items() if node) // len(few)


def _add(first: Outputs, second: Outputs) -> Outputs:
    return [a if b is None else b if a is None else a + b for a, b in zip(first, second, strict=True)]


def _join(*parts: Outputs) -> Outputs:
    return [torch.cat(cast(tuple[Tensor, ...], tensors), dim=1) for tensors in zip(*parts, strict=True)]


class _Memo:
    """Values that are still needed, the least recently used dropped where memory ends."""

    def __init__(self, plan: Plan, wanted: Iterable[int], memory: int) -> None:
        self.plan, self.memory, self._bytes = plan, memory, 0
        self._kept: OrderedDict[int, tuple[Value, int]] = OrderedDict()
        self._uses = [0] * len(plan.operations)
        for number in wanted:
            self._uses[number] += 1
        for number in range(len(plan.operations) - 1, 0, -1):
            for other in cast(_Operation, plan.operations[number]).sources:
                self._uses[other] += 1

    def take(self, number: int) -> Value | None:
        """Return a value if it is here, and count the use."""
        self._uses[number] -= 1
        if number not in self._kept:
            return None
        value, size = self._kept[number]
        if self._uses[number] > 0:
            self._kept.move_to_end(number)
        else:
            del self._kept[number]
            self._bytes -= size
        return value

    def keep(self, number: int, value: Value) -> None:
        """Keep a value as long as it is needed and there is room."""
        if self._uses[number] <= 0:
            return
        size = sum(tensor.numel() * tensor.element_size() for part in value for tensor in part if tensor is not None)
        self._kept[number] = value, size
        self._bytes += size
        while self._bytes > self.memory and self._kept:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._bytes -= dropped
