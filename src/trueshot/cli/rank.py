"""``trueshot rank``: how well evaluators rank architectures whose truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trueshot.cli.flags import Option, options_of, with_options
from trueshot.cli.options import Data, Device, Executor, Ray, Resume
from trueshot.cli.output import Json, emit

if TYPE_CHECKING:
    from rich.console import Console

    from trueshot.core.run import RunDirectory


def register(app: typer.Typer, name: str, arguments: Sequence[str]) -> None:
    """Add ``rank``."""
    from trueshot.strategies.rankings.config import RankingConfig

    epochs = Option("--epochs", "supernet.recipe.epochs", "Epochs of each supernet.", "N")
    app.command(name)(with_options(rank, [*options_of(RankingConfig), epochs]))


def rank(
    truth: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="Table with the truth: Parquet or CSV, long or wide; also in $TRUESHOT_DATA."
        ),
    ],
    column: Annotated[str, typer.Option(metavar="C", help="Column of the truth, such as cifar10_test_200.")],
    config: Annotated[Path | None, typer.Argument(help="YAML file with a configuration.")] = None,
    data: Data = None,
    space: Annotated[
        str | None, typer.Option(metavar="S", help="nasbench201, chain, topology, or your own path/file.py:Class.")
    ] = None,
    cost: Annotated[
        list[str] | None, typer.Option(metavar="FILE.py:Class", help="A cost of your own, which is a baseline too.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Run directory; runs/rank-SPACE without it.")] = None,
    resume: Resume = False,
    preset: Annotated[str, typer.Option(help="Preset.")] = "rank-cpu",
    device: Device = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Supernets at the same time; as many as cores.")] = None,
    executor: Executor = "local",
    ray: Ray = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="One value, such as supernet.sharing.depth=2."),
    ] = None,
    json: Json = False,
    said: Any = None,
) -> None:
    """Train supernets, score architectures, and compare the ranking with the truth by every criterion."""
    from trueshot.cli.earlier import check_out
    from trueshot.cli.rank_values import ranking_config
    from trueshot.cli.values import NO_DATA, Said, check_early
    from trueshot.core.errors import ConfigError, short
    from trueshot.core.tables import check_truth, shared_file
    from trueshot.training.data.named import find_source

    asked = Said.asked(config, said, data, space, set_)
    check_early(asked.space, device, executor, ray)
    ranking_config(asked, preset)
    folder = out or Path("runs") / f"rank-{(asked.space[0] or 'nasbench201').rpartition(':')[2]}"
    check_out(folder, resume=resume)
    if asked.source is None:
        raise ConfigError(NO_DATA)
    find_source(asked.source)
    check_truth(shared_file(truth))

    from trueshot.cli.progress import make_progress
    from trueshot.cli.rank_request import RankRequest, prepare
    from trueshot.reporting.ranking import write_ranking_report

    request = RankRequest(
        said=asked,
        truth=truth,
        column=column,
        out=folder,
        resume=resume,
        preset=preset,
        device=device,
        workers=workers,
        executor=executor,
        ray=ray,
        costs=tuple(cost or ()),
    )
    with make_progress() as progress:
        ranking = prepare(request, progress)
        run = ranking.context.run
        try:
            with run.locked():
                result = ranking.run(observer=progress)
        except KeyboardInterrupt:
            progress.say(f"to go on with {run.path}, repeat the command with --resume")
            raise
        try:
            progress.say(f"report: {write_ranking_report(run)}")
        except Exception as error:
            # The ranking is on the disk; nothing that shows it may take it down.
            progress.say(f"warning: no report ({short(error)}); trueshot report {run.path} tries again")
    head = dict(result.head)
    emit({"run": str(run.path), **head}, as_json=json, human=lambda console: _show(console, run, head))


def _show(console: Console, run: RunDirectory, result: dict[str, Any]) -> None:
    from rich.table import Table

    good = result["good"]
    table = Table("ranked by", "n", "Kendall tau", "Spearman", "P@5%", "BR@1%")
    if good is not None:
        table.add_column(f"tau above {good['above']:g}")
    for kind in ("evaluators", "baselines"):
        for name, found in result[kind].items():
            row = [name, str(found["n"]), *(_figure(found["all"], *key) for key in _SHOWN)]
            table.add_row(*row, *([] if good is None else [_figure(found["good"], "kendall_tau")]))
    console.print(table)
    each = [one["all"] for one in result["evaluators"][next(iter(result["evaluators"]))]["supernets"]]
    if len(each) > 1:
        taus = ", ".join("undefined" if tau is None else f"{tau:.3f}" for tau in each)
        console.print(f"each supernet alone: {taus}" + _agreement(result["agreement"]))
    if result["found"] is not None:
        console.print(_found(result["found"]))
    if result["short"] is not None:
        first = result["short"]["first"]
        told = f"of the best by score {first['by_score']:.2f}, of the best by short trainings {first['by_short']:.2f}"
        console.print(f"truth {told}")
    console.print(f"scores in {run.path / 'scores.parquet'}, report {run.report}")


_SHOWN = (("kendall_tau",), ("spearman",), ("p_at_k", "0.05"), ("br_at_k", "0.01"))


def _found(found: dict[str, Any]) -> str:
    """Say what a few look-ups find in every order."""
    at = [found["looks"].index(looks) for looks in (10, 30) if looks in found["looks"]]
    each = []
    for name, curve in found["curves"].items():
        values = [f"{curve['median'][index]:.2f}" for index in at if index < len(curve["median"])]
        each.append(f"{name} {' / '.join(values)}")
    looks = " / ".join(str(found["looks"][index]) for index in at)
    return f"truth of the best found after {looks} look-ups in {found['column']}: {', '.join(each)}"


def _agreement(found: dict[str, float] | None) -> str:
    return "" if found is None else f"; they agree with each other with tau {found['kendall_tau']:.3f}"


def _figure(summary: dict[str, Any], *keys: str) -> str:
    if "undefined" in summary:
        return "undefined"
    value: Any = summary
    for key in keys:
        value = value.get(key)
        if value is None:
            return "too few"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value['value']:.3f} ({value['low']:.3f} to {value['high']:.3f})"
