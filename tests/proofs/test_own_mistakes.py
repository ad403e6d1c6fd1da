"""A mistake in a user's file is told in a line that names the file and the remedy."""

import pytest
from proof_runs import DIGITS, FAST, HERE, TINY, refused

ROOMS = ("--strategy", "--oracle", "--proposer", "--sampler", "--sharing", "--cost", "--space")
LEADS_NOWHERE = {
    "absent.py:Mine": ("there is no file", "give what is your own as path/file.py:Class"),
    "broken.py:Missing": ("there is no class Missing in", "name one after the colon"),
    "broken.py:number": ("there is no class number in", "name one after the colon"),
}


@pytest.mark.parametrize("option", ROOMS)
@pytest.mark.parametrize("named", LEADS_NOWHERE)
def test_a_name_that_leads_nowhere_is_told_in_a_line(option, named, tmp_path):
    error = refused(*DIGITS, "--out", tmp_path / "run", option, HERE / named)
    assert str(HERE / named.partition(":")[0]) in error
    assert all(words in error for words in LEADS_NOWHERE[named])
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_no_python_is_told_in_a_line(tmp_path):
    (tmp_path / "typo.py").write_text("class Mine\n    pass\n")
    error = refused(*DIGITS, "--strategy", tmp_path / "typo.py:Mine")
    assert f"cannot import {tmp_path / 'typo.py'}: SyntaxError: expected ':'" in error


MISTAKES = {
    "Wrong": ("its Config is no subclass of trueshot.core.config.Config: derive it", ROOMS[:5]),
    "Bare": ("broken.py:Bare cannot be made as Bare(", ROOMS[:6]),
    "Failing": ("broken.py:Failing cannot be made as Failing(", ROOMS[:6]),
    "Idle": ("broken.py:Idle has no ", (*ROOMS[:5], "--cost")),
    "Late": ("broken.py, line 40: KeyError: 'speed': correct it", ROOMS[1:6]),
}
CASES = [(name, told, option) for name, (told, options) in MISTAKES.items() for option in options]


@pytest.mark.parametrize(("name", "told", "option"), CASES)
def test_a_mistake_in_the_file_is_told_in_a_line(name, told, option, tmp_path):
    strategy = {"--strategy": [], "--oracle": ["--strategy", "random"]}.get(option, TINY)
    more = ["--max-late", "3 mJ"] if (name, option) == ("Late", "--cost") else []
    error = refused(*DIGITS, "--out", tmp_path / "run", *FAST, *strategy, option, f"{HERE / 'broken.py'}:{name}", *more)
    assert told in error
