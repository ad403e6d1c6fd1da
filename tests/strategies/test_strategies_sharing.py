"""Ways of sharing and samplers as a configuration names them."""

import numpy as np
import pytest
import torch

from trueshot.core.errors import CheckpointError, ConfigError
from trueshot.sampling import Deisomorphic, LazyDeisomorphic, LiveConvolution, Matched, StrictlyFair, Uniform
from trueshot.sharing import Attention, Bias, SharedBias, Split, Supernet, single_path, split
from trueshot.spaces import Chain, NasBench201, Topology
from trueshot.strategies.config import BudgetConfig, SamplerConfig, SearchConfig, SharingConfig
from trueshot.strategies.forecast import Rates, scale_to
from trueshot.strategies.presets import read_preset
from trueshot.strategies.sharing import load_weights, make_sharing, step_options
from trueshot.strategies.weights import describe_sampler, make_sampler
from trueshot.training.sgld import save_snapshot

CELLS = NasBench201()
MINIMAL = {"retraining": {"recipe": {"epochs": 1}}}


def _config(**supernet):
    return SearchConfig.make({**MINIMAL, "supernet": {"recipe": {"epochs": 100}, **supernet}})


@pytest.mark.parametrize(
    ("values", "sharing"),
    [
        ({}, single_path),
        ({"kind": "bias", "depth": 3}, Bias(depth=3)),
        ({"kind": "shared-bias", "priors": ((), (0,))}, SharedBias(priors=((), (0,)))),
        ({"kind": "attention", "layers": 2, "own": False}, Attention(layers=2, own=False)),
        ({"kind": "split", "epoch": 5, "lazy": True}, Split(lazy=True)),
    ],
)
def test_every_kind_of_sharing(values, sharing):
    assert make_sharing(SharingConfig(**values)) == sharing


def test_the_split_comes_after_so_many_epochs():
    config = _config(sharing={"kind": "split", "epoch": 50}, sampler={"averaging": "containing"}).supernet
    assert step_options(config, 7).split_at == 350
    assert step_options(config, 7).averaging == "containing"
    assert step_options(_config().supernet, 7).split_at is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "split", "epoch": 100}, "sharing.epoch 100 splits the weights after the end of 100 epochs"),
        ({"kind": "split"}, "need an epoch"),
        ({"kind": "bias", "epoch": 3}, "only they have one"),
        ({"kind": "bias", "depth": 0}, "supernet.sharing.depth"),
        ({"kind": "mixture"}, "supernet.sharing.kind"),
    ],
)
def test_bad_sharing_is_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        _config(sharing=values)


def test_a_shorter_schedule_splits_earlier():
    config = _config(sharing={"kind": "split", "epoch": 50})
    rates = Rates(
        supernet_step=1.0, score=0.0, network_steps=(0.0,), supernet_steps_per_epoch=1, network_steps_per_epoch=1
    )
    for seconds in (2.0, 60.0, 150.0):
        scaled = scale_to(config, rates, seconds).supernet
        assert scaled.sharing.epoch < scaled.recipe.epochs
        assert scaled.sharing.epoch == pytest.approx(scaled.recipe.epochs / 2, abs=1)
    assert scale_to(_config(), rates, 60.0).supernet.sharing.epoch is None


def test_every_kind_of_sampler():
    budget = BudgetConfig()

    def made(space=CELLS, **values):
        return make_sampler(space, SamplerConfig(**values), budget)

    assert made(kind="uniform", per_step=3) == Uniform(CELLS, 3)
    assert made(kind="fair") == StrictlyFair(CELLS)
    assert made(kind="fair", require_live_conv=True) == LiveConvolution(CELLS, StrictlyFair(CELLS))
    table = made(kind="deisomorphic", rule="nb201", member="random", require_live_conv=True, per_step=2)
    assert table == Deisomorphic(CELLS, "nb201", "random", True, 2)
    assert describe_sampler(table) == "de-isomorphic over 6321 classes"
    lazy = made(kind="lazy-deisomorphic", rule="nb201", require_live_conv=True, per_step=4)
    assert isinstance(lazy, LazyDeisomorphic)
    assert (lazy.per_step, lazy.sampler.per_step, lazy.rule) == (4, 1, "nb201")
    assert describe_sampler(lazy) == "de-isomorphic by rejection from uniform, with a live convolution"
    matched = made(Topology(), kind="auto", per_step=2)
    assert isinstance(matched, Matched)
    assert matched.per_step == 2


def test_the_presets_of_the_paper_are_usable():
    cells, images = (
        SearchConfig.make(_without_spaces(f"interchoice-{name}")) for name in ("nasbench201", "subimagenet")
    )
    assert (cells.supernet.recipe.epochs, images.supernet.recipe.epochs) == (250, 600)
    assert (cells.supernet.recipe.lr, images.supernet.recipe.lr) == (0.025, 0.05)
    assert images.retraining.recipe.epochs == 240
    # Of 50,000 images 5,000 are withheld; networks that are trained on their own have dropout, supernets have not.
    assert cells.data.validation_fraction == 0.1
    assert (images.supernet.recipe.dropout, images.retraining.recipe.dropout) == (0.0, 0.2)
    with torch.device("meta"):
        space = NasBench201(**read_preset("interchoice-nasbench201")["spaces"]["nasbench201"])
        assert sum(p.numel() for p in Supernet(space, single_path).parameters()) == 782_938


def _without_spaces(name):
    return {key: value for key, value in read_preset(name).items() if key != "spaces"}


def test_borrowed_weights_split_the_supernet(tmp_path):
    space = Chain(image_size=8, classes=2, layers=((4, 1), (4, 1)), stem_width=4, fixed_width=4, head_width=4)
    source = Supernet(space, Split())
    split(source)
    save_snapshot(tmp_path / "snapshot", source.state_dict())
    supernet = Supernet(space, Split())
    load_weights(supernet, tmp_path / "snapshot")
    assert supernet.state_dict().keys() == source.state_dict().keys()
    arch = np.array([2, 3], dtype=np.uint8)
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(supernet.eval()(x, arch), source.eval()(x, arch))
    with pytest.raises(CheckpointError, match="give the same supernet"):
        load_weights(Supernet(space, single_path), tmp_path / "snapshot")
