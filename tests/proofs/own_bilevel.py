"""A user's own task: a mixture over operations, trained on two levels; it knows no space, file or stream."""

import torch
from torch.nn import functional as F

from trueshot.training.optimizers import clip_gradients, make_optimizer, take_step
from trueshot.training.schedules import set_learning_rate
from trueshot.training.task import Metric


class BiLevel:
    """First-order DARTS: architecture weights learn from validation images, all others from training images."""

    def __init__(self, supernet, recipe, architect, streams):
        self.supernet, self.recipe, self.streams, self.schedule = supernet, recipe, streams, None
        sizes = {site.key: len(site.candidates) for site in supernet.space.all_sites}
        self.alphas = torch.nn.ParameterDict({key: torch.zeros(size) for key, size in sizes.items()})
        self.weights = make_optimizer(supernet, recipe)
        self.architect = make_optimizer(self.alphas.values(), architect)
        self.parts = (supernet, self.alphas, self.weights, self.architect)

    def mixed(self):
        return {key: values.softmax(0) for key, values in self.alphas.items()}

    def row(self):
        return self.supernet.space.derive({key: values.detach() for key, values in self.mixed().items()})

    def step(self, index, batches):
        set_learning_rate(self.weights, self.schedule, index)
        losses = {}
        for name, optimizer in (("validation", self.architect), ("train", self.weights)):
            for each in (self.weights, self.architect):
                each.zero_grad(set_to_none=True)
            images, labels = batches[name]
            loss = F.cross_entropy(self.supernet(images, self.mixed()), labels)
            loss.backward()
            clip_gradients(self.supernet.parameters(), self.recipe.clip)
            take_step(optimizer, self.streams, index)
            losses[name] = Metric(loss.detach())
        return {"loss": losses["train"], "validation loss": losses["validation"]}

    def end_epoch(self, epoch):
        return {"genotype": self.supernet.space.format(self.row())}

    def describe(self, index):
        return "the mixture"

    def state_dict(self):
        return {str(number): part.state_dict() for number, part in enumerate(self.parts)}

    def load_state_dict(self, state):
        for number, part in enumerate(self.parts):
            part.load_state_dict(state[str(number)])
