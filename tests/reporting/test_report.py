import json
import re
from functools import partial
from html.parser import HTMLParser

import pytest
from made_up_run import build_run

from trueshot.core.errors import RunError
from trueshot.reporting.findings import read_findings
from trueshot.reporting.report import write_report

VOID = {"meta", "br", "img", "link", "input", "hr"}


@pytest.fixture
def make_run(tmp_path):
    return partial(build_run, tmp_path / "run")


class Checker(HTMLParser):
    """Collects text and attributes, and fails on tags that do not close."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.tags = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


def parsed(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    return checker


def edit(run, **changes):
    content = json.loads(run.result.read_text())
    run.result.write_text(json.dumps({**content, **changes}))


def test_the_report_is_whole_and_needs_nothing_else(make_run):
    run = make_run()
    path = write_report(run)
    assert path == run.report
    page = path.read_text()
    assert not re.search(r"https?:|//[a-z]|@import|<script|<link|url\((?!#)", page)
    checker = parsed(page)
    assert {tag for tag, _ in checker.tags}.isdisjoint({"script", "link", "iframe", "object"})
    for _, attributes in checker.tags:
        for name in ("src", "href", "xlink:href"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    assert 'name="viewport"' in page
    assert "prefers-color-scheme: dark" in page
    text = " ".join(checker.text)
    for network in json.loads(run.result.read_text())["networks"]:
        assert text.count(network["name"]) >= 1
        assert network["role"] != "winner" or network["arch"] in text
    for expected in ("2 images could not be read", "retrain.epochs", "mean accuracy over 6 SGLD samples", "3m 24s"):
        assert expected in text
    assert [tag for tag, _ in checker.tags].count("svg") == 6 + 3


def test_every_colour_of_the_figures_has_a_value_in_both_themes(make_run):
    page = write_report(make_run(evaluations=40)).read_text()
    used = set(re.findall(r"var\(--([\w-]+)\)", page))
    light, dark = re.findall(r":root \{ (--page.*?)\}", page)
    for theme in (light, dark):
        assert used - {"font", "mono"} <= set(re.findall(r"--([\w-]+):", theme))
    assert {"cloud", "front", "winner", "random", "shelf", "ink"} <= used


def test_names_of_users_are_escaped(make_run):
    hostile = "<script>alert(1)</script>"
    classes = [f'{hostile}"&{i}' for i in range(10)]
    page = write_report(make_run(evaluations=40, name=hostile, classes=classes, notes=[hostile])).read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    parsed(page)


def test_the_headline_is_not_chosen_by_test_accuracy(make_run):
    run = make_run()
    networks = json.loads(run.result.read_text())["networks"]
    winners = [network for network in networks if network["role"] == "winner"]
    worst = min(winners, key=lambda network: network["test"]["top1"])
    worst["score"] = 5.0
    edit(run, networks=networks)
    findings = read_findings(run)
    assert (findings.best.name, findings.chosen_by) == (worst["name"], "predicted score")
    other = next(network for network in winners if network is not worst)
    for network in winners:
        network["validation"] = {**network["test"], "top1": 0.99 if network is other else 0.5}
    edit(run, networks=networks)
    findings = read_findings(run)
    assert (findings.best.name, findings.chosen_by) == (other["name"], "accuracy on validation images")


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.001, 0.02, "by more than chance"),
        (-0.01, 0.02, "does not show that the search was worth"),
        (-0.02, -0.01, "was not worth its time"),
        (None, None, "too few for an interval"),
    ],
)
def test_the_verdict_follows_the_interval(make_run, low, high, said):
    run = make_run(evaluations=40)
    comparison = json.loads(run.result.read_text())["comparison"]
    edit(run, comparison={**comparison, "difference": -0.0004, "low": low, "high": high})
    page = write_report(run).read_text()
    assert said in page
    assert "+0.0 points" in page


def test_tau_is_given_only_where_it_exists(make_run):
    run = make_run(evaluations=40, runs=1)
    assert read_findings(run).tau is None
    assert "too few for a rank correlation" in write_report(run).read_text()


def test_imbalance_is_said_and_balanced_accuracy_shown(make_run):
    run = make_run(evaluations=40, imbalanced=True)
    page = write_report(run).read_text()
    assert "strongly imbalanced" in page
    assert ">Balanced<" in page
    edit(run, dataset={**json.loads(run.result.read_text())["dataset"], "imbalanced": False})
    assert ">Balanced<" not in write_report(run).read_text()


def test_scores_of_other_evaluators_are_left_out(make_run):
    run = make_run()
    findings = read_findings(run)
    assert len(findings.scores) == json.loads(run.result.read_text())["evaluated"]
    assert findings.scores.max() < 2


def test_a_run_on_an_old_supernet_or_without_baselines_still_has_a_report(make_run):
    run = make_run(evaluations=40)
    run.log("supernet").unlink()
    run.log("sgld").unlink()
    networks = [n for n in json.loads(run.result.read_text())["networks"] if n["role"] == "winner"]
    comparison = {"metric": "top1", "winners": [0.9], "random": [], "difference": None, "low": None, "high": None}
    edit(run, networks=networks, comparison={**comparison, "level": 0.95, "n": [1, 0]}, budgets=[None])
    page = write_report(run).read_text()
    parsed(page)
    assert page.count("not compared") == 2
    assert "of any cost" in page
    assert ">Supernet</h3>" not in page


def test_a_space_that_cannot_be_imported_costs_only_the_drawings(make_run):
    run = make_run(evaluations=40)
    space = json.loads(run.result.read_text())["space"]
    edit(run, space={**space, "class": "somewhere.gone:Space"})
    checker = parsed(write_report(run).read_text())
    assert [tag for tag, _ in checker.tags].count("svg") == 6


def test_an_unfinished_run_is_told_to_resume(make_run):
    run = make_run(evaluations=40)
    networks = json.loads(run.result.read_text())["networks"]
    untested = [{**network, "test": None} for network in networks]
    edit(run, networks=untested)
    with pytest.raises(RunError, match=r"best-1 has not been tested yet: .*--resume"):
        write_report(run)
    edit(run, networks=[])
    with pytest.raises(RunError, match=r"no winner .*--resume"):
        write_report(run)
    edit(run, networks=networks)
    run.evaluations.unlink()
    with pytest.raises(RunError, match=r"evaluations.parquet.*--resume"):
        write_report(run)
    run.result.unlink()
    with pytest.raises(RunError, match=r"no result yet.*--resume"):
        write_report(run)
    assert not run.report.exists()


def test_damaged_files_are_named(make_run):
    run = make_run(evaluations=40)
    run.evaluations.write_bytes(b"nothing")
    with pytest.raises(RunError, match="evaluations"):
        write_report(run)
    run.result.write_text('{"version": 1, "networks": []}')
    with pytest.raises(RunError, match="incomplete"):
        write_report(run)
