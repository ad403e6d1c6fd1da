"""Progress: plain lines where nobody watches, bars on a terminal."""

import io

import pytest
from rich.console import Console

from trueshot.cli.progress import Bars, Lines, make_progress
from trueshot.core.observe import Observer


def drive(progress):
    with progress:
        progress.say("a [bracket] and a line")
        progress.begin("supernet", 10, 4, "step")
        progress.advance("supernet", 5)
        progress.record(
            "supernet", 5, {"epoch": 1, "loss": 1.23456, "lr": 0.5, "seconds": 3.0, "none": None, "genotype": "a|b"}
        )
        progress.advance("supernet", 10)
        progress.end("supernet")


def test_lines_are_plain_and_few(capsys):
    drive(Lines())
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0] == "a [bracket] and a line"
    assert lines[1] == "supernet: 10 steps, 4 done before"
    assert lines[-1].startswith("supernet: done in ")
    assert lines[-1].endswith("loss 1.235  lr 0.5  genotype a|b")
    assert len(lines) <= 4


def test_lines_tell_the_time_left(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    lines = Lines(every=10)
    lines.begin("search", 100, 20, "architecture")
    for done, clock in ((25, 5.0), (30, 10.0), (31, 12.0), (60, 40.0)):
        now[0] = clock
        lines.advance("search", done)
    told = capsys.readouterr().err.splitlines()[1:]
    # 10 in 10 s leave 70 s for 70; 40 in 40 s leave 40 s for 40.
    assert [line.rstrip() for line in told] == [
        "search: 30/100 architectures, 1m 10s left",
        "search: 60/100 architectures, 40s left",
    ]


def test_a_phase_that_begins_again_has_another_length(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    lines = Lines(every=10)
    lines.begin("supernet", 100, 20, "step")
    now[0] = 10.0
    lines.begin("supernet", 50, 30, "step")
    lines.advance("supernet", 30)
    lines.end("supernet")
    # Units beyond the end, as of scores asked for after a search, are borne.
    now[0] = 30.0
    lines.advance("supernet", 50)
    lines.begin("supernet", 100, 0, "step")
    # 10 in 10 s leave 20 s for 20.
    told = [line.rstrip() for line in capsys.readouterr().err.splitlines()]
    assert told == [
        "supernet: 100 steps, 20 done before",
        "supernet: 50 steps now, 30 done",
        "supernet: 30/50 steps, 20s left",
        "supernet: done in 10s",
        "supernet: 50/50 steps, 0.0s left",
        "supernet: 100 steps",
    ]
    bars = Bars()
    bars.begin("supernet", 100, 20, "step")
    bars.begin("supernet", 50, 30, "step")
    assert [(task.total, task.completed) for task in bars._progress.tasks] == [(50, 30)]
    bars.end("supernet")
    bars.advance("supernet", 50)
    bars.begin("supernet", 100, 0, "step")
    assert [(task.total, task.completed) for task in bars._progress.tasks] == [(50, 50), (100, 0)]


def test_bars_show_phases_and_figures():
    stream = io.StringIO()
    bars = Bars()
    bars._progress.live.console = Console(file=stream, force_terminal=True, width=140)
    drive(bars)
    shown = stream.getvalue()
    assert "a [bracket] and a line" in shown
    assert "supernet" in shown
    assert "10/10" in shown
    assert "loss 1.235" in shown


@pytest.mark.parametrize(("terminal", "kind"), [(True, Bars), (False, Lines)])
def test_the_terminal_decides(monkeypatch, terminal, kind):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal, raising=False)
    made = make_progress()
    assert isinstance(made, kind)
    assert isinstance(made, Observer)
