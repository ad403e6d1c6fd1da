"""Runs of an earlier version are refused in a line; what this version wrote is gone on with."""

import pytest
from cli_runs import DIGITS, TINY_SETS, finished_search, refused, sets

from trueshot.cli.earlier import check_resumed, check_supernet
from trueshot.core.errors import RunError
from trueshot.core.files import read_json, write_json
from trueshot.core.run import RunDirectory

EARLIER = "was made by an earlier version of trueshot"
BEFORE = {
    "command": "search",
    "search": {"strategy": "one-shot", "evaluation": {"expectation": "parameter"}},
    "asked": {"search": {"evaluation": {"expectation": "parameter"}}},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return finished_search(tmp_path_factory)


def changed(finished, folder, change):
    """Return a directory with the configuration of a finished search, changed."""
    content = read_json(finished.path / "config.json")
    content.pop("version")
    change(content)
    write_json(folder / "config.json", content)
    return folder


def test_the_supernet_of_an_earlier_version_is_refused(tmp_path):
    write_json(tmp_path / "config.json", BEFORE)
    told = refused(*DIGITS, "--supernet", tmp_path)
    assert told.startswith(
        f"{tmp_path}/config.json was made by an earlier version of trueshot (evaluation.expectation:"
    )
    assert told.endswith("leave out --supernet and train a new one; `trueshot classify` still reads its winners")


def test_a_run_of_an_earlier_version_is_not_gone_on_with(tmp_path):
    write_json(tmp_path / "config.json", BEFORE)
    told = refused(*DIGITS, "--out", tmp_path, "--resume")
    assert told == (
        f"{tmp_path}/config.json {EARLIER} (it names no strategy): choose another --out"
        ", or finish it with the version that made it"
    )


def test_a_ranking_of_an_earlier_version_is_not_gone_on_with(tmp_path):
    write_json(tmp_path / "config.json", {"command": "rank", "ranking": {"supernets": 2}})
    with pytest.raises(RunError, match=r"was made by an earlier version of trueshot \(supernet: is missing"):
        check_resumed(RunDirectory(tmp_path))


def test_no_supernet_is_taken_from_another_command(tmp_path):
    write_json(tmp_path / "config.json", {"command": "rank"})
    told = refused(*DIGITS, "--supernet", tmp_path)
    assert told == f"{tmp_path} is no run directory of `trueshot search`: give one of them to --supernet"


def test_a_run_of_this_version_is_read(finished):
    check_resumed(RunDirectory(finished.path))
    assert check_supernet(finished.path).path == finished.path


def test_an_option_that_is_new_since_stands_at_its_default(finished, tmp_path):
    run = changed(finished, tmp_path, lambda content: content["asked"]["search"]["retraining"].pop("repeats"))
    check_resumed(RunDirectory(run))
    assert read_json(run / "config.json") == read_json(finished.path / "config.json")


def test_an_option_that_is_new_since_and_asked_for_is_another_configuration(finished, tmp_path):
    run = changed(finished, tmp_path, lambda content: content["asked"]["search"]["retraining"].pop("random"))
    told = refused(*DIGITS, "--max-madds", "100k", "--out", run, "--resume", *TINY_SETS, *sets("data.max_images=400"))
    assert "another configuration (asked.search.retraining.random: 2 there, 1 now)" in told
    # Its supernet is as good: what it lacks is at its default.
    assert check_supernet(run).path == run


@pytest.mark.parametrize(
    ("before", "remedy"), [(None, "give the run of a search that did"), ("/there", "give --supernet /there")]
)
def test_a_run_that_trained_no_supernet_lends_none(before, remedy, finished, tmp_path):
    run = changed(finished, tmp_path / "run", lambda content: content["asked"].update(supernet=before))
    (run / "result.json").write_bytes((finished.path / "result.json").read_bytes())
    assert refused(*DIGITS, "--supernet", run).startswith(f"{run} trained no supernet of its own: {remedy}")


def test_code_that_the_run_names_is_not_run(finished, tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text("raise SystemExit(3)\n")
    run = changed(finished, tmp_path / "run", lambda content: content["search"].update(strategy=f"{mine}:Mine"))
    assert check_supernet(run).path == run
    assert "code of its own, which is not run: add --trust-code" in refused(*DIGITS, "--supernet", run)
