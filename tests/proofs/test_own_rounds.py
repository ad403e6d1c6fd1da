"""A strategy of rounds, written by a user, killed in its second round and resumed, ends as one that was not killed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from proof_runs import DIGITS, FAST, HERE, SPACE, sets

from trueshot.core.results import Result
from trueshot.core.run import read_log

pytestmark = pytest.mark.timeout(900)
STRATEGY = f"{HERE / 'own_rounds.py'}:Rounds"
COMMAND = [*DIGITS, "--space", f"{SPACE}:Tower", "--strategy", STRATEGY, *FAST, *sets("save_every=0")]
KILLS = {"training": ["rounds-r2", 4], "its end": ["rounds-r2", 6], "network": ["random-1", 1]}
TIMES = ("seconds", "timings", "environment", "written")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rounds")
    plans = [(folder / "whole", [], None)]
    for name, kill in KILLS.items():
        plans += [(folder / name, [], kill), (folder / name, ["--resume"], None)]
    asked = [
        {"argv": [*map(str, COMMAND), "--out", str(out), *more], "log": f"{out}{len(more)}.log", "kill": kill}
        for out, more, kill in plans
    ]
    script = HERE.parent / "cli" / "killed_runs.py"
    command = [sys.executable, str(script), json.dumps(asked)]
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    logs = "\n".join(Path(plan["log"]).read_text() for plan in asked)
    assert json.loads(done.stdout.splitlines()[-1]) == [0] + [-signal.SIGKILL, 0] * len(KILLS), logs
    return folder


def timeless(content):
    if isinstance(content, dict):
        return {key: timeless(value) for key, value in content.items() if key not in TIMES}
    return [timeless(value) for value in content] if isinstance(content, list) else content


def test_each_round_has_weights_of_its_own_and_scores_the_old_anew(runs):
    rounds = Result.read(runs / "whole" / "result.json").named("rounds").rows
    assert [row[0] for row in rounds] == [1, 2, 3]
    digests = [row[-1] for row in rounds]
    assert len(set(digests)) == 3
    told = [
        (entry["tell"], len(entry["rows"])) for entry in read_log(runs / "whole/log/asked.jsonl") if "tell" in entry
    ]
    first, second, third = digests
    assert told == [(first, 4), *[(second, 4)] * 2, *[(third, 4)] * 3]


@pytest.mark.parametrize("name", KILLS)
def test_a_killed_run_ends_bit_identically(runs, name):
    whole, other = runs / "whole", runs / name
    results = [timeless(json.loads((run / "result.json").read_text())) for run in (whole, other)]
    assert results[0] == results[1]
    weights = sorted(path.relative_to(whole) for path in whole.rglob("*.safetensors"))
    assert len(weights) == 3
    assert all((whole / path).read_bytes() == (other / path).read_bytes() for path in weights)
    assert (whole / "log/asked.jsonl").read_bytes() == (other / "log/asked.jsonl").read_bytes()


def test_it_takes_at_most_80_lines_and_no_file_stream_or_checkpoint():
    text = (HERE / "own_rounds.py").read_text()
    assert len(text.splitlines()) <= 80
    forbidden = ("open(", "streams", "checkpoint", "pathlib", "context.run", "EvaluationCache")
    assert not [word for word in forbidden if word in text]
