import bz2
import importlib.util
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from trueshot.core.errors import ConfigError, DataError
from trueshot.evaluation import nats
from trueshot.evaluation.nats import read_nats
from trueshot.evaluation.truth import TruthTable
from trueshot.spaces import NasBench201

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("nats_bench") is None, reason="needs the package nats_bench (an extra)"
)
needs_data = pytest.mark.skipif("TRUESHOT_DATA" not in os.environ, reason="needs files under $TRUESHOT_DATA")


def sample():
    return Path(os.environ["TRUESHOT_DATA"]) / "nats-tss-sample"


def trial(dataset, parts, seed, epochs, better):
    def curve(start):
        return {epoch: start + epoch + better for epoch in range(epochs)}

    def at(values):
        return {f"{part}@{epoch}": value for part in parts for epoch, value in values.items()}

    return {
        "name": dataset, "train_acc1es": curve(50.0), "train_acc5es": None, "train_losses": curve(1.0),
        "train_times": curve(1.0), "arch_config": {}, "params": 1.0, "flop": 1.0, "seed": seed, "epochs": epochs,
        "latency": [], "eval_names": list(parts), "eval_times": at(curve(1.0)), "net_state_dict": None,
        "eval_acc1es": {name: value + seed for name, value in at(curve(60.0)).items()},
        "eval_losses": at(curve(2.0)),
    }  # fmt: skip


DATASETS = {
    "cifar10-valid": ["x-valid", "ori-test"],
    "cifar10": ["ori-test"],
    "cifar100": ["ori-test", "x-valid", "x-test"],
    "ImageNet16-120": ["x-valid", "x-test"],
}


def state(arch, epochs, better=0):
    results = {
        (dataset, seed): trial(dataset, parts, seed, epochs, better)
        for dataset, parts in DATASETS.items()
        for seed in (1, 2)
    }
    seeds = {dataset: [1, 2] for dataset in DATASETS}
    return {
        "arch_index": 0, "arch_str": arch, "all_results": results, "dataset_seed": seeds, "clear_net_done": True
    }  # fmt: skip


def dump(path, content):
    path.write_bytes(bz2.compress(pickle.dumps(content)))


@needs_package
@needs_data
def test_the_real_sample_agrees_with_the_table():
    ours = read_nats(sample())
    table = TruthTable.read(sample().parent / "nasbench201.parquet")
    space = NasBench201()
    indices = space.index(np.array([space.parse(text) for text in ours.architectures]))
    assert indices.tolist() == [0, 11, 284]
    for column in table.columns:
        np.testing.assert_allclose(ours.column(column), table.column(column)[indices], rtol=1e-12)
    assert ours.seeds("cifar10_test_200") == (777, 888, 999)
    assert "cifar10_train_200" in ours.columns


PINS = {
    0: {"cifar10": (129_306, 15.64737), "cifar100": (135_156, 15.65322), "ImageNet16-120": (136_456, 3.91948)},
    11: {"cifar10": (802_426, 113.95137), "cifar100": (808_276, 113.95722), "ImageNet16-120": (809_576, 28.49548)},
    284: {"cifar10": (101_306, 11.71521), "cifar100": (107_156, 11.72106), "ImageNet16-120": (108_456, 2.93644)},
}
"""Parameters and MAdds in millions by the benchmark's index and data set."""


@needs_package
@needs_data
@pytest.mark.parametrize("index", PINS)
def test_the_costs_in_the_real_sample_are_those_of_the_space(index):
    from nats_bench.api_utils import ArchResults

    (_, states), *_ = (entry for entry in nats._states(sample()) if entry[0].name.startswith(f"{index:06d}"))
    for dataset, (params, madds) in PINS[index].items():
        classes, size = {"cifar10": (10, 32), "cifar100": (100, 32), "ImageNet16-120": (120, 16)}[dataset]
        space = NasBench201(classes=classes, image_size=size)
        cost = space.cost(space.at(np.array([index])))
        assert (int(cost.params[0]), round(cost.madds[0] / 1e6, 5)) == (params, madds)
        for state in states.values():
            stored = ArchResults.create_from_state_dict(state).get_compute_costs(dataset)
            assert round(stored["params"] * 1e6) == params
            assert round(stored["flops"], 5) == madds


OFFICIAL = {
    "cifar10_valid": ("cifar10-valid", "valid-accuracy"),
    "cifar10_train": ("cifar10", "train-accuracy"),
    "cifar10_test": ("cifar10", "test-accuracy"),
    "cifar100_train": ("cifar100", "train-accuracy"),
    "cifar100_valid": ("cifar100", "valid-accuracy"),
    "cifar100_test": ("cifar100", "test-accuracy"),
    "imagenet16_train": ("ImageNet16-120", "train-accuracy"),
    "imagenet16_valid": ("ImageNet16-120", "valid-accuracy"),
    "imagenet16_test": ("ImageNet16-120", "test-accuracy"),
}
"""Data set and key under which the official package tells what our columns hold."""


def check_against(api, table, schedules, indices):
    """Compare every column of a table with what the official package says, mean over seeds."""
    seen = set()
    for metric, (dataset, key) in OFFICIAL.items():
        for hp, epochs in schedules.items():
            if (name := f"{metric}_{epochs}") in table.columns:
                said = [api.get_more_info(i, dataset, hp=hp, is_random=False)[key] for i in indices]
                np.testing.assert_allclose(table.column(name), said, rtol=1e-12, err_msg=name)
                seen.add(name)
    assert seen == set(table.columns)


@needs_package
@needs_data
def test_the_official_package_says_the_same_of_the_real_sample():
    from nats_bench import NATStopology

    api = NATStopology(str(sample()), fast_mode=True, verbose=False)
    assert [api.arch(index) for index in PINS] == list(read_nats(sample()).architectures)
    check_against(api, read_nats(sample()), {"12": 12, "200": 200}, PINS)


SIZES = ("8:8:8:8:8", "64:8:40:56:16")


def size_benchmark():
    """What the one file of the size benchmark holds, made up for two architectures."""
    return {
        "meta_archs": list(SIZES),
        "evaluated_indexes": {0, 1},
        "arch2infos": {
            index: {"01": state(arch, 1, index), "12": state(arch, 12, index), "90": state(arch, 90, index)}
            for index, arch in enumerate(SIZES)
        },
    }


@needs_package
@pytest.mark.parametrize("simple", [False, True])
def test_the_official_package_says_the_same_of_the_size_benchmark(tmp_path, simple):
    from nats_bench import NATSsize

    content = size_benchmark()
    path = tmp_path / "NATS-sss-v1_0-50262-simple" if simple else tmp_path / "NATS-sss-v1_0-50262.pickle.pbz2"
    if simple:
        path.mkdir()
        dump(path / "meta.pickle.pbz2", {**content, "arch2infos": None, "evaluated_indexes": set()})
        for index, states in content["arch2infos"].items():
            dump(path / f"{index:06d}.pickle.pbz2", states)
    else:
        dump(path, content)
    api = NATSsize(str(path), fast_mode=simple, verbose=False)
    table = read_nats(path)
    assert table.architectures == SIZES
    assert table.column("cifar10_test_90")[0] != table.column("cifar10_test_90")[1]
    check_against(api, table, {"01": 1, "12": 12, "90": 90}, (0, 1))


@needs_package
def test_one_file_of_the_size_benchmark(tmp_path):
    content = {
        "meta_archs": ["8:8:8:8:8", "8:8:8:8:16"],
        "evaluated_indexes": {0, 1},
        "arch2infos": {
            index: {"01": state(arch, 1), "12": state(arch, 12)}
            for index, arch in enumerate(["8:8:8:8:8", "8:8:8:8:16"])
        },
    }
    dump(tmp_path / "NATS-sss-v1_0.pickle.pbz2", content)
    table = read_nats(tmp_path / "NATS-sss-v1_0.pickle.pbz2")
    assert table.architectures == ("8:8:8:8:8", "8:8:8:8:16")
    assert table.column("cifar10_test_12").tolist() == [72.5, 72.5]
    assert table.column("cifar10_test_12", seed=2).tolist() == [73.0, 73.0]
    assert table.column("cifar100_valid_1").tolist() == [61.5, 61.5]
    assert table.column("cifar10_train_12").tolist() == [61.0, 61.0]
    assert not any("ori" in column for column in table.columns)


@needs_package
@pytest.mark.parametrize("keep", [0, 10, 20_000])
@needs_data
def test_truncated_files(tmp_path, keep):
    file = shutil.copy(sample() / "000011.pickle.pbz2", tmp_path)
    Path(file).chmod(0o644)
    Path(file).write_bytes(Path(file).read_bytes()[:keep])
    with pytest.raises(DataError, match=r"cannot read .*000011.*truncated"):
        read_nats(tmp_path)


class Bomb:
    def __reduce__(self):
        return os.system, ("touch exploded",)


@needs_package
def test_foreign_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for content, message in (
        (Bomb(), "it names posix.system"),
        ([1, 2], "no file of NATS-Bench"),
        ({"12": {"all_results": {("cifar10", 1): {"epochs": 3}}}}, "no result of NATS-Bench"),
        ({"12": {"arch_str": "a"}}, "no result of NATS-Bench"),
    ):
        dump(tmp_path / "000000.pickle.pbz2", content)
        with pytest.raises(DataError, match=message):
            read_nats(tmp_path)
    assert not (tmp_path / "exploded").exists()
    dump(tmp_path / "whole.pickle.pbz2", {"arch2infos": None})
    for path in ("whole.pickle.pbz2", "absent.pickle.pbz2"):
        with pytest.raises(DataError, match="NATS-Bench"):
            read_nats(tmp_path / path)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="holds no result"):
        read_nats(empty)


def test_without_the_package_the_way_to_get_it_is_told(tmp_path, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(nats.importlib, "import_module", missing)
    with pytest.raises(ConfigError, match="pip install nats_bench"):
        read_nats(tmp_path)
