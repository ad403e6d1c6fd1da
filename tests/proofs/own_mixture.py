"""A user's own strategy: trains a mixture over operations on two levels, in whatever space."""

from mixture import Mixed
from own_bilevel import BiLevel

from trueshot.core.config import Config
from trueshot.core.results import Table
from trueshot.evaluation import OneShot
from trueshot.sharing import Supernet
from trueshot.strategies.protocol import Forecast, Found
from trueshot.strategies.supernet import measured_batches
from trueshot.training.config import Adam, Recipe
from trueshot.training.data.batches import train_batches
from trueshot.training.data.options import Augmentation
from trueshot.training.loop import train
from trueshot.training.plan import Plan
from trueshot.training.schedules import make_schedule
from trueshot.training.standalone import build


class Mixture:
    cost = "madds"

    class Config(Config):
        """How the mixture is trained.

        Attributes:
            recipe: of the operations' weights.
            architect: of the architecture's weights.
        """

        recipe: Recipe = Recipe(epochs=2, batch_size=32, lr=0.1, clip=5.0)
        architect: Adam = Adam(lr=0.05)

    def __init__(self, config, context):
        self.config, self.context = config, context

    def check(self):
        pass

    def forecast(self):
        return Forecast(())

    def run(self):
        context, recipe = self.context, self.config.recipe
        streams = context.streams.child("mixture")
        supernet = build(lambda: Supernet(context.space, Mixed), streams, context.device)
        task = BiLevel(supernet, recipe, self.config.architect, streams)
        streams_of = {
            name: train_batches(
                part,
                context.images,
                batch_size=recipe.batch_size,
                augmentation=Augmentation(),
                streams=streams.child(name),
                device=context.device,
            )
            for name, part in (("train", context.images.train), ("validation", context.images.validation))
        }
        epoch = max(batches.steps_per_epoch for batches in streams_of.values())
        identity = context.identity("mixture", self.config.plain(), context.seed)
        steps = recipe.epochs * epoch
        plan = Plan.in_run(context.run, "mixture", steps, identity=identity, save_every=context.save_every)
        task.schedule = make_schedule(recipe, plan, epoch)
        history = train(task, streams_of, plan, observer=context.observer)
        evaluator = OneShot(supernet, measured_batches(context, context.images.validation))
        archs = task.row()[None]
        heads = ("epoch", "loss", "validation loss", "genotype")
        rows = tuple(tuple(row[head] for head in heads) for row in history)
        return Found(
            archs=archs,
            scores=evaluator(archs),
            evaluator=evaluator,
            scored_by="the mixture at the weights of one architecture",
            more=(Table(name="genotypes", title="Genotype by epoch", heads=heads, rows=rows),),
        )
