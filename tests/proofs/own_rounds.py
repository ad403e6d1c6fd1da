"""A user's own strategy of rounds: train a little, propose, train on with the best of what was proposed."""

import numpy as np

from trueshot.core.cache import EvaluationCache
from trueshot.core.config import Config
from trueshot.core.results import Table
from trueshot.evaluation import OneShot
from trueshot.sampling.twins import FixedPool
from trueshot.search.config import EvolutionConfig
from trueshot.search.evolution import Evolution
from trueshot.sharing import Supernet, single_path
from trueshot.strategies.asking import Asking, described
from trueshot.strategies.protocol import Forecast, Found
from trueshot.strategies.supernet import measured_batches
from trueshot.training.classification import Loss
from trueshot.training.config import Recipe
from trueshot.training.data.batches import train_batches
from trueshot.training.data.options import Augmentation
from trueshot.training.loop import train
from trueshot.training.optimizers import make_optimizer
from trueshot.training.plan import Plan
from trueshot.training.standalone import build
from trueshot.training.supernet import SupernetTask


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

    def check(self):
        pass

    def forecast(self):
        return Forecast(())

    def run(self):
        context, config, space = self.context, self.config, self.context.space
        supernet = build(lambda: Supernet(space, single_path), context.streams.child("start"), context.device)
        optimizer, images = make_optimizer(supernet, config.recipe), context.images
        size = EvolutionConfig(evaluations=config.rounds * config.asks, population=config.asks, sample=2)
        proposer = Evolution(space, config=size, costs=context.costs, bounds=context.bounds, seed=context.seed)
        evaluator = OneShot(supernet, measured_batches(context, images.validation), metric="loss")
        pool, rows = space.sample(8, context.streams.numpy("pool")), []
        columns, log = described(space, context.costs), context.run.log("asked")
        with EvaluationCache(context.run.evaluations) as cache:
            asking = Asking(proposer, cache, log=log, describe=columns, batch=config.asks)
            for number in range(1, config.rounds + 1):
                streams = context.streams.child("round", number)
                more = {"streams": streams, "device": context.device, "augmentation": Augmentation()}
                batches = train_batches(images.train, images, batch_size=config.recipe.batch_size, **more)
                steps, identity = config.recipe.epochs * batches.steps_per_epoch, context.identity(config.plain())
                how = {"identity": identity, "save_every": context.save_every, "training_round": number}
                plan = Plan.in_run(context.run, "rounds", steps, **how)
                task = SupernetTask(supernet, FixedPool(space, pool), optimizer, None, Loss(), None, streams)
                loss = train(task, {"train": batches}, plan, observer=context.observer)[-1]["loss"]
                asking.reevaluate(evaluator) if rows else None
                history = asking.run(evaluator, evaluations=config.asks)
                pool = history.archs[np.argsort(-history.scores, kind="stable")[:4]]
                rows.append((number, loss, float(history.scores.max()), evaluator.digest))
        table = Table(name="rounds", title="Rounds", heads=("round", "loss", "best", "weights"), rows=tuple(rows))
        found = {"archs": history.archs, "scores": history.scores, "evaluator": evaluator}
        return Found(**found, scored_by="one-shot at the weights of the last round", more=(table,))
