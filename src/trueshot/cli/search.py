"""``trueshot search``: from a dataset and a cost budget to trained networks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trueshot.cli.flags import Option, options_of, with_options
from trueshot.cli.options import Data, Device, Executor, Ray, Resume, Trust
from trueshot.cli.output import Json, emit

if TYPE_CHECKING:
    from rich.console import Console

    from trueshot.core.observe import Observer
    from trueshot.core.results import Result
    from trueshot.strategies.run import SearchRun


def register(app: typer.Typer, name: str, arguments: Sequence[str]) -> None:
    """Add ``search``, with the options of all strategies that have a name and of the one that is asked for."""
    from trueshot.cli.names import TABLE, find
    from trueshot.core.errors import ConfigError
    from trueshot.strategies.config import SearchConfig

    given = _given(arguments, "--strategy")
    strategies = [*TABLE["strategy"], *(kind for kind in given if kind not in TABLE["strategy"])]
    options = options_of(SearchConfig, *(find("strategy", kind).config for kind in strategies))
    paths = _given(arguments, "--cost")
    own = {_cost_name(path): path for path in paths}
    taken = {option.parameter for option in options}
    for kind, path in own.items():
        if kind and f"max_{kind}" in taken:
            raise ConfigError(
                f"cost '{path}' is called '{kind}', and the option --max-{kind.replace('_', '-')} means something else:"
                " choose another name"
            )
    costs = {**{kind: kind for kind in TABLE["cost"]}, **{kind: path for kind, path in own.items() if kind}}
    app.command(name)(with_options(search, [*options, *(_bound(kind, path) for kind, path in costs.items())]))


def search(
    config: Annotated[
        Path | None, typer.Argument(metavar="[CONFIG.yaml]", help="Values over those of the preset.")
    ] = None,
    data: Data = None,
    space: Annotated[
        str | None, typer.Option(metavar="S", help="topology, chain, nasbench201, or your own path/file.py:Class.")
    ] = None,
    cost: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE.py:Class", help="A cost of your own, which --max-NAME and proposers then know."),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Run directory; runs/DATA-SPACE without it.")] = None,
    resume: Resume = False,
    supernet: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Search the supernet of an earlier run again.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Preset; chosen by image size and device without it.")] = None,
    device: Device = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Architectures that oracle train trains at the same time; one without it.")
    ] = None,
    executor: Executor = "local",
    ray: Ray = None,
    time_budget: Annotated[
        str | None, typer.Option(metavar="T", help="Scale the schedule to fit, such as 30m or 2h.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="One value, such as supernet.recipe.epochs=20."),
    ] = None,
    trust_code: Trust = False,
    json: Json = False,
    said: Any = None,
) -> None:
    """Search an architecture for your images under a cost budget, and train what was found."""
    began = time.monotonic()
    from trueshot.cli.earlier import check_out, check_supernet
    from trueshot.cli.early import check_costs, check_images, check_values, refuse_trained
    from trueshot.cli.values import Said, check_early
    from trueshot.core.units import parse_duration

    check_out(out, resume=resume)
    asked = Said.asked(config, said, data, space, set_)
    if resume and out is not None and not asked.values and not (preset or device or supernet or time_budget or cost):
        # The directory says the rest.
        from trueshot.cli.stored import asked_before

        asked, before = asked_before(out, trust_code=trust_code)
        preset, device, time_budget = before["preset"], before["device"], before["time_budget"]
        supernet, cost = before["supernet"], before["cost"]
    check_early(asked.space, device, executor, ray)
    preset = preset or asked.preset
    if time_budget is not None:
        parse_duration(time_budget, "--time-budget")
    earlier = None if supernet is None else check_supernet(supernet)
    checked = check_values(asked, preset)
    if earlier is not None:
        refuse_trained(asked.values, checked, earlier)
    check_costs(checked, [_cost_name(path) for path in cost or ()])
    check_images(asked, checked, earlier)

    from trueshot.cli.progress import make_progress
    from trueshot.cli.request import Request, prepare
    from trueshot.core.observe import Observers
    from trueshot.training.tracking import TensorBoard

    request = Request(
        said=asked,
        began=began,
        out=out,
        resume=resume,
        supernet=supernet,
        preset=preset,
        device=device,
        time_budget=time_budget,
        costs=tuple(cost or ()),
        workers=workers,
        executor=executor,
        ray=ray,
        trust_code=trust_code,
    )
    with make_progress() as progress:
        prepared = prepare(request, progress)
        observer = Observers([progress, TensorBoard(prepared.context.run.path / "log")])
        try:
            with prepared.context.run.locked():
                result = _run(prepared, observer, progress)
        except KeyboardInterrupt:
            progress.say(f"to go on with {prepared.context.run.path}, repeat the command with --resume")
            raise
    emit(
        {"run": str(prepared.context.run.path), **_flat(result)},
        as_json=json,
        human=lambda console: _show(console, prepared, _flat(result)),
    )


def _given(arguments: Sequence[str], name: str) -> list[str]:
    """Return the values that an option has in a command line."""
    after = [arguments[place + 1] for place, word in enumerate(arguments[:-1]) if word == name]
    return after + [word.partition("=")[2] for word in arguments if word.startswith(f"{name}=")]


def _cost_name(path: str) -> str:
    """Return the name of a user's cost, empty where only its instances have one.

    Raises:
        ConfigError: when it can be no name of an option, or is that of a cost of this package.
    """
    from trueshot.cli.names import TABLE, find_class
    from trueshot.core.errors import ConfigError
    from trueshot.spaces.costs import RESERVED

    if path in TABLE["cost"]:
        raise ConfigError(f"cost {path} is there without --cost: leave that out")
    name = getattr(find_class("cost", path), "name", "")
    if not isinstance(name, str) or not name:
        return ""
    if not name.isidentifier() or name in (*TABLE["cost"], *RESERVED):
        raise ConfigError(
            f"cost '{path}' is called '{name}': choose a name of its own, of letters, digits and _, other than"
            f" {', '.join((*TABLE['cost'], *RESERVED))}"
        )
    return name


def _bound(name: str, path: str) -> Option:
    """Return the option that bounds a cost, which says its title and unit as the cost's class does."""
    from trueshot.cli.names import find_class
    from trueshot.core.units import example

    cost = find_class("cost", path)
    (title, unit) = (getattr(cost, key, "") for key in ("title", "unit"))
    (title, unit) = (value if isinstance(value, str) else "" for value in (title, unit))
    told = f"Most {title or name} of an architecture" + (f", such as {example(unit)}." if unit else ".")
    return Option(f"--max-{name}", f"budget.max_{name}", told, metavar="VALUE")


def _flat(result: Result) -> dict[str, Any]:
    """Return the head of a result, the networks and their comparison."""
    from trueshot.core.results import Networks

    (networks, comparison) = ([], None)
    for section in result.of_kind(Networks):
        networks, comparison = [record.to_json() for record in section.records], section.comparison
    return {**result.head, "networks": networks, "comparison": comparison}


def _run(prepared: SearchRun, observer: Observer, progress: Observer) -> Result:
    """Search, export what was decided on, write the report."""
    import dataclasses

    from trueshot.cli.deliver import absent_exporters, export_decision
    from trueshot.core.errors import short
    from trueshot.core.results import Networks, Result
    from trueshot.reporting.report import write_report

    context = prepared.context.replace(observer=observer)
    result = dataclasses.replace(prepared, context=context).run()
    left = None if context.deadline is None else context.deadline.left
    # What is found is on the disk; nothing that shows it may take the run down.
    if result.of_kind(Networks):
        if absent := absent_exporters():
            progress.say(f"note: no model.onnx without {' and '.join(absent)}: install them and run `trueshot export`")
        try:

            def warn(text: str) -> None:
                progress.say(f"warning: {text}")

            for name, difference in export_decision(context.run, context.images.test, left, warn).items():
                progress.say(f"{name}: model.onnx checked against PyTorch, greatest difference {difference:.1e}")
        except Exception as error:
            progress.say(f"warning: not exported ({short(error)}); trueshot export {context.run.path} tries again")
    try:
        progress.say(f"report: {write_report(context.run)}")
    except Exception as error:
        progress.say(f"warning: no report ({short(error)}); trueshot report {context.run.path} tries again")
    return Result.read(context.run.result)


def _show(console: Console, prepared: SearchRun, result: dict[str, Any]) -> None:
    from rich.table import Table

    from trueshot.core.records import NetworkRecord
    from trueshot.core.units import format_duration

    costs = prepared.context.costs
    networks = [NetworkRecord.from_json(record) for record in result["networks"]]
    balanced = ["balanced"] if result["dataset"] is not None and result["dataset"]["imbalanced"] else []
    table = Table("network" if networks else "architecture", "budget", *costs.names, "score", "test top-1", *balanced)
    for record in networks:
        table.add_row(
            record.name,
            "" if record.budget is None else costs.format(result["cost"], record.budget),
            *(costs.format(name, record.costs[name]) if name in record.costs else "" for name in costs.names),
            "" if record.score is None else f"{record.score:.4f}",
            "" if record.test is None else f"{100 * record.test.top1:.2f} %",
            *("" if record.test is None else f"{100 * record.test.balanced:.2f} %" for _ in balanced),
        )
    for found in [] if networks else result["found"][:10]:
        told = (costs.format(name, found["costs"][name]) for name in costs.names)
        table.add_row(found["arch"], "", *told, f"{found['score']:.4f}", "")
    console.print(table)
    comparison = result["comparison"]
    if comparison is not None:
        for name, one in (("random", comparison), ("random just below the bound", comparison["at_bound"])):
            if one is not None and one["difference"] is not None:
                console.print(_difference(name, one))
        for note in comparison["notes"]:
            console.print(note, markup=False)
    if result["decision"] is not None:
        for line in (*result["decision"]["notes"], result["decision"]["sentence"]):
            console.print(line, markup=False)
    console.print(f"took {format_duration(result['timings']['total'])}; report {prepared.context.run.report}")


def _difference(name: str, comparison: dict[str, Any]) -> str:
    interval = "no interval: too few networks"
    if comparison["low"] is not None:
        interval = f"95 % interval {100 * comparison['low']:+.2f} to {100 * comparison['high']:+.2f}"
    budgets, random = comparison["n"]
    return (
        f"searched less {name}: {100 * comparison['difference']:+.2f} points ({interval}; n = {random} random"
        f" architectures at {budgets} budget{'s' if budgets > 1 else ''})"
    )
