import numpy as np
import pytest
import torch
from lab_checks import needs_truth
from study_checks import CPU, check_smoke, row, run_smoke

from trueshot.cli.names import study_module
from trueshot.sharing import Bias, Supernet, single_path
from trueshot.spaces import Chain, NasBench201, Space
from trueshot.spaces.counting import count_params
from trueshot.studies import interchoice_chain
from trueshot.studies.interchoice_chain_setting import SETTINGS, Kind, kinds
from trueshot.studies.result import Scale
from trueshot.studies.supernets import tau
from trueshot.training.standalone import NetworkTask

ON_CHAINS = ("interchoice-fig5", "interchoice-fig7", "interchoice-fig9", "interchoice-fig10", "interchoice-table2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("interchoice-chain")


@pytest.mark.parametrize("name", [*ON_CHAINS, pytest.param("interchoice-fig6", marks=needs_truth)])
def test_smoke(name, folder, monkeypatch):
    check_smoke(name, folder, monkeypatch)


@pytest.mark.parametrize("name", [*ON_CHAINS, "interchoice-fig6"])
def test_estimate(name):
    assert study_module(name).estimate(Scale.SMOKE, device=CPU).seconds > 0


def test_paper_is_the_published_supernet_at_fewer_pixels():
    setting = SETTINGS[Scale.PAPER]
    assert count_params(Supernet(setting.fitted, single_path)) == 14_839_700
    assert (setting.archs, setting.truth_seeds, setting.compared, setting.repeats) == (50, 2, 250, 3)
    assert setting.recipe_of(Kind(epochs=1.5)).epochs == 900


@pytest.mark.parametrize(("scale", "epochs"), [(Scale.PAPER, [400, 500]), (Scale.CPU, [5, 6]), (Scale.SMOKE, [4, 5])])
def test_splits_come_at_the_published_share_of_the_training(scale, epochs):
    assert [kind.sharing.epoch for kind in kinds(scale).values() if kind.sharing.kind == "split"] == epochs


def _gradients(space: Space, arch: list[int]) -> tuple[float, float]:
    """Return the largest gradient in the bias and outside of it."""
    torch.manual_seed(0)
    supernet = Supernet(space, Bias()).double()
    logits = supernet(torch.randn(8, *space.input_shape).double(), arch)
    torch.nn.functional.cross_entropy(logits, torch.randint(space.classes, (8,))).backward()
    found: dict[bool, float] = {True: 0.0, False: 0.0}
    for name, parameter in supernet.named_parameters():
        if parameter.grad is not None:
            inside = ".vectors" in name
            found[inside] = max(found[inside], float(parameter.grad.abs().max()))
    return found[True], found[False]


def test_batch_norm_takes_the_bias_of_a_chain_away():
    layers = ((8, 2), (8, 1), (12, 1), (12, 1))
    chain = Chain(image_size=16, classes=10, layers=layers, stem_width=8, fixed_width=8, head_width=16)
    bias, others = _gradients(chain, [5, 1, 3, 2])
    assert bias < 1e-12 < 1e-3 < others
    bias, _ = _gradients(NasBench201(channels=4, cells=1, affine=False), [3, 1, 2, 3, 2, 3])
    assert bias > 1e-3


def test_the_trained_bias_is_rounding_alone(folder):
    result = run_smoke("interchoice-fig5", folder)
    assert max(row(result, "chain, bias D=1", "largest number in the trained bias").values) < 1e-6


def test_supernets_are_compared_by_their_predictions(folder):
    result = run_smoke("interchoice-table2", folder)
    for label, paper in (("baseline", 0.761), ("split at 500", 0.703)):
        ours = row(result, label, "Kendall tau")
        assert ours.paper == paper
        first, second = map(np.array, result.details[label])
        assert len(first) == SETTINGS[Scale.SMOKE].compared
        assert ours.values == pytest.approx([tau(first, second)])


def test_a_killed_truth_goes_on_where_it_was(tmp_path, monkeypatch):
    chains = interchoice_chain.Chains.open(Scale.SMOKE, out=tmp_path / "whole", device=CPU)
    whole = chains.truth()
    step, taken = NetworkTask.step, []

    def counted(task, index, images, labels):
        taken.append(index)
        if len(taken) == 20:
            raise KeyboardInterrupt
        return step(task, index, images, labels)

    monkeypatch.setattr(NetworkTask, "step", counted)
    killed = interchoice_chain.Chains.open(Scale.SMOKE, out=tmp_path / "killed", device=CPU)
    with pytest.raises(KeyboardInterrupt):
        killed.truth()
    resumed = killed.truth()
    # 22 trainings of 2 steps; the tenth was killed before its last step and begins again.
    assert len(taken) == 20 + 44 - 18
    for name in ("accuracy", "training", "loss"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(whole, name))


def test_architectures_are_each_once(tmp_path):
    chains = interchoice_chain.Chains.open(Scale.SMOKE, out=tmp_path, device=CPU)
    archs = chains.archs()
    assert archs.shape == (11, 3)
    assert len(np.unique(archs, axis=0)) == 11
