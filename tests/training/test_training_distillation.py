"""Distillation against the formula by hand, and teachers that cannot be had."""

from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from trueshot.core.errors import ConfigError
from trueshot.training.classification import Loss
from trueshot.training.config import DistillationConfig
from trueshot.training.distillation import Distillation

CHECK = Path("no-file.pth")


class Constant(nn.Module):
    def __init__(self, logits):
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))
        self.sizes = []

    def forward(self, images):
        self.sizes.append(images.shape[-1])
        return self.logits.expand(len(images), -1) + images.mean() * 0


def config(**changes):
    return DistillationConfig(
        **{"teacher": "resnet18", "checkpoint": CHECK, "weight": 0.3, "temperature": 2.0, **changes}
    )


def test_the_loss_is_by_hand():
    teacher = Constant([[2.0, -1.0, 0.5]])
    distillation = Distillation(teacher, config())
    logits = torch.tensor([[1.0, 0.0, -1.0], [0.3, 2.0, 1.0]], requires_grad=True)
    labels, images = torch.tensor([0, 2]), torch.randn(2, 3, 4, 4)
    found = Loss(distillation=distillation)(logits, labels, images)
    p = (teacher.logits / 2).softmax(dim=1)
    divergence = sum((p[0] * (p[0].log() - (row / 2).log_softmax(dim=0))).sum() for row in logits) / 2 * 4
    hard = -logits.log_softmax(dim=1)[[0, 1], [0, 2]].mean()
    torch.testing.assert_close(found, 0.7 * hard + 0.3 * divergence)
    (expected,) = torch.autograd.grad(0.7 * hard + 0.3 * divergence, logits)
    found.backward()
    torch.testing.assert_close(logits.grad, expected)
    assert teacher.logits.grad is None
    assert not teacher.training


def test_images_are_resized_for_a_teacher_of_another_size():
    teacher = Constant([[1.0, 0.0]])
    distillation = Distillation(teacher, config(image_size=16))
    distillation(torch.tensor(1.0), torch.zeros(2, 2), torch.randn(2, 3, 8, 8))
    distillation(torch.tensor(1.0), torch.zeros(2, 2), torch.randn(2, 3, 16, 16))
    assert teacher.sizes == [16, 16]


def test_a_timm_teacher_is_loaded(tmp_path):
    torch.manual_seed(0)
    model = timm.create_model("resnet10t", num_classes=4, in_chans=1).eval()
    path = tmp_path / "teacher.pth"
    torch.save(model.state_dict(), path)
    made = DistillationConfig(teacher="resnet10t", checkpoint=path)
    teacher = Distillation.load(made, classes=4, in_channels=1, device="cpu").teacher
    images = torch.randn(2, 1, 32, 32)
    torch.testing.assert_close(teacher(images), model(images))
    with pytest.raises(ConfigError, match=r"teacher\.pth does not fit timm's resnet10t of 5 classes"):
        Distillation.load(made, classes=5, in_channels=1, device="cpu")
    path.write_bytes(b"no weights")
    with pytest.raises(ConfigError, match="does not fit timm's resnet10t"):
        Distillation.load(made, classes=4, in_channels=1, device="cpu")


def test_what_is_wrong_is_said(tmp_path):
    with pytest.raises(ConfigError, match="timm has no model 'resnot'"):
        Distillation.load(
            DistillationConfig(teacher="resnot", checkpoint=tmp_path / "a"), classes=3, in_channels=3, device="cpu"
        )
    with pytest.raises(ConfigError, match=r"give the teacher's weights as distillation\.checkpoint"):
        Distillation.load(
            DistillationConfig(teacher="resnet18", checkpoint=tmp_path / "a"), classes=3, in_channels=3, device="cpu"
        )
    for wrong, told in (
        ({"weight": 0.0}, "0.0 is too small: give more than 0"),
        ({"weight": 1.1}, "1.1 is too large: give at most 1"),
    ):
        with pytest.raises(ConfigError, match=f"configuration value weight: {told}"):
            DistillationConfig(teacher="resnet18", checkpoint=tmp_path / "a", **wrong)
    for wrong in ({"temperature": 0.0}, {"temperature": -1.0}):
        with pytest.raises(
            ConfigError, match=r"configuration value temperature: -?[01].0 is too small: give more than 0"
        ):
            DistillationConfig(teacher="resnet18", checkpoint=tmp_path / "a", **wrong)
