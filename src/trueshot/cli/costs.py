"""Costs of the table of names and of a user's own files, as functions of a space."""

from __future__ import annotations

from trueshot.cli.names import GUARDS, TABLE, find_class, members_of
from trueshot.core.config import make_own
from trueshot.spaces import Space
from trueshot.spaces.costs import CostFunctions
from trueshot.spaces.own import check_cost


def make_costs(space: Space, own: tuple[str, ...]) -> CostFunctions:
    """Return all costs of the table, and those of the user's own files, as functions of a space.

    Raises:
        ConfigError: when a file holds no cost, or the cost cannot be made.
    """
    given, members = {"space": space}, members_of("cost")
    house = [find_class("cost", name)(space) for name in TABLE["cost"]]
    made = [make_own(name, find_class("cost", name), given, (), members, GUARDS["cost"]) for name in own]
    costs = CostFunctions(space, (*house, *made))
    for cost in made:
        check_cost(cost)
    return costs
