"""``trueshot truth``: what architectures reach when each is trained on its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trueshot.cli.flags import options_of, with_options
from trueshot.cli.names import find_class, make_space
from trueshot.cli.options import Device, Executor, Ray
from trueshot.cli.output import Json, emit
from trueshot.core.tables import shared_file

if TYPE_CHECKING:
    from rich.console import Console

    from trueshot.evaluation.truth import TruthTable
    from trueshot.spaces import Space
    from trueshot.strategies.rankings.reliability import Column

_SIZE_SPACE = r"(8|16|24|32|40|48|56|64)(:(8|16|24|32|40|48|56|64)){4}"
"""An architecture of the size benchmark: the widths of its five stages."""


def register(app: typer.Typer, name: str, arguments: Sequence[str]) -> None:
    """Add ``truth build``, ``truth import`` and ``truth show``."""
    from trueshot.strategies.truth.config import TruthConfig

    group = typer.Typer(no_args_is_help=True, help="Ground truth: make, import and judge a table of it.")
    group.command("build")(with_options(build, options_of(TruthConfig)))
    group.command("import")(import_)
    group.command("show")(show)
    app.add_typer(group, name=name)


def build(
    space: Annotated[
        str,
        typer.Option(
            metavar="S", help="chain, topology, nasbench201, or your own: module:Class or path/file.py:Class."
        ),
    ],
    data: Annotated[
        str,
        typer.Option(
            metavar="D", help="digits, a folder, a Parquet file, or cifar10 / subimagenet64 in $TRUESHOT_DATA."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE|DIR", help="Table, .parquet or .csv (work is kept beside it in NAME.work), or a directory."
        ),
    ],
    n: Annotated[int | None, typer.Option("--n", min=1, help="Architectures; 50, or all of --archs.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each architecture.")] = 2,
    archs: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Parquet or CSV with a column arch; drawn at random without it.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of each training; the preset's without it.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Trainings at the same time; as many as cores, one on a GPU.")
    ] = None,
    executor: Executor = "local",
    ray: Ray = None,
    preset: Annotated[str | None, typer.Option(help="Preset; chosen by image size and device without it.")] = None,
    device: Device = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Take up a build in --out that had other architectures or seeds.")
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="One value, such as retraining.recipe.lr=0.1."),
    ] = None,
    json: Json = False,
    said: Any = None,
) -> None:
    """Train architectures one by one and keep what they reach. A repeated command goes on where it stopped.

    A training that fails stops no other: the table of the others is written, and the exit code is 2.
    """
    from trueshot.cli.early import truth_config
    from trueshot.cli.values import Said, check_early
    from trueshot.core.errors import ConfigError
    from trueshot.training.data.named import find_source

    asked = Said.of(None, {**said, "source": data, "space": {"name": space}}, tuple(set_ or ()))
    check_early(asked.space, device, executor, ray)
    truth_config(asked, preset, epochs)
    if out.suffix[1:].isalpha() and not _is_file(out) and not out.is_dir():
        raise ConfigError(f"--out {out}: a table ends with .parquet or .csv, a folder with no such ending")
    find_source(data)

    from trueshot.cli.progress import make_progress
    from trueshot.cli.truth_request import TABLE, TruthRequest, prepare
    from trueshot.core.executor import raise_failures

    request = TruthRequest(
        said=asked,
        table=out if _is_file(out) else out / TABLE,
        work=out.with_suffix(".work") if _is_file(out) else out,
        n=n,
        seeds=seeds,
        archs=archs,
        epochs=epochs,
        workers=workers,
        executor=executor,
        ray=ray,
        preset=preset,
        device=device,
        resume=resume,
    )
    with make_progress() as progress:
        setup, trainings = prepare(request, progress)
        try:
            with setup.context.run.locked():
                built = setup.build(trainings, observer=progress)
        except KeyboardInterrupt:
            progress.say("to go on, repeat the command")
            raise
        if built.table is not None:
            built.table.write(request.table)
    if built.table is not None:
        more = {"work": str(request.work), "trainings": len(trainings), "failed": len(built.failures)}
        _report(built.table, request.table, None, setup.context.space, as_json=json, more=more)
    raise_failures(built.failures, progress.say)


def import_(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FILE_OR_DIR", help="Files of NATS-Bench as downloaded, or Parquet or CSV, long or wide."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the table is written: .parquet or .csv.")],
    benchmark: Annotated[
        str | None,
        typer.Option(metavar="tss|sss", help="Require NATS-Bench's topology or size benchmark; told apart without it."),
    ] = None,
    space: Annotated[
        str | None, typer.Option(metavar="S", help="Require architectures of this space, with its default arguments.")
    ] = None,
    json: Json = False,
) -> None:
    """Read ground truth of others, check it and write it as one table."""
    from trueshot.core.errors import ConfigError, DataError
    from trueshot.evaluation.nats import read_nats
    from trueshot.evaluation.truth import TruthTable, rows_of

    if benchmark not in (None, "tss", "sss"):
        raise ConfigError(f"unknown benchmark '{benchmark}': choose tss (topology) or sss (size)")
    if not _is_file(out):
        raise ConfigError(f"--out {out}: the table is one file, call it .parquet or .csv")
    if not source.exists():
        raise DataError(f"there is no file or folder {source}")
    own = None if space is None else make_space(space, {})
    official = source.is_dir() or source.suffix.lower() not in (".parquet", ".csv")
    if benchmark is not None and not official:
        raise ConfigError(f"--benchmark is of NATS-Bench's own files, and {source} is a table: leave it out")
    table = read_nats(source) if official else TruthTable.read(source)
    found = _check_benchmark(table, source, benchmark) if official else None
    if own is not None:
        rows_of(table.architectures, own)
    table.write(out)
    _report(table, out, None, None, as_json=json, more={"benchmark": found})


def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Table of truth, or the directory of a build.")],
    column: Annotated[str | None, typer.Option(metavar="C", help="Only this column.")] = None,
    space: Annotated[
        str | None,
        typer.Option(metavar="S", help="Space of the architectures: adds its twins, and what their size alone tells."),
    ] = None,
    json: Json = False,
) -> None:
    """Show what a table holds and how reliable it is."""
    from trueshot.cli.truth_request import TABLE
    from trueshot.evaluation.truth import TruthTable

    path = file / TABLE if file.is_dir() else shared_file(file)
    table = TruthTable.read(path)
    built = None if space is None else _space_of(space, path)
    _report(table, path, column, built, as_json=json, more={})


def _is_file(out: Path) -> bool:
    return out.suffix.lower() in (".parquet", ".csv")


def _space_of(name: str, table: Path) -> Space:
    """Return the space called ``name``: that of the build beside the table, or the default where there is no build."""
    from trueshot.cli.truth_request import space_beside
    from trueshot.core.errors import ConfigError
    from trueshot.spaces.description import rebuild

    description = space_beside(table)
    if description is None:
        return make_space(name, {})
    found, built = find_class("space", name), rebuild(description)
    if type(built) is not found:
        raise ConfigError(f"--space {name}: the table was built of {built.name}: give that, or leave it out")
    return built


def _check_benchmark(table: TruthTable, source: Path, benchmark: str | None) -> str:
    """Return which benchmark the architectures are of.

    Raises:
        DataError: when they are of neither, or of another than ``benchmark``.
    """
    import re

    from trueshot.core.errors import DataError
    from trueshot.evaluation.truth import rows_of
    from trueshot.spaces import NasBench201

    sizes = [re.fullmatch(_SIZE_SPACE, text) is not None for text in table.architectures]
    found = "sss" if any(sizes) else "tss"
    if benchmark not in (None, found):
        names = {"tss": "topology", "sss": "size"}
        raise DataError(f"{source} is of NATS-Bench's {names[found]} benchmark: import it with --benchmark {found}")
    if found == "tss":
        rows_of(table.architectures, NasBench201())
    elif not all(sizes):
        wrong = sizes.index(False)
        raise DataError(
            f"{source}: entry {wrong + 1}, '{table.architectures[wrong]}', is no architecture of the size benchmark"
        )
    return found


def _report(
    table: TruthTable, path: Path, column: str | None, space: Space | None, *, as_json: bool, more: dict[str, Any]
) -> None:
    """Print what a table holds, all of it or one column."""
    import dataclasses

    from trueshot.strategies.rankings.reliability import describe_column

    columns = [describe_column(table, name, space) for name in ([column] if column else table.columns)]
    rows = table.measurements()
    result = {
        "path": str(path),
        "architectures": len(table),
        "measurements": len(rows),
        "metrics": list(dict.fromkeys(row.metric for row in rows)),
        "fidelities": sorted({row.fidelity for row in rows}),
        "seeds": sorted({row.seed for row in rows} - {-1}),
        "space": None if space is None else space.name,
        "columns": {told.name: _plain(dataclasses.asdict(told)) for told in columns},
        **more,
    }
    emit(result, as_json=as_json, human=lambda console: _print(console, result, columns))


def _plain(column: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in column.items() if key != "name"}


def _print(console: Console, result: dict[str, Any], columns: list[Column]) -> None:
    from rich.table import Table

    epochs = ", ".join(str(fidelity) for fidelity in result["fidelities"] if fidelity) or "not stated"
    seeds = ", ".join(map(str, result["seeds"])) or "not known, means only"
    console.print(f"{result['path']}: {result['architectures']:,} architectures, {result['measurements']:,} values")
    console.print(f"metrics: {', '.join(result['metrics'])}; epochs: {epochs}; seeds: {seeds}")
    table = Table("column", "n", "mean", "std", "min", "max", box=None)
    for column in columns:
        figures = (column.mean, column.std, column.min, column.max)
        table.add_row(column.name, f"{column.n:,}", *(f"{figure:.2f}" for figure in figures))
    console.print(table)
    for column in columns:
        console.print(f"best {column.name}: {column.best}")
    for column in columns:
        for line in _reliability(column):
            console.print(f"{column.name}: {line}")


def _reliability(column: Column) -> list[str]:
    lines = []
    if (seeds := column.between_seeds) is not None:
        lines.append(
            f"seed against seed Kendall tau {_number(seeds.kendall_tau)} (pairs of seeds: {seeds.pairs}); standard"
            f" deviation between seeds {seeds.std:.2f} ({seeds.architectures} architectures)"
        )
    if (twins := column.twins) is not None:
        lines.append(
            f"standard deviation among twins {twins.std:.2f} ({twins.architectures} architectures in {twins.groups}"
            f" groups, rule {twins.rule})"
        )
    if column.params_tau is not None or column.madds_tau is not None:
        params, madds = _number(column.params_tau), _number(column.madds_tau)
        lines.append(f"what costs nothing: Kendall tau of parameters {params}, of multiply-adds {madds}")
    return lines


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
