"""A small space, images and batches for the tests of training."""

import torch

from trueshot.core.random import Streams
from trueshot.sharing import Supernet, single_path
from trueshot.spaces import Topology
from trueshot.training.standalone import build
from trueshot.training.task import TRAIN

SPACE = Topology(nodes=(2, 2), widths=(4, 6), stem_stride=1, head_width=8, image_size=8, classes=3, kernels=(3,))


class FixedBatches:
    """Random images, addressed by step."""

    def __init__(self, steps_per_epoch=4, batch_size=6, seed=0):
        self.steps_per_epoch, self.batch_size, self.seed = steps_per_epoch, batch_size, seed

    def iterate(self, start_step, stop_step):
        for step in range(start_step, stop_step):
            draw = Streams(self.seed).torch("images", step)
            labels = torch.randint(3, (self.batch_size,), generator=draw)
            yield torch.randn(self.batch_size, 3, 8, 8, generator=draw) + labels[:, None, None, None], labels


def make_supernet(seed=0, space=SPACE):
    return build(lambda: Supernet(space, single_path), Streams(seed), "cpu")


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def take(task, index, batch):
    """Take a step of a plain task; return its loss and its number of right answers."""
    metrics = task.step(index, {TRAIN: batch})
    assert metrics["accuracy"].items == len(batch[1])
    return metrics["loss"].value, metrics["accuracy"].value
