"""A space beyond products: genes name inputs too, a cell joins its loose ends, and some rows are no architecture."""

import dataclasses
from functools import partial

from torch import nn

from trueshot.operations.nasbench201 import relu_conv_bn
from trueshot.spaces import NONE, Decision, Site, Space
from trueshot.spaces.parts import Parts
from trueshot.spaces.steps import Concatenate, Step

EDGES = ((0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
OPERATIONS = ("conv", "pool", "skip", NONE)


class Cells(Parts):
    """Cells that read the outputs of the two before; an input has a twin for each set of loose ends that it may be."""

    def steps(self, *context):
        steps, outputs = [Step(self.parts["stem"], 0, 1)], [(1, "3"), (1, "3")]
        while f"{(cell := len(outputs) - 2)} 0 {outputs[-2][1]}" in self.parts:
            first, read = 5 * cell + 2, enumerate(outputs[-2:])
            edges = {(i, j): m for i, j in EDGES for m in self.present([f"{cell} {i}-{j}"], *context).values()}
            steps += [Step(self.parts[f"{cell} {i} {ends}"], node, first + i) for i, (node, ends) in read]
            steps += [Step(edge, first + i, first + j, True) for (i, j), edge in edges.items()]
            ends = "3" if (2, 3) in edges and not getattr(edges[2, 3], "blends", lambda *_: False)(*context) else "23"
            outputs.append((first + 4, ends))
            steps.append(Concatenate(tuple(first + int(end) for end in ends), first + 4))
        return [*steps, Step(self.parts[f"last {ends}"], first + 4, first + 5), Step(self.head, first + 5, first + 6)]


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
        genes = [(f"{at} {g}{n}", o) for at, i in nodes for n in "12" for g, o in (("in", i), ("op", OPERATIONS[:3]))]
        return tuple(Decision(name=name, options=tuple(options)) for name, options in genes)

    def valid(self, archs):
        return (archs[:, ::4] != archs[:, 2::4]).all(axis=1)

    def site(self, kind, i, j):
        stride, width = 2 if kind == "reduce" and i < 2 else 1, self.width
        skip = nn.Sequential if stride == 1 else partial(relu_conv_bn, width, 1, stride=stride)
        makers = (partial(relu_conv_bn, width, 3, stride=stride), partial(nn.AvgPool2d, 3, stride, 1), skip, None)
        names = tuple(f"{kind} {j} {gene}" for gene in ("in1", "op1", "in2", "op2"))
        follows = {"decisions": names, "choose": lambda in1, op1, in2, op2: {in1: op1, in2: op2}.get(i, 3)}
        shape = {"in_channels": width, "out_channels": width, "stride": stride}
        return Site(key=f"{kind} {i}-{j}", candidates=dict(zip(OPERATIONS, makers, strict=True)), **follows, **shape)

    def assemble(self, place, alone=False):
        parts, ends, width = {"stem": relu_conv_bn(self.in_channels, 3, self.width)}, [("3",), ("3",)], self.width
        for cell, (last, kind) in enumerate(zip(("", *self.cells), self.cells, strict=False)):
            twins = [(f"{cell} {i} {e}", len(e), 1 + (not i and last == "reduce")) for i in (0, 1) for e in ends[i - 2]]
            parts |= {name: relu_conv_bn(many * width, 1, width, stride) for name, many, stride in twins}
            parts |= {f"{cell} {i}-{j}": place(self.site(kind, i, j)) for i, j in EDGES}
            ends.append(("3", "23") if not alone else ("23",) if parts[f"{cell} 2-3"] is None else ("3",))
        parts |= {f"last {e}": relu_conv_bn(len(e) * width, 1, width) for e in ends[-1]}
        head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, self.classes))
        return Cells(parts, head, self.in_channels)

    def assemble_for(self, row, place):
        return self.assemble(place, alone=True)

    def derive(self, weights):
        row = []
        for kind, j in [(kind, j) for kind in sorted(set(self.cells)) for j in (2, 3)]:
            best = {i: weights[f"{kind} {i}-{j}"][:3].max(0) for i in range(j)}
            row += [g for i in sorted(best, key=lambda i: -best[i].values)[:2] for g in (i, int(best[i].indices))]
        return self.check([row])[0]
