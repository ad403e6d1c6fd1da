"""A tiny search for the tests of the strategies."""

import timm
import torch

from trueshot.cli.names import find
from trueshot.core.run import RunDirectory
from trueshot.spaces import Topology
from trueshot.spaces.costs import standard_costs
from trueshot.strategies.config import SearchConfig
from trueshot.strategies.run import SearchRun
from trueshot.strategies.setup import Context, load_dataset
from trueshot.strategies.supernet import SharedWeights
from trueshot.strategies.teacher import Teacher

SPACE = Topology(
    nodes=(1, 2), widths=(4, 6), kernels=(3, 5), stem_stride=1, head_width=8, image_size=8, classes=10, in_channels=1
)
VALUES = {
    "seed": 1,
    "data": {"max_images": 200, "max_test_images": 60},
    "budget": {"fractions": [1.0, 0.6]},
    "supernet": {"recipe": {"epochs": 1, "batch_size": 64, "lr": 0.1, "momentum": 0.0, "final_lr": 0.001}},
    "weight_sampling": {"samples": 3},
    "evaluation": {"recalibration": {"mode": "reset", "batches": 1, "batch_size": 64}},
    "proposer": {"kind": "nsga2", "population": 4, "generations": 2},
    "retraining": {"recipe": {"epochs": 1, "batch_size": 64, "lr": 0.1}, "random": 1},
}


def merged(values, over):
    """Return ``values`` with those of ``over``, mapping by mapping."""
    deeper = {
        key: merged({} if "kind" in value else values.get(key) or {}, value)
        for key, value in over.items()
        if isinstance(value, dict)
    }
    return {**values, **over, **deeper}


def make_config(**over):
    # Only the one-shot strategy chooses its proposer by name.
    if over.get("strategy", "one-shot") != "one-shot":
        over = {"proposer": {}, **over}
        base = {key: value for key, value in VALUES.items() if key != "proposer"}
        return SearchConfig.flat(merged(base, over), find)
    return SearchConfig.flat(merged(VALUES, over), find)


class Said:
    """An observer that keeps what it was told."""

    def __init__(self):
        self.lines, self.events = [], []

    def begin(self, phase, total, done, unit):
        self.events.append(("begin", phase, total, done))

    def advance(self, phase, done):
        self.events.append(("advance", phase, done))

    def record(self, phase, step, row):
        self.events.append(("record", phase, step))

    def end(self, phase):
        self.events.append(("end", phase))

    def say(self, message):
        self.lines.append(message)


def make_context(path, config, observer=None, space=SPACE, **over):
    costs = over.pop("costs", None) or standard_costs(space)
    return Context(
        space=space,
        dataset=load_dataset("digits", config.data),
        run=RunDirectory(path),
        device=torch.device("cpu"),
        seed=config.seed,
        save_every=config.save_every,
        data=config.data,
        costs=costs,
        bounds=config.budget.bounds(costs),
        observer=observer or Said(),
        retraining=config.retraining,
        teacher=Teacher(config=config.teacher) if config.teacher.wanted else None,
        **over,
    )


def make_search(path, observer=None, space=SPACE, earlier=None, **over):
    """Return a search of tiny networks for digits, with values of the configuration changed."""
    config = make_config(**over)
    return SearchRun(config=config, context=make_context(path, config, observer, space, earlier=earlier))


def shared_weights(search):
    """Return the shared weights of a search."""
    strategy = search.config.strategy.config
    return SharedWeights(context=search.context, config=strategy.supernet, sampling=strategy.weight_sampling)


def kept_run(path, search, **more):
    """Return a directory whose configuration says what ``search`` was, as a finished run leaves it, and ``more``."""
    content = {"identity": search.context.identity(), "search": search.config.flattened(), **more}
    return RunDirectory.open(path, content, resume=False)


SMALL = "mobilenetv3_small_050"


def write_weights(folder, seed=0):
    """Write weights of a small network of timm, by its names, that tell images apart; return the file."""
    file = folder / f"{SMALL}-{seed}.pth"
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = timm.create_model(SMALL).train()
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        # Statistics of what runs through it, lest values fade from layer to layer.
        with torch.no_grad():
            network(torch.randn(64, 3, 32, 32))
        torch.save(network.state_dict(), file)
    return file
