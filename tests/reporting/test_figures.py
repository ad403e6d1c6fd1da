from functools import partial

import numpy as np
import pytest
from made_up_run import build_run

from trueshot.core.results import Line, Series
from trueshot.criteria.pareto import pareto_front
from trueshot.reporting import figures
from trueshot.reporting.findings import read_findings
from trueshot.reporting.style import INK, new_figure, svg


@pytest.fixture
def make_run(tmp_path):
    return partial(build_run, tmp_path / "run")


@pytest.fixture
def findings(make_run):
    return read_findings(make_run())


def markers(figure) -> int:
    return sum(len(points.get_offsets()) for points in figure.axes[0].collections)


def test_front_shows_all_that_was_evaluated_and_the_front(findings):
    figure = figures.front_figure(findings)
    costs, scores = np.array(findings.front.costs), np.array(findings.front.scores)
    assert markers(figure) == len(scores) + 6
    front = pareto_front(cost=costs, score=scores)
    line = figure.axes[0].lines[0]
    np.testing.assert_array_equal(line.get_xdata(), costs[front])
    np.testing.assert_array_equal(line.get_ydata(), scores[front])


def test_tested_and_agreement_show_every_network(findings):
    assert markers(figures.tested_figure(findings)) == 7
    assert markers(figures.agreement_figure(findings)) == 6


def test_series_leave_gaps_out_and_colour_networks_by_their_roles(findings):
    lines = (Line(name="best-1", x=[1, 2, 3], y=[3.0, None, 1.0]), Line(name="other", x=[1], y=[2.0]))
    series = Series(name="s", title="S", x="epoch", y="loss", lines=lines)
    axes = figures.series_figure(series, {"best-1": "winner"}).axes[0]
    first, second, *_ = axes.lines
    assert first.get_xdata().tolist() == [1, 3]
    assert first.get_color() == figures.ROLES["winner"][1]
    assert second.get_ydata().tolist() == [2.0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "loss")
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["found by the search", "other"]


def test_of_many_classes_the_worst_are_shown(findings):
    best = findings.best
    recalls = tuple(np.linspace(1, 0, 100).tolist())
    many = type(best)(**{**vars(best), "test": type(best.test)(**{**vars(best.test), "per_class": recalls})})
    figure = figures.classes_figure(many, [f"class {i}" for i in range(100)])
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == [f"class {i}" for i in range(99, 75, -1)]


def test_svg_keeps_text_and_names_no_address():
    figure, axes = new_figure()
    axes.set_title("a < b", color=INK)
    text = svg(figure, 'says "a < b" & more')
    assert text.startswith("<svg")
    assert "http" not in text
    assert "a &lt; b</text>" in text
    assert 'aria-label="says &quot;a &lt; b&quot; &amp; more"' in text
    assert "var(--ink)" in text
    assert INK not in text
    assert text == svg(figure, 'says "a < b" & more')


@pytest.mark.parametrize("name", ["$^$", "$x", "a_{b}", r"\\alpha$", "$$", "100 %$", "<b>&"])
def test_names_of_classes_are_no_formulas(findings, name):
    best = findings.best
    classes = (name, *(f"class {number}" for number in range(1, len(best.test.per_class))))
    drawn = svg(figures.classes_figure(best, classes), "recall")
    assert name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in drawn
