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


def trial(dataset, parts, seed, epochs):
    def curve(start):
        return {epoch: start + epoch for epoch in range(epochs)}

    return {
        "name": dataset, "train_acc1es": curve(50.0), "train_acc5es": None, "train_losses": curve(1.0),
        "train_times": None, "arch_config": {}, "params": 1.0, "flop": 1.0, "seed": seed, "epochs": epochs,
        "latency": [], "eval_names": list(parts), "eval_times": {}, "net_state_dict": None,
        "eval_acc1es": {f"{p}@{e}": v + seed for p in parts for e, v in curve(60.0).items()},
        "eval_losses": {f"{p}@{e}": v for p in parts for e, v in curve(2.0).items()},
    }  # fmt: skip


def state(arch, epochs):
    results = {
        (dataset, seed): trial(dataset, parts, seed, epochs)
        for dataset, parts in (("cifar10", ["ori-test"]), ("cifar100", ["ori-test", "x-valid", "x-test"]))
        for seed in (1, 2)
    }
    seeds = {"cifar10": [1, 2], "cifar100": [1, 2]}
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
