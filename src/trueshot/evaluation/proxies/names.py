"""The names of what is scored without training; free of heavy imports."""

from __future__ import annotations

PASSES: dict[str, tuple[str, ...]] = {
    "az": ("az-expressivity", "az-progressivity", "az-trainability"),
    "swap": ("swap",),
    "zen": ("zen",),
    "naswot": ("naswot",),
    "loss": ("grad_norm", "snip", "fisher"),
    "jacob_cov": ("jacob_cov",),
    "synflow": ("synflow",),
}
"""Proxies by the pass over a network that computes them; in the order in which passes are made."""

PROXIES: tuple[str, ...] = tuple(name for names in PASSES.values() for name in names)
"""All proxies that look at a network with initial weights."""

LIVE = ("params-live", "madds-live")
"""Costs of what is run: what leads nowhere is not counted, whatever the benchmark of the space does."""

COSTS = ("params", "madds")
"""Costs as the space counts them."""

AZ = ("az-expressivity", "az-progressivity", "az-trainability", "az-complexity")
"""The four that AZ-NAS adds up; its complexity is the number of live multiply-adds."""

ALIASES = {"az-complexity": "madds-live"}

ZERO_COST: tuple[str, ...] = (*PROXIES, *LIVE, *COSTS, *ALIASES)
"""Everything that is scored without training."""
