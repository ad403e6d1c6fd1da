"""Material of rankings, made up."""

import numpy as np

from trueshot.core.random import Streams
from trueshot.studies.scored import Scored


def scored(scores, truth, labels=None, **changes):
    n = len(truth)
    fields = {
        "archs": tuple(map(str, range(n))),
        "costs": {"params": np.arange(1.0, n + 1), "madds": np.exp(np.arange(n, dtype=np.float64))},
        "labels": np.arange(n) if labels is None else np.array(labels),
        "truth": {"truth": np.array(truth, dtype=np.float64)},
        "scores": {key: np.array(values, dtype=np.float64) for key, values in scores.items()},
        "records": {},
        "epochs": {condition: 2 for condition, _ in scores},
        "data": {"image_size": 8},
        "seconds": 1.0,
        "streams": Streams(0),
        "resamples": 10,
    }
    return Scored(**(fields | changes))
