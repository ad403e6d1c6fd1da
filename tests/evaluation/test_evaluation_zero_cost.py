"""Zero-cost proxies as evaluators: pure, once for a class of twins, the last place where a score is not finite."""

import numpy as np
import pytest
import torch
from torch import nn

from trueshot.core.cache import EvaluationCache
from trueshot.core.errors import ConfigError, DataError
from trueshot.core.random import Streams
from trueshot.evaluation import Evaluator, ProxyImages, ProxyTable, ZeroCost
from trueshot.evaluation.proxies.initial import Workshop
from trueshot.evaluation.proxies.names import PROXIES
from trueshot.evaluation.zero_cost import LAST
from trueshot.spaces import Chain, NasBench201, Topology

SPACE = NasBench201(image_size=8, channels=4, cells=1)
BATCH = torch.randn(40, 3, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 10
IMAGES = ProxyImages(images=BATCH, count=16, swap=8)
DEAD, IDENTITY, CONVOLUTIONS = [0] * 6, [1] * 6, [3] * 6


def table(names=PROXIES, seed=0, space=SPACE, images=IMAGES, cache=None):
    return ProxyTable(space, names, images, Streams(seed), cache)


def test_scores_are_pure_in_row_and_seed():
    archs = SPACE.sample(3, 0)
    torch.manual_seed(1)
    together, alone, other = table(), table(), table(seed=1)
    for name in PROXIES:
        evaluator = ZeroCost(together, name)
        assert isinstance(evaluator, Evaluator)
        scores = evaluator(archs)
        assert np.isfinite(scores).all()
        np.testing.assert_array_equal(ZeroCost(alone, name)(archs[::-1]), scores[::-1])
        np.testing.assert_array_equal(ZeroCost(table([name]), name)(archs[2:]), scores[2:])
        assert ZeroCost(other, name).digest != evaluator.digest
        assert (ZeroCost(other, name)(archs) != scores).any() or name == "swap"
        assert evaluator(archs[:0]).shape == (0,)
    assert torch.rand(()) == torch.rand((), generator=torch.Generator().manual_seed(1))


def test_twins_are_one_network_and_passes_are_made_once(monkeypatch):
    cache = EvaluationCache(None)
    made = table(["swap", "naswot", "az-expressivity"], cache=cache)
    computed = []
    plain = made.computed
    monkeypatch.setattr(made, "computed", lambda row, names: computed.append((row, set(names))) or plain(row, names))
    # A chain of three edges of which one is the 1x1 convolution, wherever it stands.
    twins = np.array([[2, 0, 1, 0, 0, 1], [1, 0, 2, 0, 0, 1], [1, 0, 1, 0, 0, 2]], dtype=np.uint8)
    assert len(set(made.column("swap", twins))) == 1
    made.column("naswot", twins)
    again = ProxyTable(SPACE, ["az-expressivity"], IMAGES, Streams(0), cache)
    monkeypatch.setattr(again, "computed", None)
    again.column("az-expressivity", twins)
    assert computed == [(tuple(SPACE.canonical(twins)[0]), {"swap", "naswot", "az-expressivity"})]


def test_a_network_that_leads_nowhere_comes_last_and_never_breaks():
    made = table()
    archs = np.array([DEAD, CONVOLUTIONS], dtype=np.uint8)
    for name in PROXIES:
        dead, alive = made.column(name, archs)
        assert np.isfinite([dead, alive]).all()
        assert dead < alive or name == "zen"
    last = {name for name in PROXIES if made.column(name, archs)[0] == LAST}
    assert last >= {"az-expressivity", "az-progressivity", "naswot", "jacob_cov"}
    assert made.column("synflow", archs)[0] == 0.0


def test_only_trainability_sees_that_all_blocks_pass_everything():
    # One live path, all skip.
    row = np.array([[1, 0, 1, 0, 0, 1]], dtype=np.uint8)
    made = table()
    assert made.column("az-trainability", row)[0] == LAST
    assert made.column("az-expressivity", row)[0] > 0


@pytest.mark.parametrize(
    "space",
    [
        Chain(
            image_size=8, classes=10, layers=((6, 1), (8, 2)), stem_width=6, fixed_width=6, head_width=8, dropout=0.2
        ),
        Topology(nodes=(1, 2), widths=(4, 6), kernels=(3,), stem_stride=1, head_width=8, image_size=8, classes=10),
    ],
)
def test_proxies_work_on_other_spaces(space):
    archs = space.sample(3, 0)
    made = table(space=space)
    for name in PROXIES:
        assert len(set(made.column(name, archs).tolist())) == 3, name


def test_images_of_an_architecture_are_cropped_and_mirrored():
    generator = torch.Generator().manual_seed(3)
    images, labels = IMAGES.drawn(generator)
    assert images.shape == (16, 3, 8, 8)
    assert labels.shape == (16,)
    padded = torch.nn.functional.pad(BATCH[0], (1, 1, 1, 1))
    places = [(y, x) for y in range(3) for x in range(3)]
    mirrored = 0
    for image, label in zip(images, labels, strict=True):
        views = [
            (source, flip, padded[source, :, y : y + 8, x : x + 8])
            for source in range(40)
            for y, x in places
            for flip in (0, 1)
        ]
        match = [(s, flip) for s, flip, view in views if torch.equal(view.flip(2) if flip else view, image)]
        assert match
        assert BATCH[1][match[0][0]] == label
        mirrored += match[0][1]
    assert 0 < mirrored < 16


def test_digests_tell_proxies_and_images_apart():
    digests = set(table().digests.values())
    digests.add(table(["snip"], images=ProxyImages(images=(BATCH[0][:4], BATCH[1][:4]))).digests["snip"])
    digests.add(table(["snip"], space=NasBench201(image_size=8, channels=4, cells=2)).digests["snip"])
    assert len(digests) == len(PROXIES) + 2


def test_bad_input_is_refused():
    with pytest.raises(ConfigError, match="'magic' is no zero-cost proxy: choose one of az-expressivity"):
        table(["magic"])
    with pytest.raises(DataError, match="two images or more, not 1"):
        ProxyImages(images=(BATCH[0][:1], BATCH[1][:1]))


def test_a_space_without_rectifiers_is_refused_by_name():
    from trueshot.spaces import Space
    from trueshot.spaces.site import Site

    class Smooth(Space):
        name = "smooth"

        def assemble(self, place):
            site = Site(decision="a", candidates={"x": lambda: nn.Sequential(nn.SiLU())}, in_channels=3, out_channels=3)
            return nn.Sequential(place(site), nn.Flatten(), nn.Linear(192, 10))

    smooth = table(["swap"], space=Smooth(image_size=8, classes=10))
    with pytest.raises(ConfigError, match="swap counts rectifiers, and networks of smooth have none"):
        smooth.column("swap", np.zeros((1, 1), dtype=np.uint8))


def test_networks_that_break_channels_last_stay_contiguous():
    from trueshot.spaces import Space
    from trueshot.spaces.site import Site
    from trueshot.spaces.skeletons import Chain as Blocks

    class Strided(Space):
        name = "strided"

        def assemble(self, place):
            candidates = {
                "a": lambda: nn.Sequential(nn.ReLU(), nn.Conv2d(4, 4, 1, stride=2)),
                "b": lambda: nn.Sequential(nn.ReLU(), nn.Conv2d(4, 4, 3, stride=2, padding=1)),
            }
            site = Site(decision="a", candidates=candidates, in_channels=4, out_channels=4, stride=2)
            head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
            return Blocks(nn.Conv2d(3, 4, 3, padding=1), {"a": place(site)}, head)

    space = Strided(image_size=8, classes=10)
    formats = {}
    for row in ((0,), (1,)):
        fresh = Workshop(space, torch.device("cpu")).network(row, Streams(0))
        formats[row] = fresh.format
        assert fresh.draw("he").stem.weight.is_contiguous(memory_format=fresh.format)
    assert formats == {(0,): torch.contiguous_format, (1,): torch.channels_last}
    made = table(space=space)
    for name in PROXIES:
        assert len(set(made.column(name, np.array([[0], [1]], dtype=np.uint8)).tolist())) == 2, name
