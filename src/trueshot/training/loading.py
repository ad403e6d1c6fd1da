"""A trained network from the disk, ready for use: ``trueshot.load``."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from torch import nn

from trueshot.core.run import network_folder
from trueshot.spaces.storage import load_network
from trueshot.training.data.preprocessing import Preprocessing


class Trained(NamedTuple):
    """A trained network and what is needed to use it.

    Attributes:
        network: an ordinary module in evaluation mode on the CPU; images ``(n, channels, side, side)`` to logits.
        preprocessing: called with an image file, its bytes or a Pillow image, it returns what the network takes.
        classes: names in the order of the logits.
    """

    network: nn.Module
    preprocessing: Preprocessing
    classes: tuple[str, ...]


def load(path: str | Path, *, network: str | None = None, trust_code: bool = False) -> Trained:
    """Load a trained network without any supernet.

    Args:
        path: run directory of a search, or the folder of one network.
        network: which one of a run; the recommended one without it.
        trust_code: allows to run the code of a space of its own that the folder names.

    Raises:
        RunError: when there is no such network, or a file of it is malformed.
        CheckpointError: when the weights are absent or corrupt.
        ConfigError: when it needs code that is not trusted.
        DataError: when its preprocessing is not usable.
    """
    loaded = load_network(network_folder(Path(path), network), trust_code=trust_code)
    return Trained(loaded.network, Preprocessing.from_dict(loaded.preprocessing), loaded.classes)
