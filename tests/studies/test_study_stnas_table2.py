import pytest
import torch
from study_checks import CPU, check_smoke, row

from trueshot.spaces.counting import count_madds, count_params
from trueshot.studies import baselines, stnas_table2
from trueshot.studies.result import Scale
from trueshot.studies.stnas_winners import Winners

FRAME = baselines.Frame(image_size=16, classes=10, in_channels=3, head_width=96)


@pytest.mark.parametrize("make", [baselines.mobilenet_v2, baselines.fairnas_a])
def test_baselines_meet_the_madds(make):
    baseline = make(FRAME, 2_500_000)
    network = baseline.make()
    assert count_madds(network, (3, 16, 16)) == baseline.madds == pytest.approx(2_500_000, rel=0.06)
    assert network(torch.randn(2, 3, 16, 16)).shape == (2, 10)


def test_small_images_take_the_earliest_strides_away():
    network = baselines.fairnas_a(FRAME, 2_500_000).make()
    strides = [module.stride[0] for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    assert strides[0] == 1
    assert strides.count(2) == 2


def test_fairnas_a_at_full_size_is_the_published_network():
    frame = baselines.Frame(image_size=224, classes=1000, in_channels=3, head_width=1280)
    baseline = baselines.fairnas_a(frame, 388_122_848)
    with torch.device("meta"):
        assert count_params(baseline.make()) == pytest.approx(4_651_352, rel=0.02)


def test_smoke(tmp_path, monkeypatch):
    result = check_smoke("stnas-table2", tmp_path, monkeypatch)
    ours, random = row(result, "ST-NAS-A (ours: best searched)"), row(result, "random, as dear as ST-NAS-A")
    assert (ours.paper, random.paper) == (76.4, None)
    reference = row(result, "Proxyless-R")
    assert (reference.paper, reference.values) == (74.6, ())
    assert reference.note == "published at 320M MAdds; not trained here"
    madds = ours.figures["madds"]
    assert madds <= min(result.details["networks"][0]["budget"], result.details["networks"][-1]["budget"])
    assert row(result, "MobileNetV2, scaled").figures["madds"] == pytest.approx(madds, rel=0.15)
    compared = ["random, as dear as ST-NAS-A", "FairNAS-A, scaled", "MobileNetV2, scaled"]
    told = [f"{ours.ours - row(result, what).ours:+.2f} on {what} (interval unknown)" for what in compared]
    assert result.notes[0] == "ST-NAS-A, ours, in points of top-1: " + "; ".join(told) + "."


def test_a_baseline_of_other_cost_is_said_and_not_trained(tmp_path, monkeypatch):
    winners = Winners.open(Scale.SMOKE, out=tmp_path, device=CPU)
    monkeypatch.setattr("trueshot.training.standalone.NetworkTask.step", None)

    def wide(frame: baselines.Frame, target: int) -> baselines.Baseline:
        return baselines.Baseline(key="wide", make=torch.nn.Identity, madds=2 * target)

    told = winners.baseline("wide", wide, 70.0)
    assert (told.paper, told.values) == (70.0, ())
    assert told.note.startswith("not trained: its closest width has ")


def test_estimate_counts_every_network():
    estimate = stnas_table2.estimate(Scale.SMOKE, device=CPU)
    assert [part.what for part in estimate.parts] == [
        "supernet",
        "SGLD",
        "evolution",
        "ST-NAS-A and random",
        "ST-NAS-B and random",
        "fairnas_a at ST-NAS-A",
        "mobilenet_v2 at ST-NAS-A",
    ]
    # 320 training images, one epoch each of the supernet and of one sample; 12 evaluations on 80 + 64 images.
    assert [part.units for part in estimate.parts] == [320, 320, 12 * 144, 800, 800, 400, 400]
    assert all(part.seconds > 0 for part in estimate.parts)
