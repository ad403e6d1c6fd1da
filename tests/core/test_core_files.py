"""Atomic files: whatever goes wrong, a reader sees the old content or the new one."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from trueshot.core.errors import RunError
from trueshot.core.files import check_folder, is_leftover, read_json, replacing, write_bytes, write_json, write_text


def test_round_trips(tmp_path):
    path = tmp_path / "new" / "folder" / "file.json"
    write_json(path, {"b": [1, 2.5, None], "a": "ü"}, version=3)
    assert read_json(path, version=3) == {"version": 3, "b": [1, 2.5, None], "a": "ü"}
    write_text(path, "ö\n")
    assert path.read_bytes() == "ö\n".encode()
    write_bytes(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert os.listdir(path.parent) == ["file.json"]


def test_an_error_in_the_block_keeps_the_old_file_and_no_leftovers(tmp_path):
    path = tmp_path / "file"
    write_text(path, "old")

    def fail(temporary):
        temporary.write_text("half of the n")
        raise KeyError

    with pytest.raises(KeyError), replacing(path) as temporary:
        fail(temporary)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_disk_full_is_one_line_and_keeps_the_old_file(tmp_path, monkeypatch, code):
    path = tmp_path / "file"
    write_text(path, "old")

    def full(_handle):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"disk full while writing .*file: free some space .*--resume"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_limit_on_the_size_of_files_is_told_with_its_own_remedy(tmp_path, monkeypatch):
    def too_large(_handle):
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))

    monkeypatch.setattr(os, "fsync", too_large)
    with pytest.raises(RunError, match=r"cannot write .*file: File too large; raise the limit .*--resume"):
        write_text(tmp_path / "file", "new")


def test_a_folder_is_tried_without_a_trace(tmp_path):
    check_folder(tmp_path / "new" / "folder")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot write .*file/below: Not a directory: its folder cannot be made"):
        check_folder(tmp_path / "file" / "below")
    if os.path.isdir("/proc/self"):
        with pytest.raises(RunError, match=r"cannot write /proc/self/x: .*"):
            check_folder(Path("/proc/self/x"))


def test_other_failures_name_the_file_and_the_reason(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot write .*file/below.*check the path"):
        write_text(tmp_path / "file" / "below", "x")


ON_A_FULL_DISK = """
import pathlib, sys
from trueshot.core.errors import RunError
from trueshot.training.checkpoints import load_checkpoint, save_checkpoint
import torch
path = pathlib.Path(sys.argv[1]) / "state.ckpt"
save_checkpoint(path, {"step": 1})
try:
    save_checkpoint(path, {"step": 2, "weights": torch.zeros(100_000)})
except RunError as error:
    assert "disk full" in str(error), error
    assert load_checkpoint(path) == {"step": 1}
    assert [entry.name for entry in path.parent.iterdir()] == ["state.ckpt"]
    print("kept")
"""


def test_a_checkpoint_survives_a_disk_that_is_really_full(tmp_path):
    unshare = shutil.which("unshare")
    mount = f"mount -t tmpfs -o size=64k none {tmp_path}"
    if unshare is None or subprocess.run([unshare, "-rm", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("this system does not let an ordinary process mount a small file system")
    script = f'{mount} && exec {sys.executable} -c "$0" {tmp_path}'
    out = subprocess.run([unshare, "-rm", "sh", "-c", script, ON_A_FULL_DISK], capture_output=True, text=True)
    assert out.stdout == "kept\n", out.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[1]", "has version None"),
        (json.dumps({"version": 2}).encode(), "has version 2, this trueshot reads version 1"),
    ],
)
def test_unreadable_json_is_one_line(tmp_path, content, message):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(RunError, match=message):
        read_json(path)


def test_missing_json_is_one_line(tmp_path):
    with pytest.raises(RunError, match=r"cannot read .*nothing\.json: No such file"):
        read_json(tmp_path / "nothing.json")


def test_leftovers_are_what_the_writer_uses(tmp_path):
    with replacing(tmp_path / "config.json") as temporary:
        temporary.write_text("x")
        assert is_leftover(temporary)
    assert not is_leftover(tmp_path / "config.json")
