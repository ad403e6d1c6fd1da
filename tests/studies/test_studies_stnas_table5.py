import numpy as np
import pytest
from study_checks import check_smoke, figures, finding, run_smoke, session

from trueshot.cli.names import find_study
from trueshot.sampling import Matched
from trueshot.studies.record import Scale
from trueshot.studies.stnas import STABILITY
from trueshot.studies.stnas_table5 import single
from trueshot.training.standalone import NetworkTask
from trueshot.training.supernet import SupernetTask


def test_smoke(tmp_path, monkeypatch):
    result = check_smoke("stnas-table5", tmp_path, monkeypatch)
    published = {"Single checkpoint": 0.71, "Fine-tune": 0.64, "SGLD-param": 0.84, "SGLD-acc": 0.81}
    assert {what: finding(result, what)["paper"] for what in published} == published
    gain = result.head["claims"][1]
    assert (gain["what"], gain["paper"]) == ("SGLD-param less single", 0.13)
    values = [finding(result, what)["values"][0] for what in ("SGLD-param", "Single checkpoint")]
    assert gain["values"] == [values[0] - values[1]]


def stopped(task, at, folder):
    """Stop a study at a step of a task; return whether it was, and the steps until then."""
    step, taken = task.step, []

    def counted(self, index, batches):
        taken.append(index)
        if len(taken) == at:
            raise KeyboardInterrupt
        return step(self, index, batches)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task, "step", counted)
        with pytest.raises(KeyboardInterrupt):
            run_smoke("stnas-table5", folder)
    return len(taken)


def test_a_stopped_study_goes_on_where_it_was(tmp_path, monkeypatch):
    # A supernet takes 30 steps and its SGLD samples 20; it is stopped before its first checkpoint. Fine-tuning takes
    # two steps of each of six networks; then their truth 20 each, of which the second is stopped and begins again.
    whole, taken = run_smoke("stnas-table5", tmp_path / "whole"), {SupernetTask: 0, NetworkTask: 0}
    assert stopped(SupernetTask, 15, tmp_path / "stopped") == 15
    assert stopped(NetworkTask, 12 + 25, tmp_path / "stopped") == 12 + 25
    for task in taken:

        def counted(self, index, batches, task=task, step=task.step):
            taken[task] += 1
            return step(self, index, batches)

        monkeypatch.setattr(task, "step", counted)
    resumed = run_smoke("stnas-table5", tmp_path / "stopped")
    assert figures(resumed) == figures(whole)
    assert taken == {SupernetTask: 0, NetworkTask: 5 * 20}


def signs(values):
    return np.sign(np.subtract.outer(values, values)).ravel()


def test_single_is_the_median_of_the_taus_of_the_last_checkpoints(tmp_path):
    scored = find_study("stnas-table5").work.gather(session(tmp_path), Scale.SMOKE)
    truth, rows = signs(scored.truth["truth"]), [signs(row) for _, (row,) in scored.columns("supernet", "last")]
    # Tau-b is the uncentred correlation of the signs of all pairs.
    taus = [row @ truth / np.sqrt((row @ row) * (truth @ truth)) for row in rows]
    assert single(scored) == pytest.approx((np.median(taus),))


@pytest.mark.parametrize("scale", [Scale.SMOKE, Scale.PAPER])
def test_the_published_sampler_drops_six_branches_of_ten(scale, tmp_path):
    here = session(tmp_path)
    (kind,) = STABILITY.settings(here, scale)[1].values()
    space = here.space(kind.space, kind, planned=True)
    target = kind.supernet.sampler.config.target_madds
    assert Matched.to_target(space, target).p_drop == pytest.approx(0.6, abs=1e-4)
