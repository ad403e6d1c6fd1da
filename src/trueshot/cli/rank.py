"""``trueshot rank``: how well supernets rank architectures whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trueshot.cli.options import Device, Resume, Seed
from trueshot.cli.output import Json, emit

if TYPE_CHECKING:
    from rich.console import Console

    from trueshot.core.run import RunDirectory


def register(app: typer.Typer) -> None:
    """Add ``rank``."""
    app.command("rank")(rank)


def rank(
    truth: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="Table with the truth: Parquet or CSV, long or wide; also in $TRUESHOT_DATA."
        ),
    ],
    column: Annotated[str, typer.Option(metavar="C", help="Column of the truth, such as cifar10_test_200.")],
    config: Annotated[Path | None, typer.Argument(help="YAML file with a configuration.")] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="D", help="digits, a folder, a Parquet file, or cifar10 / subimagenet64 in $TRUESHOT_DATA."
        ),
    ] = None,
    space: Annotated[
        str, typer.Option(metavar="S", help="nasbench201, chain, topology, or your own path/file.py:Class.")
    ] = "nasbench201",
    sampler: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="uniform, fair, matched, deisomorphic, lazy-deisomorphic, or pool (--set supernet.sampler.pool=FILE).",
        ),
    ] = None,
    sharing: Annotated[
        str | None, typer.Option(metavar="KIND", help="plain, bias, shared-bias, attention or split.")
    ] = None,
    evaluator: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WAY[:METRIC][+twins]",
            help="one-shot, parameter, score, median or fine-tuned; several times for several, the first is the main.",
        ),
    ] = None,
    rival: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="params, madds, a zero-cost proxy, or a column of the truth; several times."),
    ] = None,
    supernets: Annotated[int | None, typer.Option(min=1, help="Supernets whose scores are averaged.")] = None,
    archs: Annotated[
        int | None, typer.Option(min=10, help="Architectures scored, drawn at random; all without.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of each supernet.")] = None,
    good: Annotated[
        float | None, typer.Option(metavar="X", help="Give the criteria also among architectures of a truth above X.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Run directory; runs/rank-SPACE without it.")] = None,
    resume: Resume = False,
    preset: Annotated[str, typer.Option(help="Preset.")] = "rank-cpu",
    device: Device = None,
    seed: Seed = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Supernets at the same time; as many as cores.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="One value, such as supernet.sharing.depth=2."),
    ] = None,
    json: Json = False,
) -> None:
    """Train supernets, score architectures, and compare the ranking with the truth by every criterion."""
    from trueshot.cli.progress import make_progress
    from trueshot.cli.rank_request import RankRequest, prepare
    from trueshot.reporting.ranking import write_ranking_report
    from trueshot.strategies.ranking import rank as run_ranking

    request = RankRequest(
        config=config,
        data=data,
        space=space,
        truth=truth,
        column=column,
        sampler=sampler,
        sharing=sharing,
        evaluators=tuple(evaluator or ()),
        rivals=tuple(rival or ()),
        supernets=supernets,
        architectures=archs,
        epochs=epochs,
        good=good,
        out=out or Path("runs") / f"rank-{space.rpartition(':')[2]}",
        resume=resume,
        preset=preset,
        device=device,
        seed=seed,
        workers=workers,
        assignments=tuple(set_ or ()),
    )
    with make_progress() as progress:
        setup, count = prepare(request, progress)
        try:
            result = run_ranking(setup, workers=count, observer=progress)
        except KeyboardInterrupt:
            progress.say(f"to go on with {setup.run.path}, repeat the command with --resume")
            raise
        progress.say(f"report: {write_ranking_report(setup.run)}")
    plain = {key: value for key, value in result.items() if key != "version"}
    emit({"run": str(setup.run.path), **plain}, as_json=json, human=lambda console: _tell(console, setup.run, result))


def _tell(console: Console, run: RunDirectory, result: dict[str, Any]) -> None:
    from rich.table import Table

    good = result["good"]
    table = Table("ranked by", "n", "Kendall tau", "Spearman", "P@5%", "BR@1%")
    if good is not None:
        table.add_column(f"tau above {good['above']:g}")
    for kind in ("evaluators", "rivals"):
        for name, found in result[kind].items():
            row = [name, str(found["n"]), *(_figure(found["all"], *key) for key in _SHOWN)]
            table.add_row(*row, *([] if good is None else [_figure(found["good"], "kendall_tau")]))
    console.print(table)
    each = [one["all"] for one in result["evaluators"][next(iter(result["evaluators"]))]["supernets"]]
    if len(each) > 1:
        taus = ", ".join("undefined" if tau is None else f"{tau:.3f}" for tau in each)
        console.print(f"each supernet alone: {taus}" + _agreement(result["agreement"]))
    console.print(f"scores in {run.path / 'scores.parquet'}, report {run.report}")


_SHOWN = (("kendall_tau",), ("spearman",), ("p_at_k", "0.05"), ("br_at_k", "0.01"))


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
