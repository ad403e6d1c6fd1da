"""A user's own strategy of rounds: train a little, propose, train on with the best of what was proposed."""

import numpy as np

from trueshot.core.config import Config
from trueshot.core.results import Table
from trueshot.evaluation import OneShot
from trueshot.sampling.twins import FixedPool
from trueshot.search.config import EvolutionConfig
from trueshot.sharing import single_path
from trueshot.strategies.protocol import Found
from trueshot.strategies.stages import asking_in_run, make_supernet, train_shared
from trueshot.strategies.supernet import measured_batches
from trueshot.training.config import Recipe


class Rounds:
    cost = "madds"

    class Config(Config):
        """How long a round is.

        Attributes:
            recipe: of each round.
            rounds: how many.
            asks: architectures proposed in each.
        """

        recipe: Recipe = Recipe(epochs=2, batch_size=32, lr=0.1)
        rounds: int = 3
        asks: int = 4

    def __init__(self, config, context):
        self.config, self.context = config, context

    def run(self):
        context, config, space = self.context, self.config, self.context.space
        supernet = make_supernet(context, single_path)
        evaluator = OneShot(supernet, measured_batches(context, context.images.validation), metric="loss")
        evolution = EvolutionConfig(evaluations=config.rounds * config.asks, population=config.asks, sample=2)
        pool, rows = space.sample(8, context.seed), []
        with asking_in_run(context, evolution.build(context), batch=config.asks) as asking:
            for number in range(1, config.rounds + 1):
                sampler = FixedPool(space, pool)
                trained = train_shared(context, "rounds", supernet, sampler, config.recipe, number=number)
                if rows:
                    asking.reevaluate(evaluator)
                history = asking.run(evaluator, evaluations=config.asks)
                pool = history.archs[np.argsort(-history.scores, kind="stable")[:4]]
                rows.append((number, trained[-1]["loss"], float(history.scores.max()), evaluator.digest))
        table = Table(name="rounds", title="Rounds", heads=("round", "loss", "best", "weights"), rows=tuple(rows))
        found = {"archs": history.archs, "scores": history.scores, "evaluator": evaluator}
        return Found(**found, scored_by="one-shot at the weights of the last round", more=(table,))
