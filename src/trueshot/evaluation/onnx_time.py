"""Time of exported networks: onnxruntime, one image, one thread, by the one timer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from trueshot.evaluation.timing import take_turns

ROUNDS = 50


def onnx_milliseconds(files: Mapping[str, Path], rounds: int = ROUNDS) -> dict[str, float]:
    """Return the milliseconds that each exported network takes for one image on one thread of the processor.

    Networks take turns, and the least time of each counts: what else runs on a machine only ever adds to a time.

    Args:
        files: ONNX files with one input ``images`` of a batch of any size, by name.
        rounds: how often each runs.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    calls = {}
    for name, file in files.items():
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        image = np.zeros((1, *session.get_inputs()[0].shape[1:]), dtype=np.float32)
        calls[name] = partial(session.run, None, {"images": image})
    return {name: 1000 * wall for name, (wall, _) in take_turns(calls, rounds).least.items()} if calls else {}
