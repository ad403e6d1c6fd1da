"""What commands print reaches a terminal of few characters, a closed output and a full disk in one line at most."""

import os
import subprocess
import sys

import pytest
from cli_runs import invoke, refused

COMMAND = [sys.executable, "-m", "trueshot"]


def run(*arguments, **options):
    return subprocess.run([*COMMAND, *arguments], stderr=subprocess.PIPE, text=True, check=False, **options)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_of_few_characters(encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = run("search", "--data", "\u0142\u4e2d", env=environment)
    assert done.stderr.startswith("error: no data at '\\u0142\\u4e2d': give digits")
    done = run("space", "show", "nasbench201", env=environment, stdout=subprocess.PIPE)
    assert done.returncode == 0, done.stderr


def test_an_output_that_is_closed_or_full():
    closed = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m trueshot space list >&-"], capture_output=True, text=True, check=False
    )
    assert (closed.returncode, closed.stderr) == (0, "")
    with open("/dev/full", "w") as full:
        for arguments in (["space", "list"], ["space", "list", "--json"], ["--version"]):
            done = run(*arguments, stdout=full)
            told = "error: cannot write the output: No space left on device; free some space, or print it elsewhere\n"
            assert (done.returncode, done.stderr) == (2, told)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["space", "show", "chain", "--rule", "nope"], "space chain has no canonical rule 'nope'"),
        (["space", "show", "nasbench201", "--rule", "isomorphic"], "has no canonical rule 'isomorphic': "),
        (["space", "show", "chain", "--rule", "literal"], "--rule says of which canonical form"),
        (["space", "show", "chain", "--image-size", "1000000000"], "--image-size"),
        (["space", "show", "chain", "--classes", "1000000000"], "--classes"),
        (["sample", "chain", "--n", "1000000000"], "--n"),
        (["sample", "chain", "--image-size", "0"], "--image-size"),
        (["search", "--data", ""], "the name of the data is empty"),
        (["search", "--data", "digits", "--set", "threads=100000"], "threads=100000 are too many for"),
        (
            ["search", "--data", "digits", "--set", "data={workers: 1, workers: 2}"],
            "'workers' is there twice",
        ),
    ],
)
def test_figures_and_names_that_cannot_be_are_told_in_a_line(arguments, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert told in refused(*arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["[copy]", "x[/b]", "[red]a[/red]", "[/]"])
def test_names_keep_their_brackets(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert f"no data at '{name}'" in refused("search", "--data", name)
    file = tmp_path / "t.csv"
    file.write_text(f"architecture,{name}\na,1\nb,2\n")
    code, stdout, stderr = invoke("truth", "show", file)
    assert code == 0, stderr
    assert name in stdout
