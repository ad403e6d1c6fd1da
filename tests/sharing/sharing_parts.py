"""Small spaces and supernets that the tests of the ways of sharing have in common."""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from trueshot.sharing import Attention, Bias, SharedBias, Split, Supernet
from trueshot.spaces import Chain, NasBench201, Topology

SPACES = {
    "chain": Chain(
        image_size=16, classes=5, layers=((8, 1), (8, 2), (12, 1)), stem_width=8, fixed_width=8, head_width=16
    ),
    "topology": Topology(
        image_size=8, classes=5, nodes=(1, 3), widths=(6, 8), head_width=8, expansions=(1, 2), kernels=(3,)
    ),
    "nasbench201": NasBench201(image_size=8, channels=4, cells=1, affine=False, skip="linear_transformer"),
}

VECTORS = {
    "bias": Bias(depth=2),
    "bias 3": Bias(depth=3),
    "shared bias": SharedBias(depth=2),
    "attention": Attention(depth=2),
    "attention of two": Attention(depth=1, layers=2),
    "attention without own": Attention(depth=2, own=False),
    "bias over attention": Bias(over=Attention(layers=2)),
}


def shaken(net: Supernet) -> Supernet:
    """Give all parameters and BatchNorm statistics values that differ from their start."""
    for parameter in net.parameters():
        parameter.data.add_(0.2 * torch.randn_like(parameter))
    for norm in (m for m in net.modules() if isinstance(m, _BatchNorm)):
        nn.init.normal_(norm.running_mean, std=0.2)
        nn.init.uniform_(norm.running_var, 0.5, 2.0)
    return net


ALL = {**VECTORS, "split": Split(), "split bias": Split(over=Bias())}
