"""Networks that are trained by themselves."""

import numpy as np
import pytest
import torch
from study_checks import refuse, run_smoke, session

from trueshot.cli.names import find_study
from trueshot.core.errors import ConfigError
from trueshot.core.random import Streams
from trueshot.spaces.counting import count_madds
from trueshot.studies.record import Scale
from trueshot.studies.skip_resnet import SkipResNet, at_madds, random_skips
from trueshot.studies.stnas_table1 import designs
from trueshot.training.standalone import NetworkTask


def test_topologies_count_once_whatever_their_trainings(tmp_path, monkeypatch):
    study, here = find_study("stnas-table1"), session(tmp_path)
    trained = study.work.gather(here, Scale.SMOKE)
    assert list(trained.records) == ["Res-18", "Rand0", "Rand1", "Rand2"]
    assert trained.values().shape == (1, 4)
    outcome = study.analyse(trained)
    base, *others = trained.values()[0]
    assert outcome.claims["random less ResNet-18"] == pytest.approx([one - base for one in others])
    table = trained.table()
    assert list(table["network"]) == list(trained.records)
    assert table["seconds"].sum() == pytest.approx(trained.seconds)
    needs = study.work.needs(here, Scale.SMOKE)
    assert len(needs) == 4
    assert all(need.seconds > 0 for need in needs)
    monkeypatch.setattr(NetworkTask, "step", refuse)
    head = run_smoke(study, tmp_path).head
    (claim,) = head["claims"]
    assert (claim["ours"]["n"], claim["ours"]["over"], claim["power"]["n"]) == (3, "topologies", 3)


def test_topologies_have_the_madds_of_resnet_18():
    drawn = designs({"width": 8.0, "image_size": 16, "classes": 10, "in_channels": 3}, 2, Streams(0))
    with torch.device("meta"):
        base, *others = (count_madds(design.make(), (3, 16, 16)) for design in drawn.values())
    assert others == pytest.approx([base] * 2, rel=0.05)
    assert len({design.key for design in drawn.values()}) == 3


def test_a_resnet_without_skips_is_that_of_torchvision():
    # 11,689,512 weights and 1,814,073,344 MAdds at 224 pixels.
    plan = SkipResNet()
    with torch.device("meta"):
        network = plan.network()
    assert sum(weight.numel() for weight in network.parameters()) == 11_689_512
    assert plan.madds == 1_814_073_344


def test_skips_join_maps_that_no_block_joins():
    skips = random_skips(4, np.random.default_rng(0))
    assert len(set(skips)) == 4
    assert all(0 <= source <= end - 2 <= 6 for source, end in skips)
    small = SkipResNet(width=4.0, image_size=8, classes=10, in_channels=1, small=True, skips=skips)
    assert small.network()(torch.randn(2, 1, 8, 8)).shape == (2, 10)
    assert at_madds(small, 2 * small.madds).madds == pytest.approx(2 * small.madds, rel=0.1)
    with pytest.raises(ConfigError, match="cannot be built"):
        SkipResNet(skips=((0, 1),))
