import pytest
import torch
from study_checks import CPU, check_smoke, row, run_smoke

from trueshot.spaces.counting import count_madds, count_params
from trueshot.studies import rivals, stnas_table3
from trueshot.studies.result import Scale

FRAME = rivals.Frame(image_size=16, classes=10, in_channels=3, head_width=96)


@pytest.mark.parametrize("make", [rivals.mobilenet_v2, rivals.shufflenet_v2, rivals.mnasnet, rivals.fairnas_a])
def test_rivals_meet_the_madds(make):
    rival = make(FRAME, 2_500_000)
    network = rival.make()
    assert count_madds(network, FRAME.shape) == rival.madds == pytest.approx(2_500_000, rel=0.06)
    assert network(torch.randn(2, *FRAME.shape)).shape == (2, 10)


def test_full_size_rivals_are_the_published_networks():
    frame = rivals.Frame(image_size=224, classes=1000, in_channels=3, head_width=1280)
    fairnas = rivals.fairnas_a(frame, 388_122_848)
    with torch.device("meta"):
        assert count_params(fairnas.make()) == pytest.approx(4_651_352, rel=0.02)
    # torchvision's MNASNet 1.0 has 314M MAdds.
    assert count_params(rivals.mnasnet(frame, 314_415_360).make()) == pytest.approx(4_383_312, rel=0.03)


def test_grey_images_get_a_grey_first_layer():
    grey = rivals.Frame(image_size=8, classes=10, in_channels=1, head_width=32)
    assert rivals.shufflenet_v2(grey, 300_000).make()(torch.randn(2, 1, 8, 8)).shape == (2, 10)


def test_smoke_of_both_tables_shares_one_search(tmp_path, monkeypatch):
    table2 = run_smoke("stnas-table2", tmp_path)
    monkeypatch.setattr("trueshot.training.supernet.SupernetTask.step", None)
    table3 = run_smoke("stnas-table3", tmp_path)
    ours = row(table2, "ST-NAS-A (ours: best searched)")
    assert (ours.paper, ours.values) == (76.4, row(table3, "ST-NAS-A (ours: best searched)").values)
    assert row(table3, "ST-NAS-B (ours: best searched)").paper == 77.9
    reference = row(table2, "Proxyless-R")
    assert (reference.paper, reference.values) == (74.6, ())
    madds = ours.figures["madds"]
    assert row(table2, "MobileNetV2, scaled").figures["madds"] == pytest.approx(madds, rel=0.15)
    # Channels in steps of 8 do not go down to such a small network: said instead of compared.
    refused = row(table3, "MNASNet, scaled to ST-NAS-A")
    assert refused.values == ()
    assert "not trained" in refused.note


def test_smoke(tmp_path, monkeypatch):
    check_smoke("stnas-table2", tmp_path, monkeypatch)


def test_estimate_counts_every_network():
    estimate = stnas_table3.estimate(Scale.SMOKE, device=CPU)
    assert [part.what for part in estimate.parts][:3] == ["supernet", "SGLD", "evolution"]
    assert sum("at ST-NAS-B" in part.what for part in estimate.parts) == 3
