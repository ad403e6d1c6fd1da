import os
from pathlib import Path

import numpy as np
import pytest
from study_checks import check_smoke, finding, run_smoke, session

from trueshot.cli.names import find_study
from trueshot.core.errors import DataError
from trueshot.studies.record import Scale
from trueshot.studies.surgery import group_truth, groups

needs_truth = pytest.mark.skipif(
    not (Path(os.environ.get("TRUESHOT_DATA") or "absent") / "nasbench201.parquet").is_file(),
    reason="$TRUESHOT_DATA does not hold nasbench201.parquet",
)
NAMES = [
    "1 sample",
    "3 samples, equal computation",
    "5 samples, equal computation",
    "FairNAS, equal computation",
    "3 samples, equal epochs",
    "5 samples, equal epochs",
    "FairNAS, equal epochs",
]


@pytest.mark.usefixtures("made_up")
def test_smoke(tmp_path, monkeypatch):
    result = check_smoke("surgery-table4", tmp_path, monkeypatch)
    # The made-up truth goes by the number of parameters, and its 12 epochs against it.
    free = {what: finding(result, what)["ours"]["value"] for what in ("parameters", "MAdds", "12 epochs of training")}
    assert free == pytest.approx({"parameters": 1.0, "MAdds": 1.0, "12 epochs of training": -1.0})
    findings = result.head["findings"][:7]
    assert [one["what"] for one in findings] == NAMES
    assert [one["note"] for one in findings] == ["2 epochs", *["1 epochs"] * 3, *["2 epochs"] * 3]
    assert finding(result, "1 sample")["paper"] == 0.7226
    # Conditions that differ in nothing but their names would be one supernet.
    assert len(list((tmp_path / "bank" / "supernets").iterdir())) == 7


@pytest.mark.usefixtures("made_up")
def test_groups_average_scores_and_truth_of_their_members(tmp_path):
    scored = find_study("surgery-table4").work.gather(session(tmp_path), Scale.SMOKE)
    assert scored.labels.max() == 11
    members = [scored.labels == label for label in range(12)]
    (found,), scores = groups(scored, "1 sample", "single"), scored.scores["1 sample", "single"][0]
    np.testing.assert_allclose(found, [scores[some].mean() for some in members])
    np.testing.assert_allclose(group_truth(scored), [scored.truth["truth"][some].mean() for some in members])


def test_truth_is_asked_for_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setenv("TRUESHOT_DATA", str(tmp_path))
    monkeypatch.setattr("trueshot.training.supernet.SupernetTask.step", None)
    with pytest.raises(DataError, match=r"this study needs the truth in nasbench201\.parquet: put it into"):
        run_smoke("surgery-table4", tmp_path)


@needs_truth
def test_paper_trains_for_a_thousand_epochs_and_ranks_everything(tmp_path):
    extent, kinds = find_study("surgery-table4").work.settings(session(tmp_path), Scale.PAPER)
    assert [kind.supernet.recipe.epochs for kind in kinds.values()] == [1000, 333, 200, 200, 1000, 1000, 1000]
    assert (extent.archs.count, kinds["1 sample"].size.train - kinds["1 sample"].validation) == (None, 40_000)
