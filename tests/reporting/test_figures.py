from functools import partial

import numpy as np
import pytest
from made_up_run import build_run

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
    assert markers(figure) == len(findings.scores) + 6
    front = pareto_front(cost=findings.madds, score=findings.scores)
    line = figure.axes[0].lines[0]
    np.testing.assert_array_equal(line.get_xdata(), findings.madds[front])
    np.testing.assert_array_equal(line.get_ydata(), findings.scores[front])


def test_tested_and_agreement_show_every_network(findings):
    assert markers(figures.tested_figure(findings)) == 7
    assert markers(figures.agreement_figure(findings)) == 6


def test_sgld_goes_on_where_the_supernet_ended(findings):
    supernet, sgld, *_ = figures.supernet_figure(findings).axes[0].lines
    assert supernet.get_xdata()[-1] == 40
    assert list(sgld.get_xdata()) == list(range(40, 47))
    assert sgld.get_ydata()[0] == supernet.get_ydata()[-1]


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
