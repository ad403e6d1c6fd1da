import json
import re
from functools import partial

import numpy as np
import pandas as pd
import pytest
from made_up_ranking import build_ranking
from test_report import parsed

from trueshot.cli.deliver import report
from trueshot.core.errors import RunError
from trueshot.criteria.correlation import kendall_tau
from trueshot.reporting.ranking import write_ranking_pictures, write_ranking_report
from trueshot.reporting.ranking_findings import read_ranking
from trueshot.reporting.ranking_marks import spread

ENDS = ("median", "low", "high")
FIGURES = {"order", "tau", "minutes", "pruning", "improvement", "costs", "agreement"}


@pytest.fixture
def make_run(tmp_path):
    return partial(build_ranking, tmp_path / "run")


def edit(run, **changes):
    content = json.loads(run.result.read_text())
    run.result.write_text(json.dumps({**content, **changes}))


def text_of(run):
    return " ".join(" ".join(parsed(write_ranking_report(run).read_text()).text).split())


def test_the_report_is_whole_and_needs_nothing_else(make_run):
    run = make_run()
    path = write_ranking_report(run)
    assert path == run.report
    page = path.read_text()
    assert not re.search(r"https?:|//[a-z]|@import|<script|<link|url\((?!#)", page)
    checker = parsed(page)
    for _, attributes in checker.tags:
        for name in ("src", "href", "xlink:href"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    assert 'name="viewport"' in page
    assert sum(tag == "svg" for tag, _ in checker.tags) == len(FIGURES)
    used = set(re.findall(r"var\(--([\w-]+)\)", page)) - {"font", "mono"}
    for theme in re.findall(r":root \{ (--page.*?)\}", page):
        assert used <= set(re.findall(r"--([\w-]+):", theme))
    text = " ".join(checker.text)
    for expected in ("ranking.ranking.bootstrap", "a processor", "strictly fair", "cifar10_test_200", "NASWOT (60)"):
        assert expected in text


def test_every_evaluator_and_rival_is_in_both_tables_with_its_numbers(make_run):
    run = make_run()
    result, text = json.loads(run.result.read_text()), text_of(run)
    for name in ("supernet", "supernet+twins", "parameter count", "MAdds", "NASWOT", "cifar10_valid_12"):
        assert text.count(name) >= 2
    for kind in ("evaluators", "baselines"):
        for found in result[kind].values():
            for part in ("all", "good"):
                for criterion in ("kendall_tau", "spearman", "pearson"):
                    figure = found[part][criterion]
                    assert f"{figure['value']:.3f} {figure['low']:.3f} to {figure['high']:.3f}" in text
                best = found[part]["br_at_k"]["0.05"]
                among = len(read_ranking(run).truth) if part == "all" else result["good"]["architectures"]
                if found["n"] == result["architectures"]:
                    assert f"{round(best['value'] * among)} {round(best['low'] * among)} to" in text
    assert text.count("read from the truth") == 2


def test_what_the_top_is_worth_is_shown_where_it_was_looked_up(make_run):
    run = make_run(looked_up=True)
    found, short = (json.loads(run.result.read_text())[key] for key in ("found", "short"))
    # A baseline that knows fewer architectures has a shorter curve.
    cut = {**found["curves"]["params"], "n": 20} | {key: found["curves"]["params"][key][:20] for key in ENDS}
    edit(run, found={**found, "curves": {**found["curves"], "params": cut}})
    page, text = write_ranking_report(run).read_text(), text_of(run)
    assert sum(tag == "svg" for tag, _ in parsed(page).tags) == len(FIGURES) + 1
    assert "Looked up in the order of n after 1 after 3 after 10 after 30 after 100" in text
    chance = found["curves"]["random search"]
    told = [f"{chance['median'][k - 1]:.2f} {chance['low'][k - 1]:.2f} to {chance['high'][k - 1]:.2f}" for k in (1, 10)]
    assert all(one in text for one in told)
    # No ties, no interval.
    main = " ".join(f"{found['curves']['supernet']['median'][k - 1]:.2f}" for k in (1, 3, 10, 30, 100))
    assert f"supernet 120 {main}" in text
    assert re.search(r"parameter count 20 [\d.]+ [\d.]+ [\d.]+ – –", text)
    rows = [f"{one['arch']} {place}" for one, place in zip(short["top"], (3, 2, 1), strict=True)]
    assert f"{rows[0]} 50.00 75.00 {short['top'][0]['truth']:.2f} {rows[1]} 40.00 – " in text
    assert f"has a truth of {short['first']['by_score']:.2f}, the best by short trainings" in text
    assert "What the top is worth" not in text_of(build_ranking(run.path.with_name("other")))


def test_the_headline_says_what_tau_means(make_run):
    run = make_run()
    share = json.loads(run.result.read_text())["evaluators"]["supernet"]["all"]["pairwise_accuracy"]
    expected = f"puts the better one first in {100 * share['value']:.0f} % of cases"
    assert expected in text_of(run)


def test_the_lead_over_the_parameter_count_is_paired(make_run):
    ranking = read_ranking(make_run())
    tau = partial(kendall_tau, true=ranking.truth)
    difference = tau(predicted=ranking.scores["supernet"]) - tau(predicted=ranking.scores["params"])
    assert ranking.lead.value == pytest.approx(difference)
    assert ranking.lead.low < difference < ranking.lead.high
    assert read_ranking(make_run.func(make_run.args[0].parent / "same")).lead == ranking.lead


@pytest.mark.parametrize(
    ("noise", "said"), [(0.1, "ranks better than the parameter count"), (9.0, "was not worth its")]
)
def test_the_verdict_follows_the_interval(make_run, noise, said):
    assert said in text_of(make_run(noise=noise))


def test_what_is_not_shown_is_not_claimed(make_run):
    run = make_run(noise=0.5, bootstrap=0)
    text = text_of(run)
    assert "no intervals were asked for" in text
    assert "95 % interval 0" not in text
    assert "explains" not in text
    value = json.loads(run.result.read_text())["evaluators"]["supernet"]["all"]["kendall_tau"]
    assert f"{value:.3f}" in text


def test_the_gap_between_tau_and_agreement_tells_chance_from_error(make_run, tmp_path):
    assert "much of the error is chance" in text_of(make_run(noise=1.5))
    alike = make_run.func(tmp_path / "alike", noise=0.3)
    edit(alike, agreement={"kendall_tau": 0.99, "pearson": 0.99, "spearman": 0.99})
    assert "no number of seeds removes" in text_of(alike)


@pytest.mark.parametrize(
    ("changes", "lost", "said"),
    [
        ({}, set(), "Kendall's τ at earlier epochs on 120 architectures"),
        ({}, set(), "The 120 architectures are 60 different functions."),
        ({"supernets": 1}, {"agreement"}, "One supernet was trained"),
        ({"curve": 0}, {"minutes"}, "The 120 architectures are 60 different functions."),
        ({"good": None}, set(), "Nothing was said about which architectures are good"),
        ({"twins": False}, set(), "Kendall's τ at earlier epochs on 120 architectures"),
        ({"baselines": ()}, set(), "does not show that it was worth its time"),
        ({"baselines": ("madds",)}, set(), "the MAdds has"),
        ({"good": 1000.0}, set(), "the scores give no order"),
        ({"constant": True}, set(), "all 120 values of predicted are 0"),
        ({"constant": True, "supernets": 1, "bootstrap": 0, "good": None}, {"agreement"}, "order nothing"),
        (
            {"architectures": 12, "good": 91.0},
            set(),
            "Among the 7 architectures above 91 τ is 0.81, over all it is 0.82",
        ),
        ({"architectures": 900}, set(), "900 architectures, scored by 2 supernets"),
    ],
)
def test_what_is_missing_costs_only_its_own_place(make_run, changes, lost, said):
    run = make_run(**changes)
    checker = parsed(write_ranking_report(run).read_text())
    text = " ".join(" ".join(checker.text).split())
    assert said in text
    assert "None" not in text
    assert "nan" not in text.lower().split()
    assert sum(tag == "svg" for tag, _ in checker.tags) == len(FIGURES - lost)
    assert ("Values apart" in text) == ("different functions" in text) == changes.get("twins", True)
    assert ("at earlier epochs" in text) == bool(changes.get("curve", True))


def test_all_architectures_of_a_benchmark_make_a_small_page(make_run):
    run = make_run(architectures=15_625, bootstrap=0, curve=0, supernets=2, baselines=("params",))
    assert write_ranking_report(run).stat().st_size < 300_000


def test_pictures_are_named_after_the_ranking(make_run, tmp_path):
    written = write_ranking_pictures(make_run(curve=0), tmp_path / "pictures")
    assert {path.stem for path in written} == {f"ranking-{name}" for name in FIGURES - {"minutes"}}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)


def test_the_command_recognises_a_ranking(make_run, tmp_path, capsys):
    run = make_run(curve=0)
    report(run.path, pictures=tmp_path / "pictures", json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["report"] == str(run.report)
    assert "can this ranking of nasbench201 be trusted?" in run.report.read_text()
    assert str(tmp_path / "pictures" / "ranking-order.png") in told["pictures"]


def test_unfinished_and_damaged_rankings_are_named(make_run):
    run = make_run(architectures=20, curve=0)
    table, result = pd.read_parquet(run.path / "scores.parquet"), run.result.read_text()
    table.drop(columns="supernet (1)").to_parquet(run.path / "scores.parquet")
    with pytest.raises(RunError, match=r"no column 'supernet \(1\)'.*--resume"):
        write_ranking_report(run)
    (run.path / "scores.parquet").write_bytes(b"nothing")
    with pytest.raises(RunError, match=r"cannot read .*scores.parquet"):
        write_ranking_report(run)
    (run.path / "scores.parquet").unlink()
    with pytest.raises(RunError, match=r"no scores.parquet.*--resume"):
        write_ranking_report(run)
    run.result.write_text(json.dumps({key: value for key, value in json.loads(result).items() if key != "twins"}))
    with pytest.raises(RunError, match=r"incomplete \(no twins\)"):
        write_ranking_report(run)
    run.result.unlink()
    with pytest.raises(RunError, match=r"no result yet.*--resume"):
        write_ranking_report(run)
    assert not run.report.exists()


def test_labels_are_spread_no_further_than_needed():
    assert spread([0.1, 0.5], [0.2, 0.2]) == pytest.approx([0.1, 0.5])
    assert spread([0.50, 0.52, 0.9], [0.1, 0.1, 0.1]) == pytest.approx([0.46, 0.56, 0.9])
    places = spread([0.5, 0.5, 0.58, 0.6], [0.06, 0.12, 0.06, 0.06])
    assert np.all(np.diff(places) >= np.array([0.09, 0.09, 0.06]) - 1e-9)
    assert spread([], []) == []
