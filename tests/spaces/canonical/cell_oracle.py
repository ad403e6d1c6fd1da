"""Slow rules of equality for NAS-Bench-201 cells, by strings and by trying all numberings of the convolutions."""

import itertools

EDGES = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
NONE, SKIP, CONV1, CONV3, POOL = range(5)
# The names matter: a skipped sum is not merged into the sum it enters, but sorted into it by its first term.
NAMES = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]


def incoming(cell, node):
    return [(edge, source, cell[edge]) for edge, (source, target) in enumerate(EDGES) if target == node]


def string_code(cell, *, hashes, skips, keep=True, collapse=False, drop_none=False, drop_empty=False):
    """Sorted terms joined by "+"; options are the simplifications."""
    values = ["0"]
    for node in (1, 2, 3):
        terms = []
        for _, source, operation in incoming(cell, node):
            value = values[source]
            if (drop_none and operation == NONE) or (drop_empty and value == ""):
                continue
            if hashes and (operation == NONE or value == "#"):
                terms.append("#")
            elif skips and operation == SKIP:
                terms.append(value)
            else:
                terms.append(f"({value})@{NAMES[operation]}")
        if not keep:
            terms = [term for term in terms if term != "#"] or ["#"]
        if collapse and set(terms) == {"#"}:
            terms = ["#"]
        values.append("+".join(sorted(terms)))
    return values[3]


def _convolution(edge, operation, text):
    return f"({text})@{operation}"


def terms_code(cell, *, distribute, convolution=_convolution):
    """Each node a multiset of terms, zeros dropped, skipped sums merged; pooling distributed over sums or not."""
    values = [("0",)]
    for node in (1, 2, 3):
        terms = []
        for edge, source, operation in incoming(cell, node):
            value = values[source]
            if operation == NONE or not value:
                continue
            if operation == SKIP:
                terms += value
            elif operation == POOL and distribute:
                terms += [f"({term})@{POOL}" for term in value]
            elif operation == POOL:
                terms.append(f"({'+'.join(value)})@{POOL}")
            else:
                terms.append(convolution(edge, operation, "+".join(value)))
        values.append(tuple(sorted(terms)))
    return "+".join(values[3])


def live_edges(cell):
    """Edges on a path from node 0 to node 3, by walking all paths."""
    paths = [[5 - 2], [0, 4], [1, 5], [0, 2, 5]]
    return {edge for path in paths if all(cell[e] != NONE for e in path) for edge in path}


def graph_code(cell, *, distribute):
    """The least description over all numberings of the live convolutions, each of which has weights of its own."""
    live = live_edges(cell)
    convolutions = [edge for edge in range(6) if edge in live and cell[edge] in (CONV1, CONV3)]
    pruned = tuple(operation if edge in live else NONE for edge, operation in enumerate(cell))
    best = None
    for numbering in itertools.permutations(range(len(convolutions))):
        number = dict(zip(convolutions, numbering, strict=True))
        description = {}

        def convolution(edge, operation, text, number=number, description=description):
            description[number[edge]] = f"{operation}({text})"
            return f"c{number[edge]}"

        output = terms_code(pruned, distribute=distribute, convolution=convolution)
        code = (output, tuple(description[n] for n in range(len(convolutions))))
        best = code if best is None or code < best else best
    return best
