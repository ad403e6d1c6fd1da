"""The trained supernet of a finished search, ready for use in Python: ``trueshot.load_supernet``."""

from __future__ import annotations

from pathlib import Path

import torch

from trueshot.cli.earlier import check_supernet
from trueshot.cli.request import searched_again
from trueshot.core.errors import RunError
from trueshot.strategies.search import Search
from trueshot.strategies.trained import TrainedSupernet


def load_supernet(path: str | Path, *, device: str | None = None, trust_code: bool = False) -> TrainedSupernet:
    """Load the trained supernet of a search, with its space and its images; nothing is trained or written.

    The images are read again from where the run had them, with its split. PyTorch keeps its number of threads.

    Args:
        path: run directory of a search that has trained its supernet.
        device: ``cpu`` or ``cuda``; the GPU where there is one without it.
        trust_code: allows to run code of its own that the run names, such as its space.

    Raises:
        RunError: when there is no such run, it used no supernet or has not finished its training, or its images have
            changed.
        CheckpointError: when the weights are corrupt.
        ConfigError: when it needs code that is not trusted.
        DataError: when its images are not there any more.
        DeviceError: when there is no such device.
    """
    run, threads = check_supernet(Path(path)), torch.get_num_threads()
    try:
        strategy = searched_again(run.path, device=device, trust_code=trust_code).strategy
    finally:
        torch.set_num_threads(threads)
    trained = strategy.trained_supernet() if isinstance(strategy, Search) else None
    if trained is None:
        raise RunError(f"the search in {path} trained no supernet: give the run directory of one that did")
    return trained
