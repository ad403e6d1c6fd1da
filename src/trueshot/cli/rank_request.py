"""From what ``trueshot rank`` was asked for to a ranking that is ready to start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueshot.cli.costs import make_costs
from trueshot.cli.names import TABLE
from trueshot.cli.rank_values import ranking_config
from trueshot.cli.truth_request import space_beside
from trueshot.cli.values import Said, fitted_space, let_workers_import, loaded, worker_count
from trueshot.core.errors import ArchitectureError, DataError
from trueshot.core.executor import make_executor
from trueshot.core.observe import Observer
from trueshot.core.run import RunDirectory
from trueshot.core.tables import shared_file
from trueshot.core.units import format_duration
from trueshot.sampling import describe_sampler
from trueshot.spaces import Space
from trueshot.spaces.costs import CostFunctions
from trueshot.spaces.counting import count_params
from trueshot.spaces.description import describe, rebuild
from trueshot.strategies.presets import merge, read_preset
from trueshot.strategies.rankings.config import RankingConfig
from trueshot.strategies.rankings.ranking import Ranking
from trueshot.strategies.rankings.truth import Truth
from trueshot.strategies.setup import Context, choose_device
from trueshot.training.data.dataset import Dataset


@dataclass(frozen=True, kw_only=True)
class RankRequest:
    """The options of ``trueshot rank`` that are no values of its configuration; ``None`` where nothing was said."""

    said: Said
    truth: Path
    column: str
    out: Path
    resume: bool
    preset: str
    device: str | None
    workers: int | None
    executor: str
    ray: str | None
    costs: tuple[str, ...] = ()


def prepare(request: RankRequest, observer: Observer) -> Ranking:
    """Load data and truth, settle the configuration, open the directory, print the forecast.

    A value is taken from, in this order: ``--set``, the other options, the configuration file, the preset.
    """
    said, preset = request.said, read_preset(request.preset)
    name = said.space[0] or "nasbench201"
    run = RunDirectory(request.out)
    device = choose_device(request.device)
    config = ranking_config(said, request.preset)
    dataset, _, _ = loaded(said, device.type, preset=request.preset)
    for note in dataset.notes:
        observer.say(f"note: {note}")
    table = shared_file(request.truth)
    space = _space(said, name, preset.get("spaces") or {}, table, dataset, observer)
    let_workers_import(space)
    costs = make_costs(space, request.costs)
    config = _beside(config, costs)
    workers = worker_count(request.workers, device.type, request.executor)
    context = Context(
        space=space,
        dataset=dataset,
        run=run,
        device=device,
        seed=config.seed,
        save_every=config.save_every,
        data=config.data,
        costs=costs,
        fusion=config.fusion,
        retraining=config.retraining,
        observer=observer,
        executor=make_executor(request.executor, _at_most(workers, config), request.ray),
    )
    ranking = Ranking(config=config, context=context, truth=_truth(table, request, space, config, context))
    content = {
        "command": "rank",
        "source": said.source,
        "preset": request.preset,
        "space": describe(space),
        "ranking": config.whole(),
        **({"costs": list(request.costs)} if request.costs else {}),
        "truth": {"file": request.truth.name, "column": request.column},
        "device": device.type,
        "identity": context.identity(ranking.truth.archs.tolist(), ranking.truth.values.tolist()),
    }
    # Whatever the supernet refuses is said before anything is written.
    ranking.check()
    RunDirectory.open(run.path, content, resume=request.resume)
    _announce(ranking, request)
    return ranking


def _beside(config: RankingConfig, costs: CostFunctions) -> RankingConfig:
    """Return the configuration with the user's own costs among the baselines."""
    own = [name for name in costs.names if name not in (*TABLE["cost"], *config.ranking.baselines)]
    return config.replace(ranking=config.ranking.replace(baselines=(*config.ranking.baselines, *own)))


def _at_most(workers: int | None, config: RankingConfig) -> int:
    """Return how many workers have something to do: supernets, zero-cost proxies beside them, short trainings."""
    from trueshot.core.executor import cores
    from trueshot.evaluation.fusion_config import FusedConfig, ZeroCostScoreConfig
    from trueshot.evaluation.proxies.names import PROXIES

    ranking, available = config.ranking, workers or cores()
    kinds = tuple(type(part.config) for part in ranking.evaluators)
    proxies = FusedConfig in kinds or ZeroCostScoreConfig in kinds or set(ranking.baselines) & set(PROXIES)
    trains = config.short.architectures and config.short.column is None
    return available if proxies or trains else min(available, ranking.supernets)


def _announce(ranking: Ranking, request: RankRequest) -> None:
    context, config = ranking.context, ranking.config
    dataset, say = context.images, context.observer.say
    say(
        f"data: {dataset.name}, {len(dataset.train)} training and {len(dataset.validation)} validation images of"
        f" {dataset.image_size} pixels, {len(dataset.classes)} classes"
    )
    by = ", ".join(part.kind for part in ranking.evaluators) + "; no supernet is trained"
    if ranking.supernets:
        weights = ranking.weights(0)
        by = (
            f"{ranking.supernets} supernets of {count_params(weights.make()):,} parameters, sharing"
            f" {config.supernet.sharing.kind}, sampling {describe_sampler(weights.sampler())}"
        )
    say(
        f"ranking: {len(ranking.truth.archs):,} architectures of {context.space.name} by {by}; truth"
        f" {request.column} of {request.truth}"
    )
    wanted = config.ranking.architectures
    if wanted is not None and wanted > len(ranking.truth.archs):
        there = f"the truth has {len(ranking.truth.archs):,}; all are scored"
        say(f"note: {wanted:,} architectures were asked for, but {there}")
    if not context.run.result.exists():
        expected, workers = format_duration(ranking.forecast_seconds()), context.executor.workers
        say(f"forecast: about {expected} with {workers} workers of {config.threads} threads")


def _space(
    said: Said, name: str, presets: Mapping[str, Any], table: Path, dataset: Dataset, observer: Observer
) -> Space:
    """Make the space with the arguments of the user, else the preset's or those of the build that wrote the table.

    The preset's are taken where it has some for this space and they make the decisions of the table; a supernet may be
    narrower than the networks. What a supernet has otherwise than its ``final`` is never taken from the table.
    """
    given, own = said.space[1], said.spaces
    space = fitted_space(name, given, merge(presets, own), dataset)
    description = space_beside(table)
    if given or name in own or description is None or description.get("class") != describe(space)["class"]:
        return space
    built = rebuild(description)
    if name in presets and built.decisions == space.decisions:
        return space
    networks = space.final().arguments()
    kept = {key: value for key, value in space.arguments().items() if networks[key] != value}
    shape = ("image_size", "classes", "in_channels")
    arguments = {key: value for key, value in {**built.arguments(), **kept}.items() if key not in shape}
    observer.say(f"note: space {name} has the arguments of the build of {table}")
    return fitted_space(name, arguments, {}, dataset)


def _truth(table: Path, request: RankRequest, space: Space, config: Any, context: Context) -> Truth:
    """Read the truth; where its architectures are of another space, say what to do."""
    try:
        given = (table, request.column, space, config.ranking, context.streams)
        return Truth.read(*given, short=config.short.column, costs=context.costs.names)
    except DataError as error:
        if not isinstance(error.__cause__, ArchitectureError):
            raise
        raise DataError(
            f"{table}: {error}; if the table is of another {space.name}, give its arguments by --set"
            " space.arguments={...}"
        ) from error
