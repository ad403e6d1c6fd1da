"""Checkpoints: what comes back, and what is refused."""

import errno
import os
import pickle

import pytest
import torch

from trueshot.core.errors import CheckpointError, RunError
from trueshot.training.checkpoints import load_checkpoint, save_checkpoint


def test_round_trip_is_exact(tmp_path):
    path = tmp_path / "checkpoints" / "supernet.ckpt"
    content = {
        "step": 7,
        "weights": {"a": torch.randn(3, 4), "h": torch.randn(2).half()},
        "scores": [0.1, None],
        "x": "",
    }
    save_checkpoint(path, content)
    loaded = load_checkpoint(path)
    assert loaded.keys() == content.keys()
    assert all(torch.equal(loaded["weights"][name], value) for name, value in content["weights"].items())
    assert (loaded["step"], loaded["scores"], loaded["x"]) == (7, [0.1, None], "")


def test_every_flipped_byte_is_found(tmp_path):
    path = tmp_path / "a.ckpt"
    save_checkpoint(path, {"step": 1})
    raw = bytearray(path.read_bytes())
    for position in range(0, len(raw), 37):
        raw[position] ^= 1
        path.write_bytes(raw)
        raw[position] ^= 1
        with pytest.raises(CheckpointError, match=r"a\.ckpt is (corrupt|no trueshot checkpoint)"):
            load_checkpoint(path)
    for cut in (0, 10, 40, len(raw) - 1):
        path.write_bytes(raw[:cut])
        with pytest.raises(CheckpointError, match=r"a\.ckpt is (corrupt|no trueshot checkpoint)"):
            load_checkpoint(path)


def test_a_foreign_file_is_said_and_its_code_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    path = tmp_path / "foreign.ckpt"
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(CheckpointError, match="is no trueshot checkpoint: give a file that trueshot wrote"):
        load_checkpoint(path)
    torch.save({"step": 1}, path)
    with pytest.raises(CheckpointError, match="is no trueshot checkpoint"):
        load_checkpoint(path)
    save_checkpoint(path, {"evil": Evil()})
    # A file with a right checksum is still no reason to run what is in it.
    with pytest.raises((CheckpointError, pickle.UnpicklingError)):
        load_checkpoint(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["absent.ckpt", ""])
def test_what_is_no_file_is_said(tmp_path, name):
    with pytest.raises(CheckpointError, match="cannot read checkpoint"):
        load_checkpoint(tmp_path / name)


def test_disk_full_keeps_the_former_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "a.ckpt"
    save_checkpoint(path, {"step": 1})

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(RunError, match="disk full while writing"):
        save_checkpoint(path, {"step": 2})
    assert load_checkpoint(path) == {"step": 1}
    assert os.listdir(tmp_path) == ["a.ckpt"]
