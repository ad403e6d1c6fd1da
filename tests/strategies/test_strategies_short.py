"""Short trainings: who is trained for how long, and who is picked then."""

import json

import numpy as np
import pytest
from strategy_parts import Said, make_search

from trueshot.core.errors import ConfigError, TrainingError
from trueshot.core.executor import make_executor
from trueshot.core.results import Table
from trueshot.evaluation.trained import StandAlone
from trueshot.strategies.finish.picking import pick_winners
from trueshot.strategies.forecast import FinishRates, Rates, ends, fit, scaled_config
from trueshot.strategies.protocol import Found
from trueshot.strategies.setup import Context
from trueshot.strategies.short import PHASE, Shortened, ShortTrainings, reordered, shortlist, standing
from trueshot.strategies.short_config import RankShortConfig, ShortConfig

RETRAINING = {"recipe": {"epochs": 8, "batch_size": 32, "lr": 0.1, "warmup_epochs": 2}}


def test_rounds_of_successive_halving_by_hand():
    config = ShortConfig(architectures=30)
    assert config.epochs(200) == (12, 24, 50)
    assert config.rounds(200) == ((30, 12), (15, 24), (8, 50))
    assert config.total_epochs(200) == 30 * 12 + 15 * 24 + 8 * 50
    # A short retraining still has rising rounds, none longer than itself.
    assert config.epochs(10) == (1, 2, 3)
    assert config.epochs(2) == (1, 2)
    # Where there are fewer, fewer are trained; one alone is not trained longer.
    assert config.rounds(200, 3) == ((3, 12), (2, 24))
    assert config.rounds(200, 1) == ((1, 12),)
    assert ShortConfig().rounds(200) == ()
    assert config.scaled(0.5).shares == (0.03, 0.06, 0.125)
    assert config.scaled(5).shares == (0.3, 0.6, 1.0)
    assert config.scaled(20).shares == (1.0,)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"architectures": 1}, "one short training has nothing to be compared with"),
        ({"architectures": -2}, "architectures"),
        ({"shares": [0.2, 0.1]}, "must rise"),
        ({"shares": [0.5, 1.5]}, "shares"),
    ],
)
def test_what_makes_no_sense_is_refused(values, message):
    for config in (ShortConfig, RankShortConfig):
        with pytest.raises(ConfigError, match=message):
            config.make(values)


def test_budgets_take_turns_and_twins_count_once():
    classes = [b"a", b"b", b"b", b"c", b"d", b"e"]
    cost = np.array([9, 9, 4, 8, 5, 4])
    order = np.array([0, 1, 2, 3, 4, 5])
    # One budget: the best of each class. Two: the first allows all, the second 2, 4 and 5 alone.
    assert shortlist(classes, order, cost, (9,), 4).tolist() == [0, 1, 3, 4]
    assert shortlist(classes, order, cost, (9, 5), 3).tolist() == [0, 2, 3]
    assert shortlist(classes, order[::-1], cost, (9, 5), 2).tolist() == [5, 4]
    assert shortlist(classes, order, cost, (9, 5), 99).tolist() == [0, 2, 3, 4, 5]
    assert shortlist(classes, order, cost, (3,), 2).tolist() == []


def test_the_largest_of_the_best_are_trained():
    classes, order = [bytes([index // 2]) for index in range(40)], np.arange(40)
    cost, sizes = np.arange(40) % 8, np.where(np.arange(40) < 8, np.arange(40) % 4, 99)

    def chosen(count, pool, budgets=(9,)):
        return shortlist(classes, order, cost, budgets, count, lambda at: sizes[at].astype(float), pool).tolist()

    # Of the best fifth the largest, of equals the better-scored, of twins one.
    assert chosen(3, 0.2) == [3, 7, 1]
    assert chosen(2, 0.2) == [3, 7]
    # Without a pool the best.
    assert chosen(3, 0.0) == [0, 2, 4]
    # The pool holds at least as many classes as are wanted.
    assert chosen(3, 0.01) == [3, 1, 4]
    # Each budget has a pool of its own: of the cheap ones all but four of the twenty are large.
    assert chosen(2, 0.2, (9, 3)) == [3, 1]
    assert chosen(2, 1.0) == [8, 10]


def test_the_order_by_rounds_accuracy_and_score():
    nan, broke = np.nan, -np.inf
    accuracies = np.array([[0.5, 0.9, 0.4, broke, nan, nan], [0.7, 0.6, nan, nan, nan, nan]])
    done = Shortened(epochs=(1, 2), accuracies=accuracies)
    assert done.rounds.tolist() == [2, 2, 1, 0, 0, 0]
    assert done.last.tolist() == [0.7, 0.6, 0.4, broke, 0.0, 0.0]
    scores = np.array([1.0, 9.0, 2.0, 8.0, 3.0, 3.0])
    # Two rounds, one round, not trained by score, broken.
    assert standing(done.rounds, done.last, scores).tolist() == [4.0, 3.0, 2.0, 0.0, 1.0, 1.0]
    assert done.told() == "4 architectures for 1 epoch, 2 of these for 2 epochs"


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    """A search whose five random architectures are scored at random, so that training them tells something else."""
    return make_search(
        tmp_path_factory.mktemp("short") / "run",
        short={"architectures": 5, "shares": [0.125, 0.25]},
        retraining=RETRAINING,
        data={"max_images": 200, "max_test_images": 60},
    )


@pytest.fixture(scope="module")
def archs(search):
    rows = np.unique(search.context.space.sample(40, 0), axis=0)
    _, first = np.unique(search.context.space.canonical(rows), axis=0, return_index=True)
    return rows[np.random.default_rng(1).permutation(first)[:5]]


def plainly(search, archs, epochs):
    """Train each architecture by itself in a loop of its own."""
    retraining = search.config.retraining
    recipe = retraining.recipe.with_epochs(epochs)
    context = search.context.replace(retraining=retraining.replace(recipe=recipe))
    alone = context.stand_alone("accuracy", kept=f"plain-{epochs}").evaluator._scoring.evaluator
    return np.concatenate([alone(search.context.space.canonical(row[None])) for row in archs])


@pytest.fixture(scope="module")
def shortened(search, archs):
    said = Said()
    context = search.context.replace(observer=said)
    return ShortTrainings(search.config.short, context).run(archs, np.arange(5.0)[::-1]), said


def test_it_is_what_a_plain_loop_of_trainings_says(search, archs, shortened):
    done, said = shortened
    first = plainly(search, archs, 1)
    assert done.epochs == (1, 2)
    assert np.array_equal(done.accuracies[0], first)
    best = np.argsort(-first, kind="stable")[:3]
    second = np.full(5, np.nan)
    second[best] = plainly(search, archs[best], 2)
    assert np.array_equal(done.accuracies[1], second, equal_nan=True)
    assert len(np.unique(first)) > 1
    assert said.events[0] == ("begin", PHASE, 5 * 1 + 3 * 2, 0)
    assert said.events[-2:] == [("advance", PHASE, 11), ("end", PHASE)]
    assert ("advance", PHASE, 3) in said.events
    best = 100 * first.max()
    assert said.lines[0] == f"short trainings, round 1: 5 architectures, 1 epoch, best accuracy {best:.2f} %"


def test_every_training_is_logged(search, archs, shortened):
    done, _ = shortened
    rows = [json.loads(line) for line in search.context.run.log("short").read_text().splitlines()]
    assert [(row["round"], row["epochs"]) for row in rows] == [(1, 1)] * 5 + [(2, 2)] * 3
    assert [row["accuracy"] for row in rows[:5]] == done.accuracies[0].tolist()
    assert [row["arch"] for row in rows[:5]] == [search.context.space.format(row) for row in archs]


def test_what_was_trained_is_not_trained_again(search, archs, shortened, monkeypatch):
    def refuse(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr(StandAlone, "__call__", refuse)
    again = ShortTrainings(search.config.short, search.context).run(archs, np.arange(5.0)[::-1])
    assert np.array_equal(again.accuracies, shortened[0].accuracies, equal_nan=True)


def test_winners_follow_the_top_within_their_budgets(search, archs, shortened):
    # Scores against the accuracies, and a sixth architecture that is not trained, of the best score but one.
    space, done = search.context.space, shortened[0]
    known = {bytes(row) for row in space.canonical(archs)}
    other = next(row for row in space.sample(200, 5) if bytes(space.canonical(row[None])[0]) not in known)
    rows, scores = np.concatenate([archs, other[None]]), np.array([9.0, 8.0, 7.0, 6.0, 5.0, 4.0])
    cost = search.context.costs["madds"](rows)
    budgets = (float(cost.max()), float(np.sort(cost)[2]))
    found = Found(archs=rows, scores=scores, evaluator=Summed(1, int, (), []), scored_by="made up")
    after = reordered(found, search.config.short, search.context, budgets[:1], "madds")
    assert np.array_equal(after.scores, scores)
    rank = [(*key, score) for *key, score in zip(done.rounds, done.last, scores[:5], strict=True)]
    expected = sorted(range(5), key=lambda index: rank[index], reverse=True)
    assert after.best_first.tolist() == [*expected, 5]
    assert after.best_first.tolist() != found.best_first.tolist()
    winners = pick_winners(search.context.costs, rows, scores, budgets, "madds", after.standing)
    cheap = next(index for index in expected if cost[index] <= budgets[1])
    dear = next(index for index in expected if index != cheap)
    assert [bytes(winner.row) for winner in winners] == [bytes(rows[dear]), bytes(rows[cheap])]
    assert [winner.score for winner in winners] == [scores[dear], scores[cheap]]
    section = next(section for section in after.more if isinstance(section, Table))
    assert [row[0] for row in section.rows] == [space.format(rows[index]) for index in expected]
    assert section.heads[-2:] == ("accuracy after 1 epoch (%)", "accuracy after 2 epochs (%)")
    assert section.rows[0][3] == str(1 + expected[0])
    assert after.values["short_trainings"] == [{"architectures": 5, "epochs": 1}, {"architectures": 3, "epochs": 2}]
    assert after.told[-1][0] == "Short trainings"


class Summed:
    """Takes the sum of the options for the accuracy, and has the training of some break."""

    digest = "sums"

    def __init__(self, epochs, report, broken, calls):
        self.epochs, self.report, self.broken, self.calls = epochs, report, broken, calls

    def __call__(self, rows):
        if any(bytes(row) in self.broken for row in rows):
            raise TrainingError("the loss is not finite")
        self.calls.append((self.epochs, len(rows)))
        self.report(len(rows))
        return rows.sum(axis=1) / 1000


def by_sums(monkeypatch, broken=()):
    """Put sums in the place of trainings; return epochs and architectures of each call."""
    calls = []

    def stand_alone(self, metric, *, kept, report):
        return Summed(self.retraining.recipe.epochs, report, broken, calls)

    monkeypatch.setattr(Context, "stand_alone", stand_alone)
    return calls


def test_a_training_that_breaks_comes_last_and_stops_nothing(search, archs, monkeypatch):
    by_sums(monkeypatch, broken={bytes(archs[1])})
    done = ShortTrainings(search.config.short, search.context).run(archs, np.zeros(5))
    assert done.accuracies[0, 1] == -np.inf
    assert np.isfinite(np.delete(done.accuracies[0], 1)).all()
    assert np.isnan(done.accuracies[1, 1])
    assert standing(done.rounds, done.last, np.zeros(5)).argmin() == 1


def test_nothing_is_left_where_all_break(search, archs, monkeypatch):
    by_sums(monkeypatch, broken={bytes(row) for row in archs})
    done = ShortTrainings(search.config.short, search.context).run(archs, np.zeros(5))
    assert done.epochs == (1,)
    assert (done.accuracies == -np.inf).all()


class Over:
    """A deadline that is over after so many looks at the clock."""

    def __init__(self, looks, decisions=None):
        self.looks, self.looked, self.decisions = looks, 0, {} if decisions is None else decisions

    def decided(self, what):
        return self.decisions.get(what)

    def decide(self, what, make):
        return self.decisions.setdefault(what, make())

    def until(self, part):
        assert part == PHASE
        return float(self.looks)

    @property
    def used(self):
        self.looked += 1
        return float(self.looked)

    def mark(self):
        pass


def test_the_time_is_kept_and_what_was_decided_stays(search, archs, monkeypatch):
    calls = by_sums(monkeypatch)
    deadline = Over(3)
    context = search.context.replace(deadline=deadline)
    done = ShortTrainings(search.config.short, context).run(archs, np.zeros(5))
    # The first is trained without a look at the clock; the third look finds no time left.
    assert deadline.decisions == {"short-1": {"architectures": 3}, "short-2": {"architectures": 0}}
    assert calls == [(1, 1)] * 3
    assert np.isnan(done.accuracies).tolist() == [[False] * 3 + [True] * 2]
    again = ShortTrainings(search.config.short, context.replace(deadline=Over(99, deadline.decisions))).run(
        archs, np.zeros(5)
    )
    assert np.array_equal(again.accuracies, done.accuracies, equal_nan=True)


def test_they_are_foretold_and_scaled(search):
    step, image = 0.1, 0.001
    finish = FinishRates(step=(step, 0.05), shelf=step, steps_per_epoch=4, all_steps=5, image=image, measured=100)
    rates = Rates(search, {}, finish)
    validation = len(search.context.images.validation)
    expected = 5 * (1 * 4 * step + validation * image) + 3 * (2 * 4 * step + validation * image)
    phases = {phase.name: phase.seconds for phase in rates.forecast(search.config)}
    assert phases[PHASE] == pytest.approx(expected)
    longer = scaled_config(search.config, 2.0)
    assert longer.short.epochs(8) == (2, 4)
    # The retraining that the shares are of is that of the run.
    phases = {phase.name: phase.seconds for phase in rates.forecast(longer)}
    expected = 5 * (2 * 4 * step + validation * image) + 3 * (4 * 4 * step + validation * image)
    assert phases[PHASE] == pytest.approx(expected)
    fitting = fit(rates, 10_000.0)
    assert fitting.config.short.epochs(8) == (4, 8)
    parts = ends(fitting, 10_000.0, 0.0)
    assert 0 < parts[PHASE] < parts["networks"]
    none = search.config.replace(short=ShortConfig())
    assert PHASE not in {phase.name for phase in rates.forecast(none)}


def test_networks_must_be_trainable(tmp_path):
    lacking = make_search(tmp_path, short={"architectures": 3}, retraining=RETRAINING)
    config = lacking.config.replace(retraining=None)
    with pytest.raises(ConfigError, match="--short-trainings trains networks as the retraining does: set retraining"):
        type(lacking)(config=config, context=lacking.context).check()


def test_workers_have_something_to_do(tmp_path):
    two = make_executor("local", 2, None)
    for architectures in (0, 3):
        made = make_search(tmp_path, short={"architectures": architectures})
        made = type(made)(config=made.config, context=made.context.replace(executor=two))
        if architectures:
            made._check_workers()
        else:
            with pytest.raises(ConfigError, match="which serve train and --short-trainings"):
                made._check_workers()
