"""The forecast of a search, and its schedule scaled to a time budget."""

import pytest
from strategy_parts import make_search

from trueshot.core.errors import ConfigError
from trueshot.strategies.protocol import Forecast, Phase
from trueshot.strategies.run import SearchRun, scaled_config

SECONDS = {"supernet": 100.0, "weight sampling": 30.0, "search": 40.0, "retraining": 200.0}


def longer(tmp_path, **over):
    recipe = {"epochs": 100, "warmup_epochs": 2.0}
    values = {
        "supernet": {"recipe": recipe},
        "weight_sampling": {"samples": 8},
        "proposer": {"kind": "nsga2", "population": 24, "generations": 10},
        "retraining": {"recipe": {"epochs": 50, "warmup_epochs": 2.0}},
    }
    return make_search(tmp_path, **(values | over))


@pytest.fixture
def forecast(monkeypatch):
    """Let every forecast be the same, as if it had been measured."""
    phases = Forecast(tuple(Phase(name, seconds) for name, seconds in SECONDS.items()))
    monkeypatch.setattr(SearchRun, "forecast", lambda self: phases)
    return phases


def cost_of(search, scaled):
    """Return the seconds of the scaled schedule, each phase in proportion to its amount."""
    before, after = search.config.strategy.config, scaled.config.strategy.config
    shares = {
        "supernet": after.supernet.recipe.epochs / before.supernet.recipe.epochs,
        "weight sampling": (after.weight_sampling.samples - 1) / (before.weight_sampling.samples - 1),
        "search": after.proposer.config.evaluations / before.proposer.config.evaluations,
        "retraining": scaled.config.retraining.recipe.epochs / search.config.retraining.recipe.epochs,
    }
    return sum(SECONDS[name] * share for name, share in shares.items())


def test_a_forecast_adds_up_and_reads_well(forecast):
    assert forecast.total == 370.0
    told = "forecast: 6m 10s in all (supernet 1m 40s, weight sampling 30s, search 40s, retraining 3m 20s)"
    assert str(forecast) == told
    assert (forecast + Forecast((Phase("more", 5.0),))).total == 375.0


@pytest.mark.parametrize("share", [0.1, 0.3, 0.8, 1.0, 2.0, 3.5, 100.0])
def test_a_schedule_fits_its_time_budget_and_uses_it(tmp_path, forecast, share):
    search = longer(tmp_path)
    scaled = search.scaled(share * forecast.total)
    before, after = search.config.strategy.config, scaled.config.strategy.config
    took = cost_of(search, scaled)
    assert took <= 0.9 * share * forecast.total + 1e-9
    if 0.1 < share <= 2.0:
        assert took >= 0.6 * share * forecast.total
    assert after.supernet.recipe.epochs <= 4 * before.supernet.recipe.epochs
    assert after.weight_sampling.samples <= before.weight_sampling.samples
    assert 2 <= after.proposer.config.generations <= before.proposer.config.generations
    assert scaled.config.retraining.recipe.warmup_epochs < scaled.config.retraining.recipe.epochs
    # Only the schedule changes.
    assert after.proposer.config.population == before.proposer.config.population
    assert (scaled.config.data, scaled.config.budget) == (search.config.data, search.config.budget)
    assert (after.evaluation, after.supernet.recipe.lr) == (before.evaluation, before.supernet.recipe.lr)


def test_more_time_never_shortens_the_schedule(tmp_path, forecast):
    search, shares = longer(tmp_path), (0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
    scaled = [search.scaled(share * forecast.total).config.strategy.config for share in shares]
    epochs = [config.supernet.recipe.epochs for config in scaled]
    assert epochs == sorted(epochs)
    assert epochs[0] < epochs[-1]


def test_too_little_time_is_said(tmp_path, forecast):
    message = r"the shortest schedule takes .*, more than the time budget 0\.1s: allow more time"
    with pytest.raises(ConfigError, match=message):
        longer(tmp_path).scaled(0.1)


def test_a_single_generation_stays_one(tmp_path, forecast):
    search = longer(tmp_path, proposer={"kind": "nsga2", "population": 24, "generations": 1})
    assert search.scaled(100.0).config.strategy.config.proposer.config.generations == 1


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
    assert list(phases) == ["supernet", "weight sampling", "search", "retraining"]
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
