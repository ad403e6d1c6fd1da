"""A user's own strategy: trains a mixture over operations on two levels (first-order DARTS), in whatever space."""

import torch
from mixture import Mixed
from torch.nn import functional as F

from trueshot.core.config import Config
from trueshot.core.results import Table
from trueshot.evaluation import OneShot
from trueshot.strategies.protocol import Found
from trueshot.strategies.stages import make_supernet, train_task
from trueshot.strategies.supernet import measured_batches
from trueshot.training.config import Adam, Recipe
from trueshot.training.optimizers import clip_gradients, make_optimizer
from trueshot.training.schedules import set_learning_rate
from trueshot.training.task import KeepsParts, Metric


class BiLevel(KeepsParts):
    """Architecture weights learn from validation images, all others from training images."""

    def __init__(self, supernet, config, schedule):
        self.supernet, self.clip, self.schedule = supernet, config.recipe.clip, schedule
        sizes = {site.key: len(site.candidates) for site in supernet.space.all_sites}
        self.alphas = torch.nn.ParameterDict({key: torch.zeros(size) for key, size in sizes.items()})
        self.weights = make_optimizer(supernet, config.recipe)
        self.architect = make_optimizer(self.alphas.values(), config.architect)
        self.parts = (supernet, self.alphas, self.weights, self.architect)

    def mixed(self):
        return {key: values.softmax(0) for key, values in self.alphas.items()}

    def row(self):
        return self.supernet.space.derive({key: values.detach() for key, values in self.mixed().items()})

    def step(self, index, batches):
        set_learning_rate(self.weights, self.schedule, index)
        losses = {}
        for name, optimizer in (("validation", self.architect), ("train", self.weights)):
            loss = F.cross_entropy(self.supernet(batches[name][0], self.mixed()), batches[name][1])
            loss.backward()
            clip_gradients(self.supernet.parameters(), self.clip)
            optimizer.step()
            torch.nn.ModuleList(self.parts[:2]).zero_grad()
            losses[name] = Metric(loss.detach())
        return {"loss": losses["train"], "validation loss": losses["validation"]}

    def end_epoch(self, epoch):
        return {"genotype": self.supernet.space.format(self.row())}


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

    def run(self):
        context, config, images = self.context, self.config, self.context.images
        supernet = make_supernet(context, Mixed)
        parts = {"train": images.train, "validation": images.validation}
        make, what = lambda schedule, _: BiLevel(supernet, config, schedule), config.plain()
        task, history = train_task(context, "mixture", make, config.recipe, parts, identity=what)
        evaluator = OneShot(supernet, measured_batches(context, images.validation))
        rows, heads = task.row()[None], ("epoch", "loss", "validation loss", "genotype")
        cells = tuple(tuple(row[head] for head in heads) for row in history)
        table = Table(name="genotypes", title="Genotype by epoch", heads=heads, rows=cells)
        found = {"archs": rows, "scores": evaluator(rows), "evaluator": evaluator}
        return Found(**found, scored_by="the mixture at the weights of one architecture", more=(table,))
