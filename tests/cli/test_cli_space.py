"""``trueshot space`` and ``trueshot sample``, run as a user runs them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from trueshot.cli.main import run
from trueshot.cli.names import TABLE

FAIRNAS_A = "E3K7-E3K3-E3K7-E6K3-E6K7-E3K3-E3K3-E6K7-E6K7-E3K5-E6K3-E3K5-E3K5-E6K3-E6K3-E6K7-E6K3-E6K7-E6K5"


def trueshot(*arguments: str, cwd=None) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "trueshot", *arguments], capture_output=True, text=True, cwd=cwd)


def parsed(out: str) -> dict:
    (line,) = out.splitlines()
    result = json.loads(line)
    assert result["schema"] == 1
    return result


@pytest.fixture
def show(capsys):
    """Run a command in this process and return its JSON."""

    def call(*arguments: str) -> dict:
        assert run([*arguments, "--json"]) == 0
        return parsed(capsys.readouterr().out)

    return call


def test_chain_is_fairnas():
    out = trueshot("space", "show", "chain", "--arch", FAIRNAS_A, "--json")
    assert (out.returncode, out.stderr) == (0, "")
    result = parsed(out.stdout)
    assert (result["space"], result["decisions"], result["architectures"]) == ("chain", 19, 6**19)
    assert (result["params"], result["madds"]) == (4_651_352, 388_122_848)
    assert result["options"][18] == {"name": "18", "options": ["E3K3", "E3K5", "E3K7", "E6K3", "E6K5", "E6K7"]}
    assert not {"topologies", "supernet_params", "parts"} & result.keys()


def test_supernet_of_100_classes_is_table_4(show):
    result = show("space", "show", "chain", "--classes", "100", "--supernet")
    parts = {part["name"]: part["params"] for part in result["parts"]}
    assert list(parts) == ["stem", *map(str, range(19)), "head"]
    assert (parts["stem"], parts["0"], parts["6"], parts["18"], parts["head"]) == (
        1_824, 34_800, 164_760, 2_822_208, 540_260,
    )  # fmt: skip
    assert result["supernet_params"] == sum(parts.values()) == 14_839_700
    assert not {"params", "madds", "arch"} & result.keys()


def test_a_space_beyond_products_says_what_it_can(show, capsys):
    name = f"{Path(__file__).parents[1] / 'spaces' / 'loose_ends.py'}:LooseEnds"
    arch = "-".join(["0-conv-1-skip-2-pool-0-conv"] * 2)
    result = show("space", "show", name, "--arch", arch, "--supernet")
    assert (result["space"], result["architectures"], result["madds_drawn"]) == ("loose-ends", None, 100)
    assert 0 < result["madds_min"] < result["madds_max"]
    assert result["params"] < result["supernet_params"]
    assert run(["space", "show", name]) == 0
    out = capsys.readouterr().out
    assert "16 decisions, uncounted architectures" in out
    assert "(100 drawn architectures)" in out
    assert run(["space", "show", name, "--arch", arch.replace("1-skip", "0-skip")]) == 2
    assert "0-conv-0-skip-2-pool-0-conv, is not valid" in capsys.readouterr().err


def test_topology_is_st_nas(show):
    result = show("space", "show", "topology", "--supernet")
    assert result["topologies"] == 34_359_738_368
    assert result["architectures"] == 10**15 * 9**4 * 11**17 * 10**18
    assert result["decisions"] == len(result["options"]) == 54
    assert result["supernet_params"] == sum(part["params"] for part in result["parts"]) == 25_381_256
    assert (result["madds_min"], result["madds_max"]) == (20_672_240, 1_213_384_768)


def test_image_size_changes_the_cost_and_classes_the_parameters(show):
    results = [
        show("space", "show", "chain", "--arch", FAIRNAS_A, *options)
        for options in (["--image-size", "32"], ["--classes", "10"])
    ]
    assert results[0]["params"] == 4_651_352
    assert results[0]["madds"] < 388_122_848 / 40
    assert results[1]["params"] == 4_651_352 - 990 * 1281
    assert results[1]["madds"] == 388_122_848 - 990 * 1280


def test_samples_meet_the_target(show):
    result = show("sample", "topology", "--n", "20000", "--target-madds", "347M", "--seed", "1")
    assert result["p_drop"] == pytest.approx(0.6, abs=1e-3)
    assert result["madds_mean"] == pytest.approx(347e6, rel=0.01)
    assert result["madds_std"] == pytest.approx(60e6, rel=0.03)
    assert 20_672_240 <= result["madds_min"] < result["madds_mean"] < result["madds_max"] <= 1_213_384_768


def test_without_a_target_sampling_is_uniform(show):
    result = show("sample", "topology", "--n", "2000")
    assert result["p_drop"] is None
    # Equation 3: the mean that uniform sampling has.
    assert result["madds_mean"] == pytest.approx(508e6, rel=0.01)
    assert show("sample", "chain", "--n", "10")["p_drop"] is None


def test_a_seed_names_the_sample(show):
    first, again, other = (show("sample", "chain", "--n", "100", "--seed", seed) for seed in ("3", "3", "4"))
    assert first == again
    assert first["madds_mean"] != other["madds_mean"]


def test_tables_for_people_hold_the_same_numbers(capsys):
    assert run(["space", "list"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if line.strip()] == ["space", *TABLE["space"]]
    assert run(["space", "show", "chain", "--classes", "100", "--supernet", "--arch", FAIRNAS_A]) == 0
    out = capsys.readouterr().out
    for words in ("19 decisions", "14,839,700 parameters", "2,822,208", FAIRNAS_A, "386,970,848"):
        assert words in out
    assert run(["sample", "topology", "--n", "100", "--target-madds", "347M"]) == 0
    assert "p_drop 0.6000" in capsys.readouterr().out


def test_help_and_usage_errors_do_not_wait_for_torch():
    code = (
        "import sys; from trueshot.cli.main import run; code = run(sys.argv[1:]);"
        "assert 'torch' not in sys.modules; sys.exit(code)"
    )
    for arguments, expected in ((["--help"], 0), (["space", "show", "--help"], 0), (["--version"], 0), (["bogus"], 2)):
        out = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
        assert out.returncode == expected, out.stderr


BAD = {
    "unknown space": (
        ["space", "show", "mesh"],
        "unknown space 'mesh': choose one of chain, nasbench201, topology",
    ),
    "malformed": (
        ["space", "show", "chain", "--arch", "E3K3-E3K4"],
        "position 2 of 19 (decision 1): 'E3K4' is not one of",
    ),
    "too short": (["space", "show", "chain", "--arch", "E3K3"], "position 2 of 19 (decision 1): the architecture ends"),
    "too long": (["space", "show", "chain", "--arch", FAIRNAS_A + "-E3K3"], "position 20: 'E3K3' is one too many"),
    "unreachable": (["sample", "topology", "--target-madds", "3G"], "between 220.8M and 536.3M"),
    "undroppable": (["sample", "chain", "--target-madds", "300M"], "no edge that can be dropped"),
    "no count": (["sample", "topology", "--target-madds", "many"], "--target-madds 'many' is not a positive number"),
    "no size": (
        ["space", "show", "chain", "--image-size", "0"],
        "Invalid value for '--image-size': give at least 1: see",
    ),
    "no sample": (["sample", "chain", "--n", "0"], "'--n'"),
    "no such option": (["space", "show", "chain", "--nope"], "--nope"),
    "no argument": (["space", "show"], "'SPACE'"),
    "no such command": (["bogus"], "'bogus'"),
    "no such file": (["space", "show", "absent.py:Mine"], "there is no file"),
    "no such module": (["space", "show", "absent_module:Mine"], "cannot import absent_module: ModuleNotFoundError"),
    "no such class": (
        ["space", "show", "trueshot.spaces:Mine"],
        "there is no class Mine in trueshot.spaces: name one after the colon",
    ),
    "no space": (
        ["space", "show", "json:JSONEncoder"],
        "is no subclass of trueshot.spaces.Space: name the class of a space",
    ),
    "abstract": (["space", "show", "trueshot.spaces:Space"], "cannot be made"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_and_code_2(arguments, message, capsys):
    assert run([*arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("error: ")
    assert message in err


@pytest.mark.parametrize("kind", ["malformed", "no such option"])
def test_bad_input_is_so_through_the_process_too(kind):
    arguments, message = BAD[kind]
    out = trueshot(*arguments, "--json")
    assert (out.returncode, out.stdout, len(out.stderr.splitlines())) == (2, "", 1)
    assert message in out.stderr


def test_debug_shows_where(capsys):
    assert run(["space", "show", "mesh", "--debug"]) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.splitlines()[-1].startswith("error: unknown space 'mesh'")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("def broken(:\n", "cannot import .*mine.py: SyntaxError"),
        ("1 / 0\n", "cannot import .*mine.py: ZeroDivisionError"),
    ],
)
def test_a_users_file_that_fails_is_said(tmp_path, content, message, capsys):
    path = tmp_path / "mine.py"
    path.write_text(content)
    for _ in range(2):
        assert run(["space", "show", f"{path}:Mine"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert re.search(message, line)


def test_a_users_file_must_not_hide_a_module(tmp_path, capsys):
    path = tmp_path / "json.py"
    path.write_text("")
    assert run(["space", "show", f"{path}:Mine"]) == 2
    assert "has the name of another module, json: rename the file" in capsys.readouterr().err


def test_a_closed_pipe_is_no_error():
    process = subprocess.run(
        f"{sys.executable} -m trueshot space show topology --json | head -c 1",
        shell=True, capture_output=True, text=True,
    )  # fmt: skip
    assert (process.stdout, process.stderr) == ("{", "")
