from __future__ import annotations

import copy
import io

import pytest
import torch
from torch import nn

from trueshot.operations import conv_bn
from trueshot.operations.activation import ReLU6


def block(activation):
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), activation, nn.Conv2d(8, 4, 1))


def kept(module, x):
    """Return how many numbers autograd keeps, each storage once, weights not among them."""
    own = {parameter.untyped_storage().data_ptr() for parameter in module.parameters()}
    found = {}

    def keep(tensor):
        if tensor.untyped_storage().data_ptr() not in own:
            found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes() // tensor.element_size()
        return tensor.detach()

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = module(x)
    del output
    return sum(found.values())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_values_and_gradients_are_those_of_pytorch_to_the_last_bit(dtype):
    edges = [0.0, -0.0, 6.0, -1.0, 7.0, 3.0, torch.inf, -torch.inf, torch.nan, 1e-45, 5.9999995, 6.0000005]
    x = torch.cat([torch.tensor(edges), 5 * torch.randn(1000, generator=torch.Generator().manual_seed(0))]).to(dtype)
    incoming = torch.randn(len(x), generator=torch.Generator().manual_seed(1)).to(dtype)
    outputs, gradients = [], []
    for module in (ReLU6(), nn.ReLU6()):
        leaf = x.clone().requires_grad_()
        outputs.append(module(leaf * 1))
        outputs[-1].backward(incoming)
        gradients.append(leaf.grad)
    assert torch.equal(outputs[0].nan_to_num(-9.0), outputs[1].nan_to_num(-9.0))
    assert outputs[0].isnan().equal(outputs[1].isnan())
    assert torch.equal(*gradients)


def test_a_network_trains_as_with_the_activation_of_pytorch():
    x = torch.randn(6, 3, 9, 9)
    ours, theirs = block(ReLU6()), block(nn.ReLU6(inplace=True))
    for module in (ours, theirs):
        module(x).square().sum().backward()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)


def test_it_keeps_one_tensor_less():
    x = torch.randn(6, 3, 9, 9)
    assert kept(block(nn.ReLU6(inplace=True)), x) - kept(block(ReLU6()), x) == 6 * 8 * 7 * 7


def test_it_works_in_place_with_and_without_gradients():
    for grad in (True, False):
        x = (torch.randn(5, requires_grad=grad)) * 10
        assert ReLU6()(x) is x or ReLU6()(x).data_ptr() == x.data_ptr()
        assert ((x >= 0) & (x <= 6)).all()


def test_a_second_derivative_is_refused_and_not_wrong():
    x = torch.randn(5, requires_grad=True)
    (first,) = torch.autograd.grad((ReLU6()(x * 1) ** 2).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiat"):
        first.sum().backward()


def test_it_is_copied_saved_and_exported_as_an_ordinary_module():
    module = nn.Sequential(*conv_bn(3, 8, 3)).eval()
    x = torch.randn(2, 3, 8, 8)
    buffer = io.BytesIO()
    torch.save(copy.deepcopy(module).state_dict(), buffer)
    program = torch.export.export(module, (x,))
    called = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert not any("autograd" in name for name in called)
    torch.testing.assert_close(program.module()(x), module(x))
