"""Plans that change while a training runs, and names of several trainings in one run."""

import json

import pytest
from training_parts import SPACE, FixedBatches, make_supernet, same, state

from trueshot.core.errors import TrainingError
from trueshot.core.random import Streams
from trueshot.core.run import RunDirectory
from trueshot.sampling import Uniform
from trueshot.training.classification import Loss
from trueshot.training.config import Plateau, Recipe
from trueshot.training.loop import train
from trueshot.training.optimizers import make_optimizer
from trueshot.training.plan import Plan
from trueshot.training.schedules import make_schedule
from trueshot.training.supernet import SupernetTask
from trueshot.training.task import TRAIN

BATCHES = {TRAIN: FixedBatches()}
COSINE = Recipe(epochs=3, batch_size=6, lr=0.1, warmup_epochs=0.5)
RECIPES = {"cosine": COSINE, "plateau": Recipe(epochs=3, batch_size=6, lr=0.1, plateau=Plateau(patience=0))}


class Killed(Exception):
    pass


def make_task(plan, recipe=COSINE, kill_at=None):
    supernet = make_supernet()
    schedule = make_schedule(recipe, plan, 4)
    task = SupernetTask(supernet, Uniform(SPACE), make_optimizer(supernet, recipe), schedule, Loss(), None, Streams(3))
    step, task.rates = task.step, {}

    def watched(index, batches):
        if index == kill_at:
            raise Killed
        metrics = step(index, batches)
        task.rates[index] = task.learning_rate
        return metrics

    task.step = watched
    return task


def make_plan(folder, **changes):
    files = {"checkpoint": folder / "net.ckpt", "log": folder / "net.jsonl"}
    return Plan(**{"phase": "net", "steps": 12, "identity": "x", "save_every": 0.0, **files, **changes})


class Reviser:
    """Changes the plan at given steps, as one that measures speed would; it notes what it was asked."""

    def __init__(self, changes):
        self.changes, self.asked, self.seconds = changes, [], []

    def __call__(self, pace):
        self.asked.append((pace.step, pace.steps))
        self.seconds.append(pace.seconds)
        return self.changes.get(pace.step)


def refuse(pace):
    raise AssertionError(f"asked again at {pace}")


def timeless(history):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history]


def changes_of(folder):
    return [json.loads(line) for line in (folder / "net-plan.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_changed_plan_trains_as_if_each_part_had_had_its_length(tmp_path, recipe):
    plan, reviser = make_plan(tmp_path), Reviser({5: 20, 9: 14})
    task = make_task(plan, recipe)
    history = train(task, BATCHES, plan, revise=reviser)
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    assert reviser.asked == [(n, 12 if n <= 5 else 20 if n <= 9 else 14) for n in range(1, 15)]
    assert reviser.seconds == sorted(reviser.seconds)
    assert history[-1]["seconds"] >= reviser.seconds[-1] > 0
    assert changes_of(tmp_path) == [
        {"step": 5, "steps": 20, "identity": "x"},
        {"step": 9, "steps": 14, "identity": "x"},
    ]
    # A plain loop with a schedule of another length from a step on.
    oracle = make_task(make_plan(tmp_path), recipe)
    epochs = []
    for step, batch in enumerate(FixedBatches().iterate(0, 14)):
        if recipe is COSINE:
            oracle.schedule = make_schedule(
                recipe, Plan(phase="x", steps=12 if step < 5 else 20 if step < 9 else 14), 4
            )
        oracle.step(step, {TRAIN: batch})
        if step % 4 == 3:
            epochs.append(history[step // 4])
            oracle.watch(epochs)
    assert same(state(oracle.supernet), state(task.supernet))
    assert oracle.rates == task.rates


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("save_every", [0.0, 1e9], ids=["saved", "unsaved"])
@pytest.mark.parametrize("kill_at", [2, 5, 6, 12, 15])
def test_a_killed_training_repeats_its_changes(tmp_path, recipe, save_every, kill_at):
    whole_plan, changes = Plan(phase="net", steps=12), {5: 18, 12: 16}
    whole = make_task(whole_plan, recipe)
    expected = train(whole, BATCHES, whole_plan, revise=Reviser(changes))
    plan = make_plan(tmp_path, save_every=save_every)
    with pytest.raises(Killed):
        train(make_task(plan, recipe, kill_at), BATCHES, plan, revise=Reviser(changes))
    # What was written down is repeated; the reviser, which would now decide otherwise, is asked only beyond it.
    done = [step for step in changes if step <= kill_at]
    later = Reviser({step: steps for step, steps in changes.items() if step not in done})
    again = make_plan(tmp_path, save_every=save_every)
    resumed = make_task(again, recipe)
    history = train(resumed, BATCHES, again, revise=later)
    assert same(state(resumed.supernet), state(whole.supernet))
    assert timeless(history) == timeless(expected)
    assert min(step for step, _ in later.asked) > max(done, default=0)
    assert [(row["step"], row["steps"]) for row in changes_of(tmp_path)] == list(changes.items())
    # The same plan object, used again, starts from its first length.
    finished = make_task(plan, recipe)
    assert train(finished, BATCHES, plan, revise=refuse) == history
    assert same(state(finished.supernet), state(whole.supernet))
    assert plan.steps == 16


def test_killed_twice_while_changes_are_repeated(tmp_path):
    changes = {5: 18, 12: 16}
    plan = make_plan(tmp_path, save_every=1e9)
    whole_plan = Plan(phase="net", steps=12)
    whole = make_task(whole_plan)
    train(whole, BATCHES, whole_plan, revise=Reviser(changes))
    for kill_at, revise in ((14, Reviser(changes)), (7, refuse), (11, None)):
        with pytest.raises(Killed):
            train(make_task(plan, kill_at=kill_at), BATCHES, plan, revise=revise)
        assert len(changes_of(tmp_path)) == 2
    last = make_task(plan)
    train(last, BATCHES, plan)
    assert same(state(last.supernet), state(whole.supernet))


def test_an_observer_is_told_the_new_length_and_a_stop_ends_the_epoch(tmp_path):
    told = []

    class Told:
        def begin(self, phase, total, done, unit):
            told.append((total, done))

        def advance(self, phase, done):
            pass

        say = advance

        def record(self, phase, step, row):
            told.append((row["epoch"], step))

        def end(self, phase):
            told.append("end")

    plan = make_plan(tmp_path)
    history = train(make_task(plan), BATCHES, plan, revise=Reviser({6: 6}), observer=Told())
    assert told == [(12, 0), (1, 4), (6, 6), (2, 6), "end"]
    assert len(history) == 2


def test_what_cannot_be_is_refused(tmp_path):
    plan = make_plan(tmp_path)
    with pytest.raises(TrainingError, match="net cannot be shortened to 3 steps: 6 are done"):
        train(make_task(plan), BATCHES, plan, revise=Reviser({6: 3}))
    assert not plan.changes_log.exists()
    with pytest.raises(ValueError, match="needs a log"):
        train(make_task(plan), BATCHES, make_plan(tmp_path, log=None), revise=Reviser({}))


def test_changes_of_another_configuration_are_none_of_ours(tmp_path):
    plan = make_plan(tmp_path, checkpoint=None)
    assert len(train(make_task(plan), BATCHES, plan, revise=Reviser({5: 20}))) == 5
    other = make_plan(tmp_path, checkpoint=None, identity="y")
    assert len(train(make_task(other), BATCHES, other)) == 3
    assert len(train(make_task(other), BATCHES, other, revise=Reviser({2: 8}))) == 2
    assert changes_of(tmp_path) == [{"step": 2, "steps": 8, "identity": "y"}]


def test_rounds_of_one_run_keep_apart(tmp_path):
    def plan_of(run, number):
        return Plan.in_run(run, "supernet", 8, identity="x", save_every=0.0, phase="supernet", training_round=number)

    def train_rounds(run, kill_at=None):
        """Train twice, the second time from the weights of the first on, killed there if asked for."""
        plans = [plan_of(run, number) for number in (1, 2)]
        first = make_task(plans[0])
        train(first, BATCHES, plans[0])
        second = make_task(plans[1], kill_at=kill_at)
        second.supernet.load_state_dict(first.supernet.state_dict())
        train(second, BATCHES, plans[1])
        return state(second.supernet)

    whole = train_rounds(RunDirectory(tmp_path / "whole"))
    run = RunDirectory(tmp_path / "killed")
    with pytest.raises(Killed):
        train_rounds(run, kill_at=5)
    before = run.checkpoint("supernet").read_bytes()
    assert same(train_rounds(run), whole)
    assert run.checkpoint("supernet").read_bytes() == before
    assert sorted(path.name for path in run.path.rglob("*.*")) == [
        "supernet-r2.ckpt",
        "supernet-r2.jsonl",
        "supernet.ckpt",
        "supernet.jsonl",
    ]
    assert [plan_of(run, number).phase for number in (1, 2, 3)] == ["supernet", "supernet-r2", "supernet-r3"]
    # A checkpoint of one round is no checkpoint of another.
    assert plan_of(run, 1).identity != plan_of(run, 2).identity


@pytest.mark.parametrize("pauses", [(5,), (4, 5, 11), (12,), (1, 30)])
def test_a_training_in_parts_is_one_training(tmp_path, pauses):
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    plan = make_plan(tmp_path / "whole")
    task = make_task(plan)
    wanted = train(task, BATCHES, plan)
    done = []
    for until in (*pauses, None):
        plan = make_plan(tmp_path / "parts", save_every=1e9)
        part = make_task(plan)
        history = train(part, BATCHES, plan, until=until)
        done.append(len(part.rates))
    assert sum(done) == 12
    assert done[0] == min(pauses[0], 12)
    assert timeless(history) == timeless(wanted)
    assert same(state(part.supernet), state(task.supernet))


def test_a_length_may_change_between_two_parts(tmp_path):
    plan = make_plan(tmp_path)
    train(make_task(plan), BATCHES, plan, until=4)
    plan = make_plan(tmp_path)
    task = make_task(plan)
    train(task, BATCHES, plan, until=9, revise=lambda pace: 20)
    assert [change.steps for change in plan.changes] == [20]
    plan = make_plan(tmp_path)
    train(make_task(plan), BATCHES, plan, revise=lambda pace: 20)
    # Nothing is done where enough is: a part that was trained before a kill is passed over.
    again = make_task(make_plan(tmp_path))
    assert len(train(again, BATCHES, make_plan(tmp_path), until=9)) == 5
    assert again.rates == {}
