"""A space beyond products: genes name inputs too, a cell joins its loose ends, and some rows are no architecture."""

import dataclasses
import itertools
from functools import partial

from torch import nn

from trueshot.spaces import NONE, Decision, Site, Space
from trueshot.spaces.steps import Concatenate, Step, run

EDGES = ((0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
OPERATIONS = ("conv", "pool", "skip")


def convolve(width, out, kernel, stride=1):
    return nn.Sequential(nn.ReLU(), nn.Conv2d(width, out, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(out))


class Cells(nn.Module):
    """Cells that read the outputs of the two before; an input has a twin for each set of loose ends that it may be."""

    def __init__(self, parts, cells):
        super().__init__()
        self.parts, self.cells = nn.ModuleDict(parts), cells

    def steps(self, *context):
        steps, outputs = [Step(self.parts["stem"], 0, 1)], [(1, "3"), (1, "3")]
        for cell, first in enumerate(range(2, 2 + 5 * self.cells, 5)):
            read = [(f"{cell} {side} {ends}", node) for side, (node, ends) in enumerate(outputs[-2:])]
            steps += [Step(self.parts[name], node, first + side) for side, (name, node) in enumerate(read)]
            edges = {(i, j): self.parts[f"{cell} {i}-{j}"] for i, j in EDGES if f"{cell} {i}-{j}" in self.parts}
            edges = {e: m for e, m in edges.items() if not (hasattr(m, "absent") and m.absent(*context))}
            steps += [Step(edge, first + i, first + j, True) for (i, j), edge in edges.items()]
            inner = edges.get((2, 3))
            ends = "23" if inner is None or (hasattr(inner, "blends") and inner.blends(*context)) else "3"
            steps.append(Concatenate(tuple(first + int(end) for end in ends), first + 4))
            outputs.append((first + 4, ends))
        node, ends = outputs[-1]
        return [*steps, Step(self.parts[f"last {ends}"], node, node + 1), Step(self.parts["head"], node + 1, node + 2)]

    def forward(self, x, *context):
        return run(self.steps(*context), x, context)

    def idle(self, *context):
        used = {step.module for step in self.steps(*context) if isinstance(step, Step)}
        return [part for part in self.parts.values() if part not in used]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LooseEnds(Space):
    """Genes: for each kind of cell and each of its two nodes two inputs, which must differ, each with its operation."""

    name = "loose-ends"
    image_size: int = 8
    classes: int = 3
    width: int = 4
    cells: tuple[str, ...] = ("normal", "reduce", "normal")

    @property
    def decisions(self):
        nodes = [(f"{kind} {j}", "012"[:j]) for kind in sorted(set(self.cells)) for j in (2, 3)]
        genes = [(f"{node} {g}{n}", o) for node, i in nodes for n in "12" for g, o in (("in", i), ("op", OPERATIONS))]
        return tuple(Decision(name=name, options=tuple(options)) for name, options in genes)

    def valid(self, archs):
        return (archs[:, ::4] != archs[:, 2::4]).all(axis=1)

    def site(self, kind, i, j):
        stride, width = 2 if kind == "reduce" and i < 2 else 1, self.width
        skip = nn.Sequential if stride == 1 else partial(convolve, width, width, 1, stride)
        makers = (partial(convolve, width, width, 3, stride), partial(nn.AvgPool2d, 3, stride, 1), skip, None)
        candidates = dict(zip((*OPERATIONS, NONE), makers, strict=True))
        shape = {"candidates": candidates, "in_channels": width, "out_channels": width, "stride": stride}
        names = tuple(f"{kind} {j} {gene}" for gene in ("in1", "op1", "in2", "op2"))
        follows = {"decisions": names, "choose": lambda in1, op1, in2, op2: {in1: op1, in2: op2}.get(i, 3)}
        return Site(key=f"{kind} {i}-{j}", **follows, **shape)

    def assemble(self, place, alone=False):
        parts, ends, width = {"stem": convolve(self.in_channels, self.width, 3)}, [("3",), ("3",)], self.width
        for cell, kind in enumerate(self.cells):
            strides = (2 if cell and self.cells[cell - 1] == "reduce" else 1, 1)
            twins = [(s, stride, f"{cell} {side} {s}") for side, stride in enumerate(strides) for s in ends[side - 2]]
            parts |= {name: convolve(len(s) * width, width, 1, stride) for s, stride, name in twins}
            placed = {f"{cell} {i}-{j}": place(self.site(kind, i, j)) for i, j in EDGES}
            parts |= {name: edge for name, edge in placed.items() if edge is not None}
            ends.append(("3", "23") if not alone else ("3",) if f"{cell} 2-3" in parts else ("23",))
        parts |= {f"last {s}": convolve(len(s) * width, width, 1) for s in ends[-1]}
        head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, self.classes))
        return Cells({**parts, "head": head}, len(self.cells))

    def assemble_for(self, row, place):
        return self.assemble(place, alone=True)

    def derive(self, weights):
        row = []
        for kind, j in itertools.product(sorted(set(self.cells)), (2, 3)):
            best = {i: weights[f"{kind} {i}-{j}"][:3].max(0) for i in range(j)}
            kept = sorted(best, key=lambda i: -best[i].values)[:2]
            row += [gene for i in kept for gene in (i, int(best[i].indices))]
        return self.check([row])[0]
