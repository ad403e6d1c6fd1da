"""How long a ranking will take, from a few measured steps and scores."""

from __future__ import annotations

import time

import numpy as np
import torch

from trueshot.core.random import Streams
from trueshot.sharing import Supernet
from trueshot.strategies.config import BudgetConfig
from trueshot.strategies.ranking_setup import RankingSetup
from trueshot.strategies.scoring import make_one_shot
from trueshot.strategies.weights import make_sampler, supernet_batches
from trueshot.training.loop import Plan, train
from trueshot.training.recipe import make_sgd
from trueshot.training.supernet import Loss, SupernetTask

_STEPS, _SCORES = 4, 40


def forecast_seconds(setup: RankingSetup, supernet: Supernet, workers: int) -> float:
    """Return the expected seconds of all supernets' training and scores; ``supernet`` is spoilt.

    Zero-cost proxies and the criteria come on top, SGLD samples and fine-tuning too.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(setup.config.threads)
    own, recipe = setup.supernet(0), setup.config.supernet.recipe
    batches = supernet_batches(own)
    sampler = make_sampler(setup.space, setup.config.supernet.sampler, BudgetConfig())
    task = SupernetTask(supernet, sampler, make_sgd(supernet, recipe), None, Loss(), recipe.clip, Streams(0))
    for _ in range(2):  # the first time warms up
        start = time.perf_counter()
        train(task, batches, Plan(phase="forecast", steps=_STEPS))
        step = (time.perf_counter() - start) / _STEPS
    # Neighbours in the order of the architectures, for that is how they are scored.
    few = setup.truth.archs[np.lexsort(setup.truth.archs.T[::-1])][:: max(1, len(setup.truth.archs) // _SCORES)][
        :_SCORES
    ]
    one_shot = make_one_shot(own, supernet)
    start = time.perf_counter()
    one_shot(few)
    score = (time.perf_counter() - start) / len(few)
    torch.set_num_threads(threads)
    each = recipe.epochs * batches.steps_per_epoch * step + setup.scores_each * score
    return each * -(-setup.config.ranking.supernets // workers)
