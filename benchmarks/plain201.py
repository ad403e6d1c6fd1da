"""A network of NAS-Bench-201 as one writes it by hand, in PyTorch alone: what supernets are compared with.

Every edge but ``none`` is run, also where it leads nowhere, and a node adds its incoming edges one by one.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


def relu_conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Module:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(nn.ReLU(), convolution, nn.BatchNorm2d(outputs))


def operation(name: str, width: int) -> nn.Module | None:
    """Return an operation by its published name; ``conv_3x3`` and ``nor_conv_3x3`` are the same."""
    if name.endswith(("conv_1x1", "conv_3x3")):
        return relu_conv_bn(width, width, int(name[-1]))
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, 1, 1, count_include_pad=False)
    return nn.Identity() if name == "skip_connect" else None


class Cell(nn.Module):
    """Edges in the published order: into node 1, into node 2 from 0 and 1, into node 3 from 0, 1 and 2."""

    def __init__(self, names: Sequence[str], width: int) -> None:
        super().__init__()
        pairs = [(source, target) for target in (1, 2, 3) for source in range(target)]
        edges = {f"{i}_{j}": operation(name, width) for (i, j), name in zip(pairs, names, strict=True)}
        self.edges = nn.ModuleDict({key: edge for key, edge in edges.items() if edge is not None})

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, c, h, w)`` to the same shape."""
        nodes: list[Tensor | None] = [x]
        for target in (1, 2, 3):
            total: Tensor | None = None
            for source, value in enumerate(nodes):
                if value is not None and f"{source}_{target}" in self.edges:
                    message = self.edges[f"{source}_{target}"](value)
                    total = message if total is None else total + message
            nodes.append(total)
        return x * 0 if nodes[3] is None else nodes[3]


class Reduction(nn.Module):
    """Halves the resolution and doubles the width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.main = nn.Sequential(relu_conv_bn(width, 2 * width, 3, 2), relu_conv_bn(2 * width, 2 * width, 3))
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(width, 2 * width, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        result: Tensor = self.main(x) + self.shortcut(x)
        return result


def network(names: Sequence[str], width: int = 16, cells: int = 5, classes: int = 10) -> nn.Module:
    """Build the network whose cells have these operations on their six edges."""
    modules: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
    for stage in range(3):
        modules += [] if stage == 0 else [Reduction(width * 2 ** (stage - 1))]
        modules += [Cell(names, width * 2**stage) for _ in range(cells)]
    last = 4 * width
    head = (nn.BatchNorm2d(last), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, classes))
    return nn.Sequential(*modules, *head)
