"""The forecast of a search, and the schedule that fits a time budget."""

from types import SimpleNamespace

import pytest
from strategy_parts import make_search

from trueshot.strategies.forecast import (
    FinishRates,
    Rates,
    cuts,
    ends,
    fit,
    least_factor,
    refuse,
    scaled_config,
    shortest,
    smaller_sizes,
)
from trueshot.strategies.protocol import Forecast, Phase

SECONDS = {"supernet": 100.0, "weight sampling": 30.0, "search": 40.0}
STEP = 0.1


def longer(tmp_path, **over):
    values = {
        "supernet": {"recipe": {"epochs": 100, "warmup_epochs": 2.0}},
        "weight_sampling": {"samples": 8},
        "proposer": {"kind": "nsga2", "population": 24, "generations": 10},
        "budget": {"fractions": [1.0, 0.7, 0.5]},
        "retraining": {
            "recipe": {"epochs": 50, "warmup_epochs": 2.0},
            **{"repeats": 2, "random": 3, "at_bound": 1, "convergence": True, "least_steps": 20},
        },
    }
    return make_search(tmp_path, **(values | over))


def rates(search):
    """Return rates as if they had been measured: 2 steps an epoch, 0.1 s each, whatever the budget."""
    config = search.config.strategy.config
    amounts = {
        "supernet": config.supernet.recipe.epochs,
        "weight sampling": config.weight_sampling.samples - 1,
        "search": config.proposer.config.evaluations,
    }
    finish = FinishRates(step=(STEP,) * 3, shelf=STEP, steps_per_epoch=2, all_steps=3, image=0.0, measured=100)
    return Rates(search, {name: SECONDS[name] / amounts[name] for name in SECONDS}, finish)


def test_a_forecast_adds_up_and_reads_well(tmp_path):
    search = longer(tmp_path)
    forecast = rates(search).forecast(search.config)
    phases = {phase.name: phase.seconds for phase in forecast}
    # Three budgets of a winner and four random networks in two seeds, one off the shelf, two halves; and one anew.
    trained = (3 * 5 * 2 + 1 + 2 * 0.5) * 2 + 3
    assert phases == pytest.approx({**SECONDS, "retraining": trained * 50 * STEP, "test and export": 40.0})
    assert forecast.total == pytest.approx(sum(phases.values()))
    told = "forecast: 1m 45s in all (supernet 1m 40s, more 5.0s)"
    assert str(Forecast((Phase("supernet", 100.0), Phase("more", 5.0)))) == told


def test_trainings_are_left_out_in_their_order(tmp_path):
    search = longer(tmp_path)
    told = [(what, config.retraining, config.budget.fractions) for config, what in cuts(search.config)]
    assert [what for what, *_ in told] == [
        "second seeds",
        "random networks just below the bound",
        "budget 0.5",
        "budget 0.7",
        "random networks beyond two",
    ]
    _, last, shares = told[-1]
    assert (last.repeats, last.at_bound, last.random, shares) == (1, 0, 2, (1.0,))
    assert (last.off_the_shelf, last.convergence) == (True, True)


@pytest.mark.parametrize("seconds", [140, 180, 230, 300, 400, 600, 900, 2000, 5000])
def test_a_schedule_fits_its_time_budget_and_uses_it(tmp_path, seconds):
    search = longer(tmp_path)
    measured = rates(search)
    found = fit(measured, seconds)
    assert found.forecast.total <= seconds
    whole = measured.forecast(search.config).total
    if seconds < 4 * whole - 200:
        assert found.forecast.total > 0.8 * seconds
    # Nothing is left out where all fits, and nothing becomes shorter while something can be left out.
    assert (found.cut == ()) == (seconds >= whole)
    if len(found.cut) < 5:
        assert found.factor >= 0.999
    # Networks are given up later, by the speed then measured.
    assert (found.config.retraining, found.config.budget) == (search.config.retraining, search.config.budget)
    # Only the schedule changes.
    before, after = search.config.strategy.config, found.config.strategy.config
    assert after.proposer.config.population == before.proposer.config.population
    assert (found.config.data, after.evaluation) == (search.config.data, before.evaluation)


def test_more_time_never_trains_less(tmp_path):
    measured = rates(longer(tmp_path))
    found = [fit(measured, seconds) for seconds in range(140, 3000, 120)]
    left_out, factors = [len(one.cut) for one in found], [one.factor for one in found]
    assert left_out == sorted(left_out, reverse=True)
    alike = [[f for n, f in zip(left_out, factors, strict=True) if n == cut] for cut in set(left_out)]
    assert all(factors == sorted(factors) for factors in alike)


def test_too_little_time_is_refused_with_what_would_do(tmp_path):
    measured = rates(longer(tmp_path))
    least = shortest(measured)
    assert fit(measured, least - 1) is None
    found = fit(measured, least + 1)
    assert found.factor == pytest.approx(least_factor(measured.run.config, 2), rel=0.05)
    assert found.cut[-1] == "the network off the shelf"
    assert str(refuse(60.0, {64: 700.0, 48: 400.0})) == (
        "--time-budget 1m 00s is too short for networks that converge on images of 64 pixels: give --time-budget 11m"
        " 40s or --set data.image_size=48 with 6m 40s or fewer images by data.max_images"
    )


def test_images_are_reduced_to_what_still_shows_something():
    assert [smaller_sizes(size) for size in (224, 96, 64, 32, 28, 8)] == [
        [168, 112],
        [72, 48],
        [48, 32],
        [24],
        [24],
        [],
    ]


def test_the_parts_of_a_run_share_what_the_forecast_leaves(tmp_path):
    found = SimpleNamespace(
        forecast=Forecast((Phase("supernet", 30.0), Phase("retraining", 60.0), Phase("test and export", 10.0)))
    )
    assert ends(found, 200.0, 5.0) == pytest.approx({"supernet": 5 + 175 / 3, "networks": 180.0})


def test_a_single_generation_stays_one(tmp_path):
    search = longer(tmp_path, proposer={"kind": "nsga2", "population": 24, "generations": 1})
    assert scaled_config(search.config, 0.1).strategy.config.proposer.config.generations == 1


def test_a_shorter_schedule_splits_earlier(tmp_path):
    sharing = {"kind": "split", "epoch": 50}
    config = longer(tmp_path, supernet={"recipe": {"epochs": 100}, "sharing": sharing}).config
    for factor in (0.02, 0.3, 0.6, 1.5):
        supernet = scaled_config(config, factor).strategy.config.supernet
        assert supernet.split_epoch < supernet.recipe.epochs
        assert supernet.split_epoch == pytest.approx(supernet.recipe.epochs / 2, abs=1)


@pytest.mark.parametrize("way", ["parameter", "score", "fine-tuned"])
def test_forecasts_are_measured_and_leave_nothing_behind(tmp_path, way):
    search = make_search(tmp_path, oracle=f"supernet:{way}", evaluation={"fine_tune_steps": 5000})
    phases = {phase.name: phase.seconds for phase in search.forecast()}
    assert list(phases) == ["supernet", "weight sampling", "search", "retraining", "test and export"]
    assert all(seconds > 0 for seconds in phases.values())
    # Fine-tuning takes thousands of steps for each of the eight; a forecast without them would be idle talk.
    assert (phases["search"] > 40.0) == (way == "fine-tuned")
    assert not list(tmp_path.iterdir())


def test_the_forecast_of_an_oracle_that_trains_takes_a_few_steps_and_leaves_nothing_behind(tmp_path, monkeypatch):
    over = {"strategy": "random", "oracle": "train", "proposer": {"evaluations": 100}}
    recipe = {"recipe": {"epochs": 500, "batch_size": 64, "lr": 0.1}}
    phases = {phase.name: phase.seconds for phase in make_search(tmp_path, retraining=recipe, **over).forecast()}
    assert phases["search"] > 50.0
    assert not list(tmp_path.iterdir())
