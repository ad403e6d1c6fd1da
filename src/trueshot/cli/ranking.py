"""``trueshot criteria`` and ``canonical``: how right a ranking is, and which architectures are one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from trueshot.cli.names import make_space
from trueshot.cli.output import Json, emit
from trueshot.cli.space import SpaceName
from trueshot.core.tables import shared_file

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console


def register(app: typer.Typer, name: str, arguments: Sequence[str]) -> None:
    """Add ``criteria`` or ``canonical``."""
    commands: dict[str, Callable[..., None]] = {"criteria": criteria, "canonical": canonical}
    app.command(name)(commands[name])


def criteria(
    truth: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="Table with the truth: Parquet or CSV, long or wide; also in $TRUESHOT_DATA."
        ),
    ],
    column: Annotated[str, typer.Option(metavar="C", help="Column of the truth, such as cifar10_test_200.")],
    scores: Annotated[Path, typer.Option(metavar="FILE", help="Parquet or CSV with the columns arch and score.")],
    bootstrap: Annotated[int | None, typer.Option(min=10, help="Resamples for 95 % intervals.")] = None,
    k: Annotated[list[str] | None, typer.Option("--k", help="K of P@K and BR@K: 0.05 is a share, 10 a number.")] = None,
    drop_nan: Annotated[bool, typer.Option("--drop-nan", help="Leave out architectures without a score.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    json: Json = False,
) -> None:
    """Compare scores with the truth by every ranking criterion."""
    from trueshot.core.random import Streams
    from trueshot.criteria.summary import DEFAULT_KS, summarise

    pairs = _paired(truth, column, scores, drop_nan)
    predicted, true = pairs.predicted, pairs.true
    ks = None if not k else [_parse_k(text) for text in k]
    generator = None if bootstrap is None else Streams(seed).numpy("bootstrap")
    summary = summarise(predicted=predicted, true=true, ks=ks, bootstrap=bootstrap, generator=generator)

    def human(console: Console) -> None:
        from rich.table import Table

        table = Table("criterion", "value", *([] if bootstrap is None else ["95 % interval"]), box=None)
        for name, figure in _flat(summary):
            if isinstance(figure, dict):
                table.add_row(name, f"{figure['value']:.4f}", f"{figure['low']:.4f} to {figure['high']:.4f}")
            else:
                table.add_row(name, f"{figure:.4f}")
        console.print(f"{len(predicted)} architectures, {column}")
        if pairs.dropped_nan:
            console.print(f"left out: {pairs.dropped_nan} with a score of NaN")
        if pairs.without_truth:
            console.print(f"left out: {pairs.without_truth} scored, but without a value in {column}")
        console.print(table)
        figures = dict(_flat(summary))
        if too_few := [f"{k:g}" for k in DEFAULT_KS if ks is None and f"P@{k}" not in figures]:
            console.print(
                f"left out: K = {' and '.join(too_few)}, too small a share of {len(predicted)} architectures to select"
                " any: choose with --k"
            )

    left_out = {"dropped_nan": pairs.dropped_nan, "without_truth": pairs.without_truth}
    emit({"n": len(predicted), "column": column, **left_out, **summary}, as_json=json, human=human)


def canonical(
    space: SpaceName,
    in_: Annotated[Path, typer.Option("--in", metavar="FILE", help="Table with a column arch or architecture.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The same with a column canonical.")],
    rule: Annotated[str | None, typer.Option(help="Canonical rule; the space's first by default.")] = None,
    json: Json = False,
) -> None:
    """Write for each architecture the string of its class."""
    import numpy as np

    from trueshot.core.errors import DataError
    from trueshot.core.tables import read_table

    built = make_space(space, {})
    table = read_table(in_, ())
    named = [column for column in ("arch", "architecture") if column in table]
    if not named:
        raise DataError(f"{in_} has neither a column arch nor architecture: name that of the architectures so")
    if not len(table):
        raise DataError(f"{in_} has no architectures")
    rows = built.canonical(np.stack([built.parse(str(text)) for text in table[named[0]]]), rule)
    distinct, inverse = np.unique(rows, axis=0, return_inverse=True)
    texts = np.array([built.format(row) for row in distinct], dtype=object)
    table["canonical"] = texts[inverse.reshape(-1)]
    _write(table, out)
    result = {"space": built.name, "rule": rule or next(iter(built.rules)), "n": len(table), "classes": len(distinct)}
    emit(
        {**result, "out": str(out)},
        as_json=json,
        human=lambda console: console.print(f"{out}: {len(table):,} architectures, {len(distinct):,} classes"),
    )


class _Pairs(NamedTuple):
    """Scores and truth, ``(n,)`` each, of the architectures that have both, and how many have one only.

    Attributes:
        predicted: the scores.
        true: the truth.
        dropped_nan: rows whose score is NaN.
        without_truth: architectures with a score, but an empty cell in the column of the truth.
    """

    predicted: Any
    true: Any
    dropped_nan: int
    without_truth: int


def _paired(truth: Path, column: str, scores: Path, drop_nan: bool) -> _Pairs:
    """Return scores and truth of the architectures scored."""
    import numpy as np

    from trueshot.core.errors import CriteriaError
    from trueshot.core.tables import read_table
    from trueshot.evaluation.truth import TruthTable

    table = TruthTable.read(shared_file(truth))
    true = dict(zip(table.architectures, table.column(column), strict=True))
    given = read_table(scores, ("arch", "score"))
    archs = [str(text) for text in given["arch"]]
    unknown = [arch for arch in archs if arch not in true]
    if unknown:
        # A row all of whose cells are empty is none of the truth's, but it is in the file.
        there = read_table(shared_file(truth), ())
        listed = {str(text) for name in ("arch", "architecture") if name in there for text in there[name]}
        unknown = [arch for arch in unknown if arch not in listed]
    if unknown:
        raise CriteriaError(f"{scores}: {len(unknown)} architectures are not in {truth}, the first '{unknown[0]}'")
    twice = given["arch"][given["arch"].duplicated()]
    if len(twice):
        raise CriteriaError(f"{scores}: {len(twice)} architectures stand there twice, the first '{twice.iloc[0]}'")
    try:
        predicted = given["score"].to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise CriteriaError(f"{scores}: column score holds something other than numbers ({error})") from error
    missing = np.isnan(predicted)
    if missing.any() and not drop_nan:
        first = archs[int(missing.argmax())]
        raise CriteriaError(f"{scores}: {int(missing.sum())} scores are NaN, the first of '{first}': add --drop-nan")
    infinite = np.isinf(predicted)
    if infinite.any():
        first = archs[int(infinite.argmax())]
        raise CriteriaError(
            f"{scores}: {int(infinite.sum())} scores are infinite, the first of '{first}': score them again, or remove"
            " those rows"
        )
    wanted = np.array([true.get(arch, np.nan) for arch in archs], dtype=np.float64)
    empty = ~missing & np.isnan(wanted)
    keep = ~missing & ~empty
    return _Pairs(predicted[keep], wanted[keep], int(missing.sum()), int(empty.sum()))


def _write(table: pd.DataFrame, path: Path) -> None:
    from trueshot.core.files import replacing

    with replacing(path) as temporary:
        if path.suffix.lower() == ".csv":
            table.to_csv(temporary, index=False)
        else:
            table.to_parquet(temporary, index=False)


def _parse_k(text: str) -> float | int:
    from trueshot.core.errors import CriteriaError

    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError as error:
        raise CriteriaError(f"--k '{text}' is no number: give a share such as 0.05, or a number such as 10") from error


def _flat(summary: dict[str, Any]) -> list[tuple[str, Any]]:
    rows = [(name, figure) for name, figure in summary.items() if not name.endswith("_at_k")]
    for group, label in (("p_at_k", "P@"), ("br_at_k", "BR@")):
        rows += [(f"{label}{k}", figure) for k, figure in summary[group].items()]
    return rows
