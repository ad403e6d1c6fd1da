import pytest
import torch
from study_checks import check_smoke, finding, run_smoke, session

from trueshot.cli.names import find_study
from trueshot.spaces.counting import count_madds, count_params
from trueshot.studies import baselines
from trueshot.studies.record import Scale
from trueshot.studies.searches import GREATER, ScaledBaseline, Searches

FRAME = baselines.Frame(image_size=16, classes=10, in_channels=3, head_width=96)


@pytest.mark.parametrize(
    "make", [baselines.mobilenet_v2, baselines.fairnas_a, baselines.shufflenet_v2, baselines.mnasnet]
)
def test_baselines_meet_the_madds(make):
    baseline = make(FRAME, 2_500_000)
    network = baseline.make()
    assert count_madds(network, (3, 16, 16)) == baseline.madds == pytest.approx(2_500_000, rel=0.06)
    assert network(torch.randn(2, 3, 16, 16)).shape == (2, 10)


@pytest.mark.parametrize("make", [baselines.shufflenet_v2, baselines.mnasnet])
def test_baselines_take_images_of_one_channel(make):
    network = make(baselines.Frame(image_size=8, classes=10, in_channels=1, head_width=64), 1_500_000).make()
    assert network(torch.randn(2, 1, 8, 8)).shape == (2, 10)


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
    ours, random = (
        finding(result, "ST-NAS-A (ours: best searched)"),
        finding(result, "random, as expensive as ST-NAS-A"),
    )
    assert (ours["paper"], random["paper"]) == (76.4, None)
    reference = finding(result, "Proxyless-R")
    assert (reference["paper"], reference["values"]) == (74.6, [])
    assert reference["note"] == "published at 320M MAdds; not trained here"
    assert finding(result, "MobileNetV2, scaled")["madds"] == pytest.approx(ours["madds"], rel=0.15)
    (claim,) = result.head["claims"]
    assert claim["values"] == [ours["ours"]["value"] - finding(result, "FairNAS-A, scaled")["ours"]["value"]]


def test_table_3_has_baselines_at_the_cost_of_each_winner(tmp_path):
    result = run_smoke("stnas-table3", tmp_path)
    lesser, greater = (finding(result, f"ST-NAS-{model}")["madds"] for model in "AB")
    assert lesser < greater
    for model, cost in (("A", lesser), ("B", greater)):
        assert finding(result, f"MobileNetV2, scaled to ST-NAS-{model}")["madds"] == pytest.approx(cost, rel=0.15)
    assert finding(result, "ShuffleNetV2, scaled to ST-NAS-B")["madds"] == pytest.approx(greater, rel=0.15)
    found = find_study("stnas-table3").work.gather(session(tmp_path), Scale.SMOKE)
    assert [one.costs["madds"] for one in found.found("winner", GREATER)] == [greater]
    leads = {claim["what"]: claim for claim in result.head["claims"]}
    scaled_baseline = finding(result, "ShuffleNetV2, scaled to ST-NAS-B")["ours"]["value"]
    assert leads["ST-NAS-B less ShuffleNetV2"]["values"] == [
        finding(result, "ST-NAS-B")["ours"]["value"] - scaled_baseline
    ]


def test_a_baseline_of_other_cost_is_said_and_not_trained(tmp_path):
    def wide(frame: baselines.Frame, target: int) -> baselines.Baseline:
        return baselines.Baseline(key="wide", make=torch.nn.Identity, madds=2 * target)

    work = find_study("stnas-table2").work
    found = Searches(scales=work.scales, scaled_baselines={"wide": ScaledBaseline(wide)}).gather(
        session(tmp_path), Scale.SMOKE
    )
    told = found.scaled_baseline("wide", "wide", 70.0)
    assert (told.paper, told.values) == (70.0, ())
    assert told.note.startswith("not trained: its closest width has ")


def test_needs_count_every_network(tmp_path):
    needs = {need.what: need for need in find_study("stnas-table2").work.needs(session(tmp_path), Scale.SMOKE)}
    assert set(needs) == {"training", "scores", "networks"}
    assert all(need.seconds > 0 and not need.done for need in needs.values())
