import numpy as np
import pytest
from study_checks import figures, finding, refuse, run_smoke, session

from trueshot.cli.names import find_study
from trueshot.core.errors import RunError
from trueshot.core.executor import Local
from trueshot.criteria.correlation import kendall_tau
from trueshot.studies.record import Claim, Finding, Outcome, Prior, Scale, Study
from trueshot.studies.runner import Runner
from trueshot.studies.stnas import TOPOLOGY_SMOKE
from trueshot.studies.supernets import Rankings
from trueshot.training.supernet import SupernetTask

SETTING = {**TOPOLOGY_SMOKE, "truth": {}, "seeds": 3, "supernet.recipe.epochs": 2}
FAST = {"fast": {"supernet.recipe.lr": 0.4}}


def analyse(scored):
    gains = {name: scored.scores[name, "single"].mean(axis=1) for name in ("slow", "fast")}
    found = tuple(float(value) for value in gains["fast"] - gains["slow"])
    return Outcome(
        findings=tuple(
            Finding(what=name, metric="accuracy", values=tuple(map(float, values))) for name, values in gains.items()
        ),
        claims={"fast less slow": found},
    )


def made(name="made-up", scores=None, conditions=None, **setting):
    return Study(
        name=name,
        title="A made-up table",
        question="Is a higher rate better?",
        work=Rankings(
            scales={Scale.SMOKE: {**SETTING, "scores": scores or {"single": {}}, **setting}},
            conditions=conditions or {"slow": {"supernet.recipe.lr": 0.1}, **FAST},
        ),
        analyse=analyse,
        claims=(Claim(name="fast less slow", metric="accuracy", says="yes", above=0.0, prior=Prior(0.2, "made up")),),
    )


def count_steps(monkeypatch):
    step, taken = SupernetTask.step, []

    def counted(self, index, batches):
        taken.append(index)
        return step(self, index, batches)

    monkeypatch.setattr(SupernetTask, "step", counted)
    return taken


def test_claims_are_judged_from_pairs_of_one_seed_and_their_power_was_stated_before(tmp_path):
    result = run_smoke(made(), tmp_path)
    (claim,) = result.head["claims"]
    fast, slow = (np.array(finding(result, name)["values"]) for name in ("fast", "slow"))
    np.testing.assert_array_equal(claim["values"], fast - slow)
    assert (claim["ours"]["n"], claim["power"]["source"], claim["power"]["std"]) == (3, "assumed: made up", 0.2)
    told = Runner(session=session(tmp_path), scale=Scale.SMOKE).power(made())["fast less slow"]
    assert told.source == "measured over 3 supernets in the bank"
    assert told.std == pytest.approx(np.std(fast - slow, ddof=1))


def test_a_second_study_that_needs_the_same_supernets_trains_nothing(tmp_path, monkeypatch):
    taken = count_steps(monkeypatch)
    first = run_smoke(made(), tmp_path)
    assert len(taken) == 2 * 3 * 2 * 10
    # Other architectures and another way of scoring, of the same supernets.
    other = {"single": {}, "loss": {"metric": "loss"}}
    monkeypatch.setattr(SupernetTask, "step", refuse)
    second = run_smoke(made("another", other), tmp_path)
    assert figures(second) == figures(first)
    run_smoke(made("third", other, **{"archs.count": 4}), tmp_path)
    with pytest.raises(AssertionError, match="trained again"):
        run_smoke(made("fourth", seeds=4), tmp_path)


def test_batchnorm_is_recalibrated_as_a_way_of_scoring_says(tmp_path):
    ways = {"single": {}, "running": {"recalibration": {"mode": "running"}}}
    scores = made(scores=ways, seeds=1).work.gather(session(tmp_path), Scale.SMOKE).scores
    plain = made(seeds=1, **{"evaluation": {"recalibration": {"mode": "running"}}})
    expected = plain.work.gather(session(tmp_path), Scale.SMOKE).scores
    np.testing.assert_array_equal(scores["slow", "running"], expected["slow", "single"])
    assert not np.array_equal(scores["slow", "running"], scores["slow", "single"])


def test_workers_find_the_same(tmp_path):
    alone = run_smoke(made(), tmp_path / "alone")
    assert figures(run_smoke(made(), tmp_path / "spread", executor=Local(2))) == figures(alone)


def test_epochs_that_another_study_asks_for_are_kept_and_later_ones_trained_again_alike(tmp_path, monkeypatch):
    later = made("later", {"single": {}, "curve": {"last": 2}}, seeds=1)
    here = session(tmp_path)
    Runner(session=here, scale=Scale.SMOKE, others=[later]).run(made(seeds=1), tmp_path / "results")
    assert len(list((tmp_path / "bank").rglob("epoch-*.ckpt"))) == 4
    taken = count_steps(monkeypatch)
    kept = run_smoke(later, tmp_path)
    assert not taken
    for path in (tmp_path / "bank").rglob("epoch-*.ckpt"):
        path.unlink()
    for path in (tmp_path / "bank").rglob("scores/*.parquet"):
        path.unlink()
    again = run_smoke(later, tmp_path)
    assert len(taken) == 2 * 2 * 10
    assert figures(again) == figures(kept)


def test_truth_and_scores_stand_in_the_table(tmp_path):
    study = find_study("stnas-table5")
    material = study.work.gather(session(tmp_path), Scale.SMOKE)
    table = material.table()
    assert list(table.columns) == [
        "arch",
        "class",
        "params",
        "madds",
        "truth",
        "supernet/last@2/0",
        "supernet/last@3/0",
        "supernet/Fine-tune/0",
        "supernet/SGLD-param/0",
        "supernet/SGLD-acc/0",
    ]
    findings = {one.what: one for one in study.analyse(material).findings}
    truth = table["truth"].to_numpy()
    assert findings["Fine-tune"].values == (
        kendall_tau(predicted=table["supernet/Fine-tune/0"].to_numpy(), true=truth),
    )


def test_other_images_of_the_same_name_are_refused(tmp_path, monkeypatch):
    study = made(seeds=1)
    run_smoke(study, tmp_path)
    here = session(tmp_path)
    kind = next(iter(study.work.settings(here, Scale.SMOKE)[1].values()))
    with pytest.raises(RunError, match="holds supernets of other images named 'digits': choose another --bank"):
        here.bank.supernet(kind, 0, "another digest")


def test_plan_counts_what_is_left(tmp_path):
    runner = Runner(session=session(tmp_path), scale=Scale.SMOKE)
    studies = [made(), made("another", {"single": {}, "loss": {"metric": "loss"}})]
    before = runner.plan(studies)
    assert [line.seeds for line in before] == [3, 3]
    assert all(line.studies == ("made-up", "another") for line in before)
    assert sum(line.left for line in before) == pytest.approx(sum(line.total for line in before))
    run_smoke(studies[0], tmp_path)
    after = runner.plan(studies[:1])
    assert all(line.left == 0 for line in after)
    assert 0 < sum(line.left for line in runner.plan(studies)) < sum(line.total for line in runner.plan(studies))
