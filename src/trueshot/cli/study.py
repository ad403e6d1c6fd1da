"""``trueshot study``: the studies of published tables and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trueshot.cli.names import TABLE, find, find_study, make_space
from trueshot.cli.options import Device, Executor, Ray
from trueshot.cli.output import Json, emit

if TYPE_CHECKING:
    from rich.console import Console

    from trueshot.core.results import Result
    from trueshot.studies.plan import Line
    from trueshot.studies.record import Power, Scale, Study

    Powers = Mapping[str, Mapping[str, Power]]

_LIST, _PLAN, _PAGE = "list", "plan", "page"


def register(app: typer.Typer, name: str, arguments: Sequence[str]) -> None:
    """Add ``study``."""
    app.command(name)(study)


def study(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...|list|plan [NAME...]|page",
            help="Studies to run; `list` shows all, `plan` what they take, `page` writes the page of all results.",
        ),
    ],
    scale: Annotated[str, typer.Option(metavar="smoke|cpu|paper", help="How much of it.")] = "cpu",
    data: Annotated[
        str | None, typer.Option(metavar="D", help="Other images than those of the scale, as for search.")
    ] = None,
    bank: Annotated[
        Path, typer.Option(metavar="DIR", help="Where trained supernets are kept, for all studies.")
    ] = Path("runs/bank"),
    results: Annotated[Path, typer.Option(metavar="DIR", help="Where results and their page are written.")] = Path(
        "results"
    ),
    device: Device = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Trainings at the same time; as many as cores.")] = None,
    executor: Executor = "local",
    ray: Ray = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    json: Json = False,
) -> None:
    """Reproduce tables and figures of papers, their figures beside ours. Repeat a command to go on where it stopped."""
    from trueshot.core.executor import check_executor

    check_executor(executor, ray)
    first, *rest = words
    if first == _PAGE:
        page = _write_page(results)
        emit({"path": str(page)}, as_json=json, human=lambda console: console.print(f"written to {page}"))
        return
    chosen = _scale(scale)
    named = [find_study(name) for name in (rest or TABLE["study"] if first in (_LIST, _PLAN) else words)]
    if first == _PLAN and not rest:
        named = [one for one in named if chosen in one.scales]
    if first == _LIST:
        emit({"studies": [_listed(one) for one in named]}, as_json=json, human=lambda console: _show(console, named))
        return
    from trueshot.cli.progress import make_progress
    from trueshot.core.executor import make_executor
    from trueshot.strategies.setup import choose_device
    from trueshot.studies.bank import Bank
    from trueshot.studies.runner import Runner
    from trueshot.studies.session import Session

    where = choose_device(device)
    with make_progress() as progress:
        session = Session(
            bank=Bank(bank),
            names=find,
            make_space=make_space,
            device=where,
            executor=make_executor(executor, workers or (1 if where.type == "cuda" else None), ray),
            seed=seed,
            source=data,
            observer=progress,
        )
        runner = Runner(session=session, scale=chosen, others=[find_study(name) for name in TABLE["study"]])
        if first == _PLAN:
            lines, powers = runner.plan(named), {one.name: runner.power(one) for one in named}
            emit(_planned(lines, powers), as_json=json, human=lambda console: _show_plan(console, lines, powers))
            return
        _run(runner, named, results, as_json=json)


def _write_page(results: Path) -> Path:
    from trueshot.reporting.studies import write_studies
    from trueshot.studies.coverage import unsettled

    return write_studies(results, TABLE["study"], unsettled([find_study(name) for name in TABLE["study"]]))


def _run(runner: Any, studies: Sequence[Study], results: Path, *, as_json: bool) -> None:
    from trueshot.core.errors import RunError
    from trueshot.studies.runner import result_file

    found = []
    for one in studies:
        runner.announce(one)
        found.append((str(result_file(results, one, runner.scale)), runner.run(one, results)))
    try:
        told = f"written to {_write_page(results)}"
    except RunError as error:
        # What was measured is safe; another file in the folder must not make it look lost.
        told = "not written to the page of all results"
        typer.echo(f"warning: no page of all results: {error}", err=True)
    contents = [{"path": path, **result.to_json()} for path, result in found]
    content = contents[0] if len(contents) == 1 else {"studies": contents}

    def human(console: Console) -> None:
        for _, result in found:
            _show_result(console, result)
        console.print(told)

    emit(content, as_json=as_json, human=human)


def _scale(name: str) -> Scale:
    from trueshot.core.errors import ConfigError
    from trueshot.studies.record import Scale

    try:
        return Scale(name)
    except ValueError as error:
        raise ConfigError(f"unknown scale '{name}': choose {', '.join(scale.value for scale in Scale)}") from error


def _listed(one: Study) -> dict[str, Any]:
    conditions = list(getattr(one.work, "conditions", {}))
    listed = {"name": one.name, "title": one.title, "question": one.question, "conditions": conditions}
    needs = {scale.value: needs for scale, needs in one.needs_more.items()}
    return {**listed, "scales": [scale.value for scale in one.scales], "needs_more": needs}


def _show(console: Console, studies: Sequence[Study]) -> None:
    for one in studies:
        conditions = ", ".join(_listed(one)["conditions"])
        console.print(f"{one.name:<22} {one.question}")
        console.print(f"{'':<22} {one.title}" + (f"; compares {conditions}" if conditions else ""), style="dim")
        for scale, needs in one.needs_more.items():
            console.print(f"{'':<22} not to be settled at scale {scale.value}: it needs {needs}", style="dim")


def _planned(lines: Sequence[Line], powers: Powers) -> dict[str, Any]:
    import dataclasses

    total, left = (sum(getattr(line, name) for line in lines) for name in ("total", "left"))
    told = [
        {"study": study, "claim": claim, **dataclasses.asdict(power)}
        for study, claims in powers.items()
        for claim, power in claims.items()
    ]
    kinds = [dataclasses.asdict(line) for line in lines]
    return {"kinds": kinds, "seconds": total, "seconds_left": left, "power": told}


def _show_plan(console: Console, lines: Sequence[Line], powers: Powers) -> None:
    from rich.table import Table

    table = Table("kind", "seeds", "training", "scores", "left", "studies")
    for line in lines:
        hours = (f"{value / 3600:.2f}" for value in (line.training, line.scoring, line.left))
        table.add_row(line.kind, str(line.seeds), *hours, ", ".join(line.studies))
    console.print(table)
    for study, claims in powers.items():
        for claim, power in claims.items():
            console.print(f"{study}: {claim}: {power}", markup=False)
    found = _planned(lines, powers)
    total, left = found["seconds"] / 3600, found["seconds_left"] / 3600
    console.print(f"{len(lines)} kinds, {total:.2f} hours of one core, {left:.2f} of them left")


def _show_result(console: Console, result: Result) -> None:
    from rich.table import Table

    table = Table("what", "metric", "paper", "ours", "95 % interval", "n", "verdict", title=result.head["title"])
    for one in [*result.head["claims"], *result.head["findings"]]:
        ours = one["ours"] or {"value": None, "low": None, "high": None, "n": ""}
        interval = "" if ours["low"] is None else f"{ours['low']:.4g} to {ours['high']:.4g}"
        cells = (one["what"], one["metric"], _number(one["paper"]), _number(ours["value"]), interval, str(ours["n"]))
        table.add_row(*cells, one.get("verdict", ""))
    console.print(table)
    for note in result.head["notes"]:
        console.print(f"- {note}", markup=False)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
