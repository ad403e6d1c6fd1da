"""The page on Python: its programs run as printed, on a finished search."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import trueshot

sys.path.append(str(Path(__file__).parents[1] / "cli"))
from cli_runs import finished_search

from trueshot.core.errors import ConfigError, RunError
from trueshot.evaluation import measure
from trueshot.strategies.config import SearchConfig

PAGE = (Path(__file__).parents[2] / "docs" / "in-python.md").read_text()
(PROGRAM,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return finished_search(tmp_path_factory)


@pytest.fixture
def flowers(finished, tmp_path, monkeypatch):
    """A finished run, called as the page calls it."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "flowers").symlink_to(finished.path)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("flowers")
def test_a_supernet_is_searched_and_its_best_fine_tuned_in_under_20_lines(finished, capsys):
    assert len(PROGRAM.splitlines()) < 20
    before = {path: path.read_bytes() for path in finished.path.rglob("*") if path.is_file()}
    threads, made = torch.get_num_threads(), {}
    exec(PROGRAM, made)
    assert torch.get_num_threads() == threads
    assert {path: path.read_bytes() for path in finished.path.rglob("*") if path.is_file()} == before

    # It scores as the search did, of the same weights and images, and takes the best of ten.
    scores, trained, network = made["scores"], made["trained"], made["network"]
    assert trained.evaluator().digest == finished.result["digest"]
    assert len(scores) == 10
    best = made["archs"][scores.argmax()]
    alone = trained.evaluator()(best[None])
    np.testing.assert_array_equal(alone, scores.max())

    # The network was trained, and the supernet was not.
    fresh = trained.supernet.network(best)
    batches = trained.weights.batches()
    seen = list(batches.iterate(0, batches.steps_per_epoch))
    loss, untrained = (measure(one, seen, trained.supernet.space.classes).loss for one in (network, fresh))
    assert loss < untrained
    top1 = float(capsys.readouterr().out)
    assert top1 == measure(network, trained.validation_batches(), 10).top1


def test_what_holds_no_supernet_is_refused_in_a_line(finished, tmp_path):
    with pytest.raises(RunError, match="holds no trueshot run"):
        trueshot.load_supernet(tmp_path)
    # As the same search by an oracle without a supernet would have left it.
    config = json.loads((finished.path / "config.json").read_text())
    known = {key: value for key, value in config["search"].items() if key in SearchConfig.model_fields}
    config["search"] = {**known, "strategy": "random", "oracle": "madds-live"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match=r"trained no supernet: give the run directory of one that did"):
        trueshot.load_supernet(tmp_path)


def test_code_of_a_run_is_not_run_without_trust(tmp_path):
    (tmp_path / "config.json").write_text(
        '{"version": 1, "command": "search", "source": "digits", "preset": "digits", "space": {}, "search":'
        ' {"strategy": "mine.py:Mine", "budget": {"fractions": [1.0]}}}'
    )
    with pytest.raises(ConfigError, match=r"mine.py:Mine, code of its own, which is not run: .*trust_code=True"):
        trueshot.load_supernet(tmp_path)
