"""The forecast, and schedules scaled to a time budget."""

import pytest
from strategy_parts import make_config, make_setup, merged

from trueshot.core.errors import ConfigError
from trueshot.strategies.config import SearchConfig
from trueshot.strategies.forecast import Rates, forecast, measure_rates, scale_to
from trueshot.strategies.presets import read_preset

RATES = Rates(
    supernet_step=0.01, score=0.05, network_steps=(0.02, 0.03), supernet_steps_per_epoch=20, network_steps_per_epoch=10
)


def preset_config(name="digits", **over):
    values = read_preset(name)
    values.pop("spaces")
    return SearchConfig.make(merged(values, over))


def test_the_forecast_multiplies_out():
    config = make_config(
        supernet={"recipe": {"epochs": 7}}, weight_sampling={"samples": 4}, retraining={"recipe": {"epochs": 5}}
    )
    told = forecast(config, RATES)
    assert told.supernet == pytest.approx(7 * 20 * 0.01)
    assert told.weight_sampling == pytest.approx(3 * 20 * 0.01)
    assert told.search == pytest.approx(8 * 0.05)
    assert told.retraining == pytest.approx(5 * 10 * 0.05)
    assert told.total == pytest.approx(1.4 + 0.6 + 0.4 + 2.5)
    assert str(told) == "forecast: 4.9s in all (supernet 1.4s, weight sampling 0.6s, search 0.4s, retraining 2.5s)"


@pytest.mark.parametrize("share", [0.1, 0.3, 0.8, 1.0, 2.0, 3.5, 100.0])
def test_a_schedule_fits_its_time_budget_and_uses_it(share):
    config = preset_config()
    whole = forecast(config, RATES).total
    scaled = scale_to(config, RATES, share * whole)
    took = forecast(scaled, RATES).total
    assert took <= 0.9 * share * whole
    if 0.1 < share <= 2.0:
        assert took >= 0.6 * share * whole
    assert scaled.supernet.recipe.epochs <= 4 * config.supernet.recipe.epochs
    assert scaled.weight_sampling.samples <= config.weight_sampling.samples
    assert 2 <= scaled.evolution.generations <= config.evolution.generations
    assert scaled.retraining.recipe.warmup_epochs < scaled.retraining.recipe.epochs
    # Only the schedule changes.
    assert scaled.evolution.population == config.evolution.population
    assert (scaled.data, scaled.budget, scaled.evaluation) == (config.data, config.budget, config.evaluation)
    assert scaled.supernet.recipe.lr == config.supernet.recipe.lr


def test_more_time_never_shortens_the_schedule():
    config = preset_config()
    whole = forecast(config, RATES).total
    epochs = [scale_to(config, RATES, share * whole).supernet.recipe.epochs for share in (0.1, 0.2, 0.5, 1.0, 2.0, 4.0)]
    assert epochs == sorted(epochs)
    assert epochs[0] < epochs[-1]


def test_too_little_time_is_said():
    message = r"the shortest schedule takes .*, more than the time budget 0\.1s: allow more time"
    with pytest.raises(ConfigError, match=message):
        scale_to(preset_config(), RATES, 0.1)


def test_a_single_generation_stays_one():
    config = preset_config(evolution={"generations": 1})
    assert scale_to(config, RATES, 5.0).evolution.generations == 1


@pytest.mark.parametrize("expectation", ["parameter", "score", "fine-tuned"])
def test_rates_are_measured(tmp_path, expectation):
    over = {"evaluation": {"expectation": expectation, "fine_tune_steps": 5000}}
    rates = measure_rates(make_setup(tmp_path, **over), train=expectation == "parameter")
    assert (rates.supernet_step > 0) == (expectation == "parameter")
    assert rates.score > 0
    # Fine-tuning takes thousands of steps; a forecast without them would be idle talk.
    assert (rates.score > 5.0) == (expectation == "fine-tuned")
    # Two budgets, each with a winner and a random network, and one off the shelf.
    assert len(rates.network_steps) == 5
    assert all(step > 0 for step in rates.network_steps)
    assert (rates.supernet_steps_per_epoch, rates.network_steps_per_epoch) == (2, 3)
    assert not list(tmp_path.iterdir())
