"""A small supernet and small batches for the tests of the evaluators."""

import torch

from trueshot.sharing import Supernet, single_path
from trueshot.spaces import Topology

SPACE = Topology(nodes=(2, 2), widths=(4, 6), stem_stride=1, head_width=8, image_size=8, classes=3, kernels=(3,))


def batches(count, size, seed):
    draw = torch.Generator().manual_seed(seed)
    return [
        (
            torch.randn(size, 3, 8, 8, generator=draw) + 2 * torch.randn(size, 3, 1, 1, generator=draw) + seed,
            torch.randint(3, (size,), generator=draw),
        )
        for _ in range(count)
    ]


def make_supernet(seed=0, space=SPACE):
    """A supernet with random weights and running statistics that belong to other images."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        supernet = Supernet(space, single_path).train()
        with torch.no_grad():
            for value in [*supernet.parameters(), *supernet.buffers()]:
                if value.is_floating_point():
                    value.mul_(1 + 0.3 * torch.rand_like(value)).add_(0.05 * torch.rand_like(value))
            # Centred logits, else every network would say the same class for every image.
            logits = torch.cat([supernet.eval()(images, space.sample(1, 0)[0]) for images, _ in batches(3, 10, 1)])
            supernet.body.head[-1].bias.sub_(logits.mean(dim=0))
    return supernet.train()


def snapshot(supernet):
    return {name: value.clone() for name, value in supernet.state_dict().items()}


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
