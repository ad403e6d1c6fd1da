"""``trueshot search``: from a dataset and a cost budget to trained networks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trueshot.cli.options import Device, MaxBadImages, Resume, Seed
from trueshot.cli.output import Json, emit

if TYPE_CHECKING:
    from rich.console import Console

    from trueshot.core.observe import Observer
    from trueshot.core.run import RunDirectory
    from trueshot.strategies.setup import Setup


def register(app: typer.Typer) -> None:
    """Add ``search``."""
    app.command("search")(search)


def search(
    config: Annotated[
        Path | None, typer.Argument(metavar="[CONFIG.yaml]", help="Values over those of the preset.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="D", help="digits, a folder, a Parquet file, or cifar10 / subimagenet64 in $TRUESHOT_DATA."
        ),
    ] = None,
    space: Annotated[
        str | None, typer.Option(metavar="S", help="topology, chain, or your own path/file.py:Class.")
    ] = None,
    max_madds: Annotated[
        str | None, typer.Option(metavar="X", help="Most multiply-adds of one image, such as 60M.")
    ] = None,
    max_params: Annotated[str | None, typer.Option(metavar="X", help="Most parameters, such as 2M.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Run directory; runs/DATA-SPACE without it.")] = None,
    resume: Resume = False,
    supernet: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Search the supernet of an earlier run again.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Preset; chosen by image size and device without it.")] = None,
    device: Device = None,
    seed: Seed = None,
    time_budget: Annotated[
        str | None, typer.Option(metavar="T", help="Scale the schedule to fit, such as 30m or 2h.")
    ] = None,
    max_bad_images: MaxBadImages = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="One value, such as supernet.recipe.epochs=20."),
    ] = None,
    json: Json = False,
) -> None:
    """Search an architecture for your images under a cost budget, and train what was found."""
    from trueshot.cli.progress import make_progress
    from trueshot.cli.request import Request, prepare
    from trueshot.core.observe import Observers
    from trueshot.core.run import RunDirectory
    from trueshot.training.tracking import TensorBoard

    request = Request(
        config=config,
        data=data,
        space=space,
        max_madds=max_madds,
        max_params=max_params,
        out=out,
        resume=resume,
        supernet=supernet,
        preset=preset,
        device=device,
        seed=seed,
        time_budget=time_budget,
        max_bad_images=max_bad_images,
        assignments=tuple(set_ or ()),
    )
    with make_progress() as progress:
        setup = prepare(request, progress)
        setup = _observed(setup, Observers([progress, TensorBoard(setup.run.path / "log")]))
        source = None if supernet is None else RunDirectory.existing(supernet)
        try:
            result = _run(setup, source, progress)
        except KeyboardInterrupt:
            progress.say(f"to go on with {setup.run.path}, repeat the command with --resume")
            raise
    emit(
        {"run": str(setup.run.path), **_without_version(result)},
        as_json=json,
        human=lambda c: _tell(c, setup.run, result),
    )


def _observed(setup: Setup, observer: Observer) -> Setup:
    import dataclasses

    return dataclasses.replace(setup, observer=observer)


def _run(setup: Setup, source: RunDirectory | None, progress: Observer) -> dict[str, Any]:
    """Search, export the winners, write the report."""
    from trueshot.cli.deliver import export_winners
    from trueshot.reporting.report import write_report
    from trueshot.strategies.one_shot import search as run_search

    result = run_search(setup, supernet_from=source)
    for name, difference in export_winners(setup.run, "onnx", setup.dataset.test).items():
        progress.say(f"{name}: model.onnx checked against PyTorch, greatest difference {difference:.1e}")
    progress.say(f"report: {write_report(setup.run)}")
    return result


def _without_version(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key != "version"}


def _tell(console: Console, run: RunDirectory, result: dict[str, Any]) -> None:
    from rich.table import Table

    from trueshot.core.records import NetworkRecord
    from trueshot.core.units import format_count, format_duration

    table = Table("network", "budget", "MAdds", "params", "score", "test top-1")
    for record in map(NetworkRecord.from_json, result["networks"]):
        table.add_row(
            record.name,
            "" if record.budget is None else format_count(record.budget),
            format_count(record.madds),
            format_count(record.params),
            "" if record.score is None else f"{record.score:.4f}",
            "" if record.test is None else f"{100 * record.test.top1:.2f} %",
        )
    console.print(table)
    comparison = result["comparison"]
    if comparison is not None:
        interval = "no interval: too few networks"
        if comparison["low"] is not None:
            interval = f"95 % interval {100 * comparison['low']:+.2f} to {100 * comparison['high']:+.2f}"
        console.print(
            f"searched less random: {100 * comparison['difference']:+.2f} points ({interval};"
            f" n = {comparison['n'][0]} and {comparison['n'][1]} architectures)"
        )
    console.print(f"took {format_duration(result['timings']['total'])}; report {run.report}")
