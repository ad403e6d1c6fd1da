"""``search --teacher``: files that are none, and a run that is gone on with where its file has moved or changed."""

import pytest
import timm
import torch
from cli_runs import DIGITS, TINY, TINY_SETS, TINY_SPACE, invoke, refused, sets

from trueshot.core.run import RunDirectory
from trueshot.strategies.search import Search

SMALL = "mobilenetv3_small_050"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Two files of weights of a small network of timm."""
    files = [tmp_path_factory.mktemp("weights") / f"{SMALL}-{number}.pth" for number in range(2)]
    for number, file in enumerate(files):
        with torch.random.fork_rng():
            torch.manual_seed(number)
            torch.save(timm.create_model(SMALL).state_dict(), file)
    return files


def taught(teacher, out, *more):
    size = sets("data.max_images=100", "teacher.image_size=24")
    return [*DIGITS, "--max-madds", "100k", "--out", out, *TINY_SETS, *size, "--teacher", teacher, *more]


def test_files_that_are_no_teacher_are_said(weights, tmp_path):
    out, unnamed, none = tmp_path / "run", tmp_path / "weights.pth", tmp_path / f"{SMALL}.pth"
    unnamed.write_bytes(weights[0].read_bytes())
    none.write_bytes(b"no weights")
    for teacher, message in (
        (unnamed, f"--teacher {unnamed} does not say of which network it is: write MODEL="),
        (none, f"{none} holds no weights that can be read without running code: give others"),
        (f"resnet18={weights[0]}", "holds other weights than those of timm's resnet18"),
    ):
        assert message in refused(*taught(teacher, out))
    told = refused(*taught(weights[0], out, *sets("teacher.image_size=null")))
    assert told.startswith(
        "images of 8 pixels say little to a network that was trained on photographs: leave --teacher"
    )
    assert not out.exists()


OWN = """
class Own:
    cost = "madds"
    MORE

    def __init__(self, config, context):
        pass

    def run(self):
        raise KeyboardInterrupt
"""


def test_a_strategy_of_a_user_must_say_that_it_learns(weights, tmp_path):
    values = [value for value in TINY if not value.startswith(("supernet", "weight", "evaluation", "proposer"))]
    command = [*DIGITS, "--out", tmp_path / "run", *sets(TINY_SPACE, *values, "data.max_images=100")]
    command += ["--teacher", weights[0], *sets("teacher.image_size=24")]
    for name, more in (("one", "pass"), ("two", "learns_from_teacher = True")):
        (tmp_path / f"{name}.py").write_text(OWN.replace("MORE", more))
    told = refused(*command, "--strategy", f"{tmp_path / 'one.py'}:Own")
    assert "does not say that what it trains learns from a teacher: leave --teacher out, or set" in told
    code, _, stderr = invoke(*command, "--strategy", f"{tmp_path / 'two.py'}:Own")
    assert code == 130, stderr
    assert "teacher: 80 images" in stderr


def test_a_run_goes_on_with_the_same_weights_wherever_they_lie(weights, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Search, "run", stop)
    out, moved = tmp_path / "run", tmp_path / "elsewhere" / weights[0].name
    code, _, stderr = invoke(*taught(weights[0], out))
    assert code == 130, stderr
    assert f"teacher of all networks that are trained: timm's {SMALL}, weights: {weights[0]}" in stderr
    head = out / "checkpoints" / "teacher.ckpt"
    fitted = head.stat().st_mtime_ns
    stored = RunDirectory(out).config["teacher"]
    assert (stored["model"], len(stored["digest"])) == (SMALL, 64)
    # The directory says the rest, from any folder.
    monkeypatch.chdir(tmp_path)
    code, _, stderr = invoke("search", "--resume", "--out", out)
    assert code == 130, stderr
    moved.parent.mkdir()
    moved.write_bytes(weights[0].read_bytes())
    code, _, stderr = invoke(*taught(f"{SMALL}=elsewhere/{moved.name}", out), "--resume")
    assert code == 130, stderr
    assert f"going on with {out}" in stderr
    assert head.stat().st_mtime_ns == fitted
    told = refused(*taught(weights[1], out), "--resume")
    assert f"another configuration (teacher.digest: '{stored['digest']}' there, " in told
    told = refused(*taught("none", out), "--resume")
    assert "another configuration (teacher: {" in told
    told = refused(*taught(weights[0], out, *sets("teacher.weight=0.3")), "--resume")
    assert "teacher.weight: 0.5 there, 0.3 now" in told
