"""Running commands inside the process, and searches that take a second."""

import contextlib
import io
import json
import types

from trueshot.cli.main import run

TINY_SPACE = "space.arguments={nodes: [1, 3], widths: [8, 12], kernels: [3], head_width: 16, stem_stride: 1}"
TINY = [
    "supernet.recipe={epochs: 2, batch_size: 64, lr: 0.1, momentum: 0.0, final_lr: 0.001}",
    "weight_sampling.samples=2",
    "evaluation={recalibration: {mode: reset, batches: 1, batch_size: 64}, images: 100}",
    "proposer={population: 4, generations: 2}",
    "retraining.recipe={epochs: 2, batch_size: 128, lr: 0.1, warmup_epochs: 0}",
    "retraining.repeats=1",
    "retraining.random=1",
    "retraining.convergence=false",
    "retraining.off_the_shelf=false",
    "budget.fractions=[1.0]",
    "threads=1",
]


DIGITS = ["search", "--data", "digits", "--device", "cpu"]


def invoke(*arguments):
    """Return exit code, standard output and standard error of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run([str(argument) for argument in arguments])
    return code, out.getvalue(), err.getvalue()


def sets(*values):
    return [word for value in values for word in ("--set", value)]


TINY_SETS = sets(TINY_SPACE, *TINY)


def refused(*arguments):
    """Return the error of a command, which must be one line, and exit code 2."""
    code, out, err = invoke(*arguments)
    assert code == 2, (code, out, err)
    assert out == ""
    *before, last = err.splitlines()
    assert not any(line.startswith("error:") or "Traceback" in line for line in before), err
    assert last.startswith("error: ")
    return last.removeprefix("error: ")


_finished = []


def finished_search(tmp_path_factory):
    """Return a finished search of the digits, made once for all test files: directory, result and what was printed."""
    if not _finished:
        out = tmp_path_factory.mktemp("search") / "run"
        command = [*DIGITS, "--max-madds", "100k", "--out", out, *TINY_SETS, *sets("data.max_images=400"), "--json"]
        code, stdout, stderr = invoke(*command)
        assert code == 0, stderr
        _finished.append(types.SimpleNamespace(path=out, stdout=stdout, stderr=stderr, result=json.loads(stdout)))
    return _finished[0]
