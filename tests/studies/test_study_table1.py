import numpy as np
import pytest
import torch
from study_checks import CPU, check_smoke, row

from trueshot.core.errors import ConfigError
from trueshot.spaces.counting import count_params
from trueshot.studies import stnas_table1
from trueshot.studies.result import Scale
from trueshot.studies.skip_resnet import SkipResNet, at_madds, random_skips


def test_without_skips_it_is_resnet18():
    from torchvision.models import resnet18

    plan = SkipResNet()
    with torch.device("meta"):
        ours, theirs = plan.network(), resnet18()
    assert count_params(ours) == count_params(theirs) == 11_689_512
    assert plan.madds == 1_814_073_344


def test_same_function_as_resnet18():
    from torchvision.models import resnet18

    torch.manual_seed(0)
    ours, theirs = SkipResNet(classes=10).network().eval(), resnet18(num_classes=10).eval()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    images = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(ours(images), theirs(images))


@pytest.mark.parametrize("seed", range(3))
def test_skips_are_scaled_to_equal_madds(seed):
    base = SkipResNet()
    skips = random_skips(4, np.random.default_rng(seed))
    assert len(set(skips)) == 4
    assert all(j - i >= 2 for i, j in skips)
    plan = at_madds(SkipResNet(skips=skips), base.madds)
    assert plan.width < base.width
    assert plan.madds == pytest.approx(base.madds, rel=0.01)


def test_a_skip_adds_its_block_to_the_map():
    plan = SkipResNet(skips=((0, 8),), width=4, image_size=16, classes=3, small=True)
    torch.manual_seed(0)
    network = plan.network().eval()
    images = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        before = network(images)
        added = network.skips[0](network.stem(images))
        for block in network.skips:
            for parameter in block.parameters():
                parameter.zero_()
        after = network(images)
        pooled = added.mean(dim=(2, 3))
        torch.testing.assert_close(before - after, pooled @ network.head[2].weight.T)


@pytest.mark.parametrize("skips", [((0, 1),), ((0, 9),), ((0, 2), (0, 2))])
def test_impossible_skips_are_refused(skips):
    with pytest.raises(ConfigError, match="cannot be built"):
        SkipResNet(skips=skips)


def test_smoke(tmp_path, monkeypatch):
    result = check_smoke("stnas-table1", tmp_path, monkeypatch)
    base = row(result, "Res-18")
    assert base.paper == 70.2
    for name in ("Rand0", "Rand1", "Rand2"):
        assert row(result, name).figures["madds"] == pytest.approx(base.figures["madds"], rel=0.1)
    less = row(result, "mean Rand less Res-18")
    assert less.paper == pytest.approx(0.83)
    assert less.ours == pytest.approx(np.mean([row(result, f"Rand{i}").ours for i in range(3)]) - base.ours)


def test_estimate_grows_with_the_scale():
    small, large = (stnas_table1.estimate(scale, device=CPU) for scale in (Scale.SMOKE, Scale.CPU))
    assert 0 < small.seconds < large.seconds
    assert large.seconds == pytest.approx(sum(part.units * part.seconds for part in large.parts))
    assert "training Rand2" in str(large)
