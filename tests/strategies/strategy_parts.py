"""A tiny search for the tests of the strategies."""

import torch

from trueshot.core.run import RunDirectory
from trueshot.spaces import Topology
from trueshot.strategies.config import SearchConfig
from trueshot.strategies.setup import Setup, load_dataset

SPACE = Topology(
    nodes=(1, 2), widths=(4, 6), kernels=(3,), stem_stride=1, head_width=8, image_size=8, classes=10, in_channels=1
)
VALUES = {
    "seed": 1,
    "data": {"max_images": 200, "max_test_images": 60},
    "budget": {"fractions": [1.0, 0.6]},
    "supernet": {"recipe": {"epochs": 1, "batch_size": 64, "lr": 0.1, "momentum": 0.0, "final_lr": 0.001}},
    "weight_sampling": {"samples": 3},
    "evaluation": {"recalibration": {"mode": "reset", "batches": 1, "batch_size": 64}},
    "evolution": {"population": 4, "generations": 2},
    "retraining": {"recipe": {"epochs": 1, "batch_size": 64, "lr": 0.1}},
}


def merged(values, over):
    """Return ``values`` with those of ``over``, mapping by mapping."""
    deeper = {key: merged(values.get(key, {}), value) for key, value in over.items() if isinstance(value, dict)}
    return {**values, **over, **deeper}


def make_config(**over):
    return SearchConfig.make(merged(VALUES, over))


class Said:
    """An observer that keeps what it was told."""

    def __init__(self):
        self.lines, self.events = [], []

    def begin(self, phase, total, done, unit):
        self.events.append(("begin", phase, total, done))

    def advance(self, phase, done):
        self.events.append(("advance", phase, done))

    def record(self, phase, step, row):
        self.events.append(("record", phase, step))

    def end(self, phase):
        self.events.append(("end", phase))

    def say(self, message):
        self.lines.append(message)


def make_setup(path, observer=None, space=SPACE, **over):
    config = make_config(**over)
    dataset = load_dataset("digits", config.data)
    return Setup(
        config=config,
        space=space,
        dataset=dataset,
        run=RunDirectory(path),
        device=torch.device("cpu"),
        observer=observer or Said(),
    )
