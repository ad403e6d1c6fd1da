import re
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser

import pytest
from made_up_run import MADDS, build_run, change, change_networks, networks_of

from trueshot.core.errors import RunError
from trueshot.core.results import CostAxis, Front, Line, Result, Series, Table, Text
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
    for network in networks_of(run).records:
        assert text.count(network.name) >= 1
        assert network.role != "winner" or network.arch in text
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
    records = networks_of(run).records
    winners = [network for network in records if network.role == "winner"]
    worst = min(winners, key=lambda network: network.test.top1)
    records = tuple(replace(network, score=5.0) if network.name == worst.name else network for network in records)
    change_networks(run, records=records)
    findings = read_findings(run)
    assert (findings.best.name, findings.chosen_by) == (worst.name, "score in the search")
    other = next(network for network in winners if network.name != worst.name)
    validated = {w.name: replace(w.test, top1=0.99 if w.name == other.name else 0.5) for w in winners}
    change_networks(run, records=tuple(replace(r, validation=validated.get(r.name)) for r in records))
    findings = read_findings(run)
    assert (findings.best.name, findings.chosen_by) == (other.name, "accuracy on validation images")


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
    change_networks(run, comparison={**networks_of(run).comparison, "difference": -0.0004, "low": low, "high": high})
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
    change(run, dataset={**Result.read(run.result).head["dataset"], "imbalanced": False})
    assert ">Balanced<" not in write_report(run).read_text()


def test_a_run_on_an_old_supernet_or_without_baselines_still_has_a_report(make_run):
    run = make_run(evaluations=40)
    change_networks(run, records=tuple(n for n in networks_of(run).records if n.role == "winner"), comparison=None)
    result = Result.read(run.result)
    sections = tuple(section for section in result.sections if section.name not in ("supernet", "how"))
    replace(result, head={**result.head, "bounds": {}, "budgets": []}, sections=sections).write(run.result)
    page = write_report(run).read_text()
    parsed(page)
    assert page.count("not compared") == 2
    assert "of any cost" in page
    assert "Training of the supernet" not in page


def test_a_search_that_trained_nothing_says_so_and_lists_the_best(make_run):
    run = make_run(evaluations=40)
    change_networks(run, records=())
    change(run, dataset=None)
    page = write_report(run).read_text()
    checker = parsed(page)
    text = " ".join(checker.text)
    found = Result.read(run.result).head["found"]
    assert "Nothing was trained from scratch" in text
    assert f"{found[0]['score']:.4g}" in text
    assert [entry["arch"] in text for entry in found] == [True] * 10 + [False] * 2
    for absent in ("Why believe it", "not compared", "Top-1"):
        assert absent not in text


def test_sections_of_any_strategy_are_shown_in_their_order(make_run):
    run = make_run(evaluations=40)
    result = Result.read(run.result)
    more = (
        Text(name="why", title="Why it stopped", rows=(("", "Nobody moved any more."), ("Moves", "seventeen"))),
        Table(
            name="rounds", title="Rounds", heads=("Round", "Best"), rows=(("first", 0.5), ("second", None)), note="Two."
        ),
        Series(
            name="mixture", title="Weights of the mixture", x="step", y="weight",
            lines=(Line(name="conv", x=[0, 1, 2], y=[0.3, None, 0.6]), Line(name="pool", x=[0, 2], y=[0.7, 0.4])),
        ),
    )  # fmt: skip
    before = write_report(run).read_text()
    replace(result, sections=(*result.sections, *more)).write(run.result)
    page = write_report(run).read_text()
    parsed(page)
    wanted = ("Why it stopped", "Nobody moved any more.", "seventeen", "Rounds", "first", "0.5", "second", "–", "Two.")
    wanted += ("Weights of the mixture", "conv", "pool", "weight")
    places = [page.find(f">{text}<") for text in wanted if text != "–"]
    assert min(places) > 0
    assert places[:4] == sorted(places[:4])
    assert (page.count("<svg"), page.count("–")) == (before.count("<svg") + 1, before.count("–") + 1)


@pytest.mark.parametrize(
    ("axis", "value", "shown", "title"),
    [
        (CostAxis("latency", "latency", "ms"), 4.1, "4.1 ms", "Latency"),
        (CostAxis("size", "size", "bytes"), 350_000, "350 KB", "Size"),
    ],
)
def test_costs_have_their_own_names_and_units(make_run, axis, value, shown, title):
    run = make_run(evaluations=40)
    result = Result.read(run.result)
    networks, front, *others = result.sections
    factor = value / networks.records[0].costs["madds"]
    records = [replace(r, costs={"madds": 7, axis.name: factor * r.costs["madds"]}) for r in networks.records]
    networks = replace(networks, cost=axis, records=tuple(records))
    front = replace(front, cost=axis, costs=[factor * cost for cost in front.costs], budgets=(1.01 * value,))
    head = {**result.head, "costs": [vars(MADDS), vars(axis)], "bounds": {axis.name: [None, value]}}
    replace(result, head=head, sections=(networks, front, *others)).write(run.result)
    text = " ".join(parsed(write_report(run).read_text()).text)
    assert f"networks of {axis.title} at most {shown}" in text
    assert f"{title} Score" in " ".join(text.split())
    assert f"7 MAdds, {axis.title} {shown}" in text
    assert "parameters" not in text


def test_a_space_that_cannot_be_imported_costs_only_the_drawings(make_run):
    run = make_run(evaluations=40)
    change(run, space={**Result.read(run.result).head["space"], "class": "somewhere.gone:Space"})
    checker = parsed(write_report(run).read_text())
    assert [tag for tag, _ in checker.tags].count("svg") == 6


def test_an_unfinished_run_is_told_to_resume(make_run):
    run = make_run(evaluations=40)
    records = networks_of(run).records
    change_networks(run, records=tuple(replace(record, test=None) for record in records))
    with pytest.raises(RunError, match=r"best-1 has not been tested yet: .*--resume"):
        write_report(run)
    change_networks(run, records=tuple(record for record in records if record.role != "winner"))
    with pytest.raises(RunError, match=r"no winner .*--resume"):
        write_report(run)
    run.result.unlink()
    with pytest.raises(RunError, match=r"no result yet.*--resume"):
        write_report(run)
    assert not run.report.exists()


def test_damaged_and_older_results_are_named(make_run):
    run = make_run(evaluations=40)
    result = Result.read(run.result)
    replace(result, sections=tuple(s for s in result.sections if not isinstance(s, Front))).write(run.result)
    with pytest.raises(RunError, match=r"incomplete \(its front is missing\): .*--resume"):
        write_report(run)
    replace(result, head={key: value for key, value in result.head.items() if key != "found"}).write(run.result)
    with pytest.raises(RunError, match=r"incomplete \(found is missing\)"):
        write_report(run)
    run.result.write_text('{"version": 2, "sections": [{"kind": "front"}]}')
    with pytest.raises(RunError, match="incomplete"):
        write_report(run)
    run.result.write_text('{"version": 1, "networks": []}')
    with pytest.raises(RunError, match="version"):
        write_report(run)


@pytest.mark.parametrize("each", [True, False])
def test_it_says_whether_the_search_trained_each_architecture(make_run, each):
    run = make_run()
    change(run, evaluator="train", **({"trains_each": True} if each else {}))
    text = " ".join(" ".join(parsed(write_report(run).read_text()).text).split())
    told = (
        "architectures were trained from scratch on training images and scored on validation images; the best were"
        " trained anew and compared with random and off-the-shelf networks.",
        "The search trained each architecture from scratch and ranked them by what each reached on validation images",
    )
    otherwise = (
        "architectures were scored; the best were trained from scratch and compared with",
        "The search ranked architectures by a score (train).",
    )
    assert all((words in text) == each for words in told)
    assert all((words in text) != each for words in otherwise)
