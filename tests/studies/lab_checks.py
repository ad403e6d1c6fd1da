"""What the ranking studies need in tests: the truth, and the smallest setting."""

import os
from pathlib import Path

import pytest

from trueshot.evaluation.recalibration import Recalibration
from trueshot.spaces import NasBench201
from trueshot.studies.lab import LAB_IMAGES, Setting
from trueshot.studies.lab_truth import TRUTH_FILE
from trueshot.studies.result import Scale
from trueshot.training.recipe import Recipe

needs_truth = pytest.mark.skipif(
    not (Path(os.environ.get("TRUESHOT_DATA") or "absent") / TRUTH_FILE).is_file(),
    reason=f"$TRUESHOT_DATA does not hold {TRUTH_FILE}",
)

TINY = {
    Scale.SMOKE: Setting(
        images=LAB_IMAGES[Scale.SMOKE],
        space=NasBench201(channels=4, cells=1, affine=False),
        recipe=Recipe(epochs=2, batch_size=64, lr=0.05),
        marks=(1,),
        repeats=1,
        archs=8,
        recalibration=Recalibration(mode="batch", batch_size=80),
        metric="loss",
    )
}
