"""Slow equality of topology architectures: their terms written out, and a search for a match of the operations."""

from collections import Counter


def describe(space, row, *, residual=False):
    """The operations as (edge, kind, terms read), and the terms of the last node: "x" or the number of an operation.

    With ``residual`` an operation within a stage adds what it reads, as bottlenecks do.
    """
    named = {edge: d.options[int(o)] for edge, d, o in zip(space.edges(), space.decisions, row, strict=True)}
    values, operations = {1: Counter("x")}, []
    for target in range(2, sum(space.nodes) + 1):
        value = Counter()
        for source in range(max(1, target - 3), target):
            option, stages = named[source, target], (space.stage(source), space.stage(target))
            if option not in ("none", "identity"):
                operations.append(((source, target), (option, *stages), values[source]))
                value[len(operations) - 1] += 1
            if option == "identity" or (residual and option != "none" and stages[0] == stages[1]):
                value += values[source]
        values[target] = value
    return operations, value


def matches(one, other):
    """All one-to-one matches of the operations, as dictionaries of numbers, that turn one network into the other."""
    (operations, output), (candidates, goal) = one, other

    def moved(value, match):
        return Counter({match[term]: count for term, count in value.items()})

    def extend(match):
        number = len(match) - 1
        if number == len(operations):
            if moved(output, match) == goal:
                yield match
            return
        _, kind, reads = operations[number]
        for candidate, (_, other_kind, other_reads) in enumerate(candidates):
            if candidate not in match.values() and kind == other_kind and moved(reads, match) == other_reads:
                yield from extend({**match, number: candidate})

    return extend({"x": "x"}) if len(operations) == len(candidates) else iter(())


_TREES = {}
"""Numbers of all sums met so far: written out, trees would grow with every operation."""


def unfolded(description):
    """The network as a tree, equal for equal networks and for some others."""
    operations, output = description
    names = {"x": "x"}

    def tree(value):
        return _TREES.setdefault(tuple(sorted((names[term], count) for term, count in value.items())), len(_TREES))

    for number, (_, kind, reads) in enumerate(operations):
        names[number] = f"{kind}({tree(reads)})"
    return tree(output), tuple(sorted(names[number] for number in range(len(operations))))


def classes(space, rows, *, residual=False):
    """For each row the position of the first that is its twin."""
    alike, first = {}, []
    for position, row in enumerate(rows):
        description = describe(space, row, residual=residual)
        known = alike.setdefault(unfolded(description), [])
        found = next((at for at, other in known if any(True for _ in matches(description, other))), position)
        if found == position:
            known.append((position, description))
        first.append(found)
    return first
