"""``trueshot rank``: supernets rank architectures whose truth is known; nothing is lost by a kill."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from cli_runs import invoke, refused, sets

from trueshot.core.errors import RunError
from trueshot.criteria.correlation import kendall_tau
from trueshot.spaces import Chain, NasBench201
from trueshot.spaces.checks import as_tuples
from trueshot.spaces.description import describe
from trueshot.strategies.presets import preset_names, read_preset
from trueshot.strategies.rankings.ranking import Ranking

SPACE = NasBench201(channels=4, cells=1, image_size=8, in_channels=1)
SCHEDULE = [
    "spaces={nasbench201: {channels: 4, cells: 1, affine: false}}",
    "data={max_images: 300}",
    "supernet.recipe={epochs: 2, batch_size: 64, lr: 0.1, momentum: 0.0}",
    "supernet.augmentation={}",
    "supernet.sampler={kind: uniform}",
    "evaluation={recalibration: {mode: batch, batch_size: 60}, metric: loss}",
    "ranking={supernets: 2, curve: 1, curve_architectures: 15, proxy_architectures: 10, bootstrap: 20}",
    "save_every=0",
]
UNTRAINED = [one for one in SCHEDULE if not one.startswith(("supernet", "ranking"))]


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    """A table of 40 architectures, the more expensive the better but for noise, and a column that knows ten."""
    rows = np.unique(SPACE.sample(60, 0), axis=0)[:40]
    noise = np.random.default_rng(0).normal(size=40)
    values = 60 + 10 * noise + SPACE.cost(rows).params / 1000
    other = np.where(np.arange(40) < 12, values, np.nan)
    path = tmp_path_factory.mktemp("truth") / "truth.csv"
    pd.DataFrame({"arch": [SPACE.format(row) for row in rows], "acc_200": values, "acc_12": other}).to_csv(
        path, index=False
    )
    return path


def command(truth, out, *more, schedule=SCHEDULE):
    options = ["--data", "digits", "--truth", truth, "--column", "acc_200", "--out", out, "--device", "cpu"]
    return ["rank", *options, *sets(*schedule), *more]


BASELINES = [word for name in ("params", "synflow", "acc_12") for word in ("--baseline", name)]
WAYS = [word for name in ("supernet", "supernet:accuracy+twins", "supernet:median") for word in ("--evaluator", name)]


@pytest.fixture(scope="module")
def finished(truth, tmp_path_factory):
    out = tmp_path_factory.mktemp("rank") / "run"
    code, stdout, stderr = invoke(*command(truth, out, *WAYS, *BASELINES, "--good", "70", "--workers", "1", "--json"))
    assert code == 0, stderr
    return out, json.loads(stdout), stderr


def test_every_way_is_compared_with_the_truth_and_with_the_baselines(finished, truth):
    out, result, stderr = finished
    assert "forecast: about" in stderr
    table, scores = pd.read_csv(truth), pd.read_parquet(out / "scores.parquet")
    # In the table's own order of architectures.
    assert scores["arch"].tolist() == table["arch"].tolist()
    assert list(result["evaluators"]) == ["supernet", "supernet:accuracy+twins", "supernet:median"]
    for name, found in result["evaluators"].items():
        assert found["n"] == 40
        tau = kendall_tau(predicted=scores[name].to_numpy(), true=table["acc_200"].to_numpy())
        assert found["all"]["kendall_tau"]["value"] == pytest.approx(tau)
        assert found["all"]["kendall_tau"]["low"] <= tau <= found["all"]["kendall_tau"]["high"]
        np.testing.assert_allclose(scores[name], (scores[f"{name} (0)"] + scores[f"{name} (1)"]) / 2)
        assert len(found["supernets"]) == 2
    assert {name: found["n"] for name, found in result["baselines"].items()} == {
        "params": 40,
        "synflow": 10,
        "acc_12": 12,
    }
    assert result["baselines"]["acc_12"]["all"]["kendall_tau"]["value"] == pytest.approx(1.0)
    good = int((table["acc_200"] > 70).sum())
    assert result["good"] == {"above": 70.0, "architectures": good}
    assert 0 < good < 40
    agreed = kendall_tau(predicted=scores["supernet (0)"].to_numpy(), true=scores["supernet (1)"].to_numpy())
    assert result["agreement"]["kendall_tau"] == pytest.approx(agreed)
    assert [row["epoch"] for row in result["curve"]] == [1, 2]
    assert all(row["n"] == 15 for row in result["curve"])
    assert sum(group["count"] for group in result["cost_groups"]) == 40
    assert result["pruning"]["remaining"][0] == 40
    assert "can this ranking of nasbench201 be trusted?" in (out / "report.html").read_text()


def test_what_is_printed_names_every_way(truth, tmp_path):
    quick = ["--supernets", "1", "--epochs", "1", "--archs", "12"]
    code, stdout, stderr = invoke(*command(truth, tmp_path / "run", *quick))
    assert code == 0, stderr
    assert "+twins" not in stdout
    for word in ("supernet", "params", "madds", "Kendall tau", "report.html"):
        assert word in stdout.replace("\n", "")
    scores = pd.read_parquet(tmp_path / "run" / "scores.parquet")
    assert len(scores) == 12
    # A finished ranking is told again without any work.
    code, again, _ = invoke(*command(truth, tmp_path / "run", *quick, "--resume"))
    assert (code, again) == (0, stdout)


def test_workers_side_by_side_give_the_same(finished, truth, tmp_path):
    out, _, _ = finished
    more = [*WAYS, *BASELINES, "--good", "70", "--workers", "2"]
    code, _, stderr = invoke(*command(truth, tmp_path / "run", *more))
    assert code == 0, stderr
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "run" / "scores.parquet"), pd.read_parquet(out / "scores.parquet")
    )


def test_the_top_is_looked_up_in_a_column(truth, tmp_path):
    quick = ["--supernets", "1", "--epochs", "1", "--baseline", "params", "--workers", "1", "--json"]
    argv = command(truth, tmp_path / "run", *quick, "--short-trainings", "4", "--short-column", "acc_200")
    code, stdout, stderr = invoke(*argv)
    assert code == 0, stderr
    result, scores = json.loads(stdout), pd.read_parquet(tmp_path / "run" / "scores.parquet")
    # The truth itself is looked up: the best of the first k is the best there is among them.
    order = scores["truth"].to_numpy()[np.argsort(-scores["supernet"].to_numpy(), kind="stable")]
    found = result["found"]
    assert (found["column"], found["looks"]) == ("acc_200", list(range(1, 41)))
    curve, best = found["curves"]["supernet"], np.maximum.accumulate(order)
    # A few architectures have equal scores, and any order.
    assert (np.array(curve["low"]) <= best).all()
    assert (best <= np.array(curve["high"])).all()
    assert np.mean(np.array(curve["median"]) == best) > 0.8
    assert curve["median"][-1] == curve["low"][-1] == scores["truth"].max()
    assert list(found["curves"]) == ["random search", "params", "supernet"]
    truths = [one["truth"] for one in result["short"]["top"]]
    assert (len(truths), truths) == (4, sorted(truths, reverse=True))
    report = (tmp_path / "run" / "report.html").read_text()
    for words in ("What the top is worth", "after 30", "random search", "The top, ordered by short trainings"):
        assert words in report
    _, told, _ = invoke(*[word for word in argv if word != "--json"], "--resume")
    told = " ".join(told.split())
    assert f"supernet {curve['median'][9]:.2f} / {curve['median'][29]:.2f}" in told
    assert f"of the best by short trainings {truths[0]:.2f}" in told
    lacking = command(truth, tmp_path / "other", *quick, "--short-column", "acc_12")
    assert "lacks 28 of 40 architectures" in refused(*lacking)


def test_the_top_is_trained_where_no_column_is_named(truth, tmp_path):
    quick = ["--supernets", "1", "--epochs", "1", "--archs", "10", "--baseline", "params", "--workers", "2", "--json"]
    quick += sets("retraining.recipe={epochs: 3, batch_size: 64, lr: 0.05}")
    quick += sets("fusion.zero_cost.networks={nasbench201: {channels: 4, cells: 1}}")
    code, stdout, stderr = invoke(*command(truth, tmp_path / "run", *quick, "--short-trainings", "3"))
    assert code == 0, stderr
    result = json.loads(stdout)
    assert result["found"] is None
    top = result["short"]["top"]
    assert result["short"]["epochs"] == [1, 2]
    assert [[value is not None for value in one["short"]] for one in top] == [[True, True], [True, True], [True, False]]
    assert all(0 <= one["short"][0] <= 1 for one in top)
    assert "short trainings, round 2: 2 architectures, 2 epochs" in stderr
    rows = [json.loads(line) for line in (tmp_path / "run" / "log" / "short.jsonl").read_text().splitlines()]
    assert {row["arch"] for row in rows} == {one["arch"] for one in top}


# 300 images leave 192 to train on: three steps an epoch, six in all; then two ways of 40 scores each.
def test_a_ranking_killed_again_and_again_ends_as_if_it_had_not_been(finished, truth, tmp_path):
    out, _, _ = finished
    argv = [str(word) for word in command(truth, tmp_path / "run", *WAYS, *BASELINES, "--good", "70", "--workers", "1")]
    plans = [
        {"argv": [*argv, *more], "log": str(tmp_path / f"{number}.log"), "kill": ["ranking", units] if units else None}
        for number, (units, *more) in enumerate(([3], *([units, "--resume"] for units in (30, 60, 130, None))))
    ]
    script = Path(__file__).parent / "killed_runs.py"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, script, json.dumps(plans)], capture_output=True, text=True, env=environment)
    assert json.loads(done.stdout) == [-9] * 4 + [0], (tmp_path / "4.log").read_text() + done.stderr
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "run" / "scores.parquet"), pd.read_parquet(out / "scores.parquet")
    )


def test_a_ranking_may_be_moved(finished, truth, tmp_path):
    out, result, _ = finished
    shutil.copytree(out, tmp_path / "moved")
    (tmp_path / "moved" / "result.json").unlink()
    (out / "supernets").rename(out / "away")
    try:
        more = [*WAYS, *BASELINES, "--good", "70", "--workers", "1", "--resume", "--json"]
        code, stdout, stderr = invoke(*command(truth, tmp_path / "moved", *more))
    finally:
        (out / "away").rename(out / "supernets")
    assert code == 0, stderr
    assert json.loads(stdout)["evaluators"] == result["evaluators"]


def test_what_cannot_be_ranked_is_refused_in_a_line(truth, tmp_path):
    out = tmp_path / "run"
    cases = {
        "unknown evaluator 'best'": ["--evaluator", "best"],
        "unknown baseline 'luck'": ["--baseline", "luck"],
        "--fuse says what fused adds up, and supernet adds nothing": ["--evaluator", "supernet", "--fuse", "swap"],
        "evaluator params uses no supernet: leave out --sampler,": ["--evaluator", "params"],
        "evaluator ridge is fitted to a table: write ridge:FILE:COLUMN": ["--evaluator", "ridge"],
        "evaluator 'best.py' is a file: name its class": ["--evaluator", "best.py"],
        "configuration value supernet.sampler: unknown sampler 'lucky'": ["--set", "supernet.sampler.kind=lucky"],
        "splits the weights after the end": ["--sharing", "split", "--set", "supernet.sharing.epoch=2"],
        "supernet.sharing.epoch: is missing: give a value": ["--sharing", "split"],
        "does not fit space": ["--sharing", "bias", "--set", "supernet.sharing.depth=7"],
        "weight_sampling.samples=5": ["--evaluator", "supernet:score"],
        "cuda": ["--device", "cuda"],
        "preset": ["--preset", "none"],
    }
    for words, more in cases.items():
        if words == "cuda":
            import torch

            if torch.cuda.is_available():
                continue
        assert words.lower() in refused(*command(truth, out, *more)).lower(), more
        assert not out.exists()
    no_column = [word if word != "acc_200" else "acc_7" for word in command(truth, out)]
    assert "no column 'acc_7': did you mean acc_12?" in refused(*no_column)
    other = [word if word != truth else tmp_path / "none.csv" for word in command(truth, out)]
    assert "none.csv" in refused(*other)
    assert "is no architecture of chain" in refused(*command(truth, out, "--space", "chain", "--set", "spaces={}"))


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """Return a ranking that is stopped where its forecast would train."""
    found = []

    def stop(ranking):
        found.append(ranking)
        raise RunError("prepared")

    def prepare(*arguments):
        monkeypatch.setattr(Ranking, "forecast_seconds", stop)
        out = tmp_path / f"prepared-{len(found)}"
        error = refused("rank", "--data", "digits", "--device", "cpu", "--out", out, *arguments)
        monkeypatch.undo()
        assert error == "prepared"
        return found[-1]

    return prepare


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_ranks(preset, truth, tmp_path, prepared):
    spaces = read_preset(preset)["spaces"]
    chain = Chain(**as_tuples(spaces.get("chain", {})))
    rows = np.unique(chain.sample(20, 0), axis=0)[:12]
    chains = tmp_path / "chains.csv"
    pd.DataFrame({"arch": [chain.format(row) for row in rows], "acc_200": range(len(rows))}).to_csv(chains, index=False)
    for name, table in {"nasbench201": truth, "chain": chains}.items():
        more = ["--space", name, "--truth", table, "--column", "acc_200", "--archs", "10", "--preset", preset]
        ranking = prepared(*more)
        assert ranking.context.space.name == name
        assert len(ranking.truth.archs) == 10
        for key, value in spaces.get(name, {}).items():
            assert getattr(ranking.context.space, key) == as_tuples(value)


@pytest.mark.parametrize("section", ["proposer", "budget", "nonsense"])
def test_what_a_ranking_does_not_know_is_an_error_of_the_user(section, truth, tmp_path):
    more = ["--preset", "small-cpu", "--set", f"{section}={{}}"]
    error = refused(*command(truth, tmp_path / "run", *more))
    known = "choose one of data, evaluation, fusion, ranking"
    assert f"configuration value {section}: there is no such value: {known}" in error
    file = tmp_path / "rank.yaml"
    file.write_text(f"{section}: {{}}\n")
    assert f"configuration value {section}: " in refused(*command(truth, tmp_path / "run", file))


CHAIN = "{stem_width: 4, fixed_width: 4, layers: [[8, 2], [8, 1], [12, 1]], head_width: 16}"


def test_a_table_is_ranked_in_the_space_that_it_was_built_of(tmp_path, prepared):
    recipe = "retraining.recipe={epochs: 1, batch_size: 64, lr: 0.1, warmup_epochs: 0}"
    tiny = sets(recipe, "data={max_images: 100, max_test_images: 30}")
    table = tmp_path / "ch.parquet"
    builder = ["truth", "build", "--space", "chain", "--data", "digits", "--device", "cpu", *tiny]
    builder += ["--set", f"space.arguments={CHAIN}", "--n", "10", "--seeds", "1", "--workers", "1"]
    code, _, stderr = invoke(*builder, "--out", table)
    assert code == 0, stderr
    ranker = ["rank", "--space", "chain", "--data", "digits", "--device", "cpu", "--column", "digits_test_1"]
    ranker += ["--epochs", "1", "--supernets", "1", *sets(*SCHEDULE[1:])]
    code, stdout, stderr = invoke(*ranker, "--truth", table, "--out", tmp_path / "run", "--json")
    assert code == 0, stderr
    assert "note: space chain has the arguments of the build of" in stderr
    assert json.loads(stdout)["evaluators"]["supernet"]["n"] == 10
    ranked, built = (json.loads((tmp_path / name / "config.json").read_text())["space"] for name in ("run", "ch.work"))
    # The images are this preset's.
    assert ranked["arguments"] == {**built["arguments"], "image_size": 16}
    # A build in a directory of its own has its table there.
    (tmp_path / "ch.work" / "truth.parquet").write_bytes(table.read_bytes())
    more = ["--space", "chain", "--column", "digits_test_1", "--truth"]
    assert prepared(*more, tmp_path / "ch.work" / "truth.parquet").context.space.head_width == 16
    # What the user says of the space is not overruled.
    given = ["--set", f"space.arguments={CHAIN.replace('16', '20')}"]
    assert prepared(*more, table, *given).context.space.head_width == 20
    # A preset for this very space is, unless the decisions are the same.
    assert prepared(*more, table, "--preset", "digits").context.space.head_width == 16
    same = ["--set", f"spaces.chain={CHAIN.replace('16', '20')}"]
    assert prepared(*more, table, *same).context.space.head_width == 20
    alone = tmp_path / "alone.parquet"
    alone.write_bytes(table.read_bytes())
    error = refused(*ranker, "--truth", alone, "--out", tmp_path / "other")
    assert f"{alone}: entry 1" in error
    assert "is no architecture of chain" in error
    assert "give its arguments by --set space.arguments={...}" in error


def test_a_supernet_may_be_narrower_than_the_networks_of_the_table(truth, tmp_path, prepared):
    def built(space, texts):
        table, work = tmp_path / f"{space.sub_space}.csv", tmp_path / f"{space.sub_space}.work"
        pd.DataFrame({"arch": texts, "acc_200": range(len(texts))}).to_csv(table, index=False)
        work.mkdir()
        config = {"version": 1, "command": "truth build", "space": describe(space)}
        (work / "config.json").write_text(json.dumps(config))
        return ["--truth", table, "--column", "acc_200"]

    wide = NasBench201(channels=6, cells=2)
    space = prepared(*built(wide, pd.read_csv(truth)["arch"])).context.space
    assert (space.channels, space.cells, space.affine) == (8, 1, False)
    part = NasBench201(channels=6, cells=2, sub_space="only_conv")
    more = built(part, [part.format(row) for row in np.unique(part.sample(40, 0), axis=0)[:12]])
    space = prepared(*more).context.space
    assert (space.sub_space, space.channels, space.cells) == ("only_conv", 6, 2)
    # Networks have affine norms; the preset's supernet still has none.
    assert (space.affine, space.image_size) == (False, 16)


def test_what_needs_no_supernet_is_ranked_without_one(truth, tmp_path):
    out = tmp_path / "run"
    parts = sets("fusion={parts: [params-live, naswot], reference: 20}")
    ways = ["--evaluator", "naswot", "--evaluator", "fused-zero-cost", "--evaluator", "params-live"]
    asked = command(truth, out, *parts, *ways, "--baseline", "params", "--json", schedule=UNTRAINED)
    assert "uses no supernet: leave out --supernets" in refused(*asked, "--supernets", "2")
    code, stdout, stderr = invoke(*asked)
    assert code == 0, stderr
    result = json.loads(stdout)
    assert "by naswot, fused-zero-cost, params-live; no supernet is trained" in stderr
    assert not (out / "supernets").exists()
    assert (result["seconds"]["training"], result["agreement"], result["sampler"]) == ([], None, None)
    scores = pd.read_parquet(out / "scores.parquet")
    for name in ("naswot", "fused-zero-cost", "params-live"):
        tau = kendall_tau(predicted=scores[name].to_numpy(), true=scores["truth"].to_numpy())
        assert result["evaluators"][name]["all"]["kendall_tau"]["value"] == pytest.approx(tau)
    page = (out / "report.html").read_text()
    assert "architectures, scored by NASWOT without training any of them" in " ".join(page.split())
    assert "nothing was trained" in page
    assert "supernets alone" not in page


def test_a_table_is_an_evaluator_too(truth, tmp_path):
    out = tmp_path / "run"
    ways = ["--evaluator", f"{truth}:acc_200", "--evaluator", f"{truth}:acc_12", "--archs", "40"]
    code, _, stderr = invoke(*command(truth, out, *ways, schedule=UNTRAINED))
    # Some have no value after 12 epochs, nor has a twin: that is told before anything is trained.
    assert code == 2
    assert re.search(r"the truth has no acc_12 for \d+ of 40 architectures", stderr)
    assert not (out / "supernets").exists()
    refused_ways = ["--evaluator", truth]
    assert f"{truth} is a table: name a column of it" in refused(
        *command(truth, tmp_path / "b", *refused_ways, schedule=UNTRAINED)
    )
    assert not (tmp_path / "b").exists()
    code, stdout, stderr = invoke(*command(truth, tmp_path / "c", *ways[:2], "--json", schedule=UNTRAINED))
    assert code == 0, stderr
    found = json.loads(stdout)["evaluators"][f"{truth}:acc_200"]
    # Twins share the mean of what was measured.
    assert 0.9 < found["all"]["kendall_tau"]["value"] < 1


def test_costs_of_ones_own_are_baselines_and_a_predictor_is_an_evaluator(truth, tmp_path):
    own = tmp_path / "own_cost.py"
    own.write_text(
        "class Gene:\n    name, title, unit = 'gene', 'first gene', 'x'\n"
        "    def __init__(self, space): pass\n    def __call__(self, archs): return archs[:, 0].astype(float)\n"
    )
    ways = ["--evaluator", f"ridge:{truth}:acc_200", "--baseline", "size", "--cost", f"{own}:Gene", "--json"]
    code, stdout, stderr = invoke(*command(truth, tmp_path / "run", *ways, schedule=UNTRAINED))
    assert code == 0, stderr
    result = json.loads(stdout)
    assert set(result["baselines"]) == {"size", "gene"}
    assert result["evaluators"][f"ridge:{truth}:acc_200"]["all"]["kendall_tau"]["value"] > 0.3
    table = pd.read_parquet(tmp_path / "run" / "scores.parquet")
    assert table["gene"].tolist() == [float(SPACE.parse(arch)[0]) for arch in table["arch"]]


def test_a_directory_of_another_ranking_is_refused(finished, truth):
    out, _, _ = finished
    assert "already holds a run: add --resume" in refused(*command(truth, out))
    assert "another" in refused(*command(truth, out, "--resume", "--seed", "9"))


def test_more_depth_than_choices_before_and_any_space(truth, tmp_path):
    rows = NasBench201().sample(3, 0)
    assert rows.shape == (3, 6)
    space = "topology"
    from trueshot.spaces import Topology

    arguments = "{nodes: [1, 2], widths: [8, 12], kernels: [3], head_width: 16, stem_stride: 1}"
    topology = Topology(
        nodes=(1, 2), widths=(8, 12), kernels=(3,), head_width=16, stem_stride=1, image_size=8, in_channels=1
    )
    archs = np.unique(topology.sample(30, 1), axis=0)[:15]
    table = tmp_path / "truth.parquet"
    pd.DataFrame({"arch": [topology.format(row) for row in archs], "acc": np.arange(15.0)}).to_parquet(table)
    argv = [
        "rank",
        "--data",
        "digits",
        "--space",
        space,
        "--truth",
        table,
        "--column",
        "acc",
        "--out",
        tmp_path / "run",
    ]
    more = sets(*SCHEDULE[1:], f"space.arguments={arguments}", "supernet.sharing={kind: bias, depth: 2}")
    code, stdout, stderr = invoke(*argv, *more, "--supernets", "1", "--epochs", "1", "--json")
    assert code == 0, stderr
    result = json.loads(stdout)
    assert result["sharing"] == "bias"
    assert result["evaluators"]["supernet"]["n"] == 15


def test_epochs_before_a_split_are_scored_too_and_metrics_are_those_asked_for(truth, tmp_path):
    ways = [
        word
        for name in ("supernet", "supernet:median", "supernet:fine-tuned:accuracy", "supernet:fine-tuned:loss")
        for word in ("--evaluator", name)
    ]
    schedule = [*SCHEDULE, "supernet.recipe.epochs=4", "supernet.sharing.epoch=2", "ranking.curve=3"]
    schedule += ["ranking.supernets=1", "evaluation.fine_tune_steps=1"]
    code, stdout, stderr = invoke(
        *command(truth, tmp_path / "run", "--sharing", "split", "--archs", "12", *ways, "--json", schedule=schedule)
    )
    assert code == 0, stderr
    assert len(json.loads(stdout)["curve"]) >= 3
    scores = pd.read_parquet(tmp_path / "run" / "scores.parquet")
    assert (scores["supernet:fine-tuned:accuracy"] >= 0).all()
    assert (scores["supernet:fine-tuned:loss"] < 0).all()


def test_a_supernet_is_trained_on_a_pool(truth, tmp_path):
    pool, out = tmp_path / "pool.csv", tmp_path / "run"
    table = pd.read_csv(truth)[["arch"]]
    table[:5].to_csv(pool, index=False)
    schedule = [text for text in SCHEDULE if "sampler" not in text and "ranking" not in text]
    schedule += ["ranking={proxy_architectures: 10, bootstrap: 0}", "supernet.recipe.epochs=1"]
    asked = command(truth, out, "--evaluator", "supernet", "--sampler", "pool", "--json", schedule=schedule)
    assert "supernet.sampler.pool: is missing: give a value" in refused(*asked)
    asked += sets(f"supernet.sampler.pool={pool}")
    code, stdout, stderr = invoke(*asked)
    assert code == 0, stderr
    assert "uniform from a pool of 5" in stderr
    assert json.loads(stdout)["sampler"] == "uniform from a pool of 5"
    assert invoke(*asked, "--resume")[0] == 0
    table[:6].to_csv(pool, index=False)
    assert "supernet.sampler.pool_digest" in refused(*asked, "--resume")
