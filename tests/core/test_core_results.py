"""Results: what is written reads back as itself, and what cannot be read is said."""

import json
from dataclasses import replace

import pytest

from trueshot.core.errors import RunError
from trueshot.core.mistakes import Confusion, Mistake, Mistakes
from trueshot.core.records import Accuracy, NetworkRecord
from trueshot.core.results import CostAxis, Front, Line, Networks, Result, Series, Table, Text

MADDS = CostAxis("madds", "MAdds", "MAdds")
ACCURACY = Accuracy(n=10, top1=0.5, top5=1.0, balanced=0.4, per_class=(0.5, 0.3), loss=0.7)
RECORD = NetworkRecord(
    name="best-1",
    role="winner",
    budget=60.0,
    seed=0,
    arch="E3K3",
    costs={"madds": 50, "latency": 1.5},
    score=0.1,
    validation=None,
    test=ACCURACY,
    seconds=2.0,
    steps=120,
    epochs=2.5,
)
RESULT = Result(
    command="search",
    head={"strategy": "one-shot", "found": [{"arch": "E3K3", "score": 0.1}]},
    sections=(
        Networks(name="n", title="N", cost=MADDS, records=(RECORD,), comparison={"difference": 0.1}),
        Front(name="f", title="F", cost=MADDS, costs=[1.0, 2.0], scores=[0.1, 0.2], budgets=[3.0]),
        Series(name="s", title="S", x="epoch", y="loss", lines=(Line(name="a", x=[1, 2], y=[0.5, None]),)),
        Table(name="t", title="T", heads=("a", "b"), rows=(("x", 1.0), ("y", None)), note="of three"),
        Text(name="w", title="W", rows=(("label", "text"), ("", "a paragraph"))),
        Confusion(name="c", title="C", classes=("a", "b"), counts=((0, 0, 7), (1, 0, 2))),
        Mistakes(
            name="m", title="M", note="Of two.",
            mistakes=(
                Mistake(
                    image="data:image/png;base64,AAAA", side=8, name="x/a.png", true="b", given="a", probability=0.9,
                    of_true=0.1,
                ),
            ),
        ),
    ),
)  # fmt: skip


def test_every_section_reads_back_as_itself(tmp_path):
    RESULT.write(tmp_path / "result.json")
    again = Result.read(tmp_path / "result.json")
    assert again == RESULT
    assert [type(section) for section in again.sections] == [type(section) for section in RESULT.sections]
    assert json.loads((tmp_path / "result.json").read_text())["version"] == 2


def test_sections_are_found_by_kind_and_by_name():
    assert RESULT.of_kind(Table) == [RESULT.sections[3]]
    assert RESULT.named("w") is RESULT.sections[4]
    assert RESULT.named("absent") is None


def test_a_result_without_sections_is_one(tmp_path):
    plain = replace(RESULT, sections=())
    plain.write(tmp_path / "result.json")
    assert Result.read(tmp_path / "result.json") == plain


@pytest.mark.parametrize(
    "change",
    [
        {"sections": [{"kind": "spectrum", "name": "a", "title": "b"}]},
        {"sections": [{"kind": "text", "name": "a"}]},
        {"sections": None},
    ],
)
def test_what_is_missing_is_one_line_with_the_remedy(tmp_path, change):
    path = tmp_path / "result.json"
    RESULT.write(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(RunError, match=r"result\.json is incomplete .*: repeat the command that made it with --resume"):
        Result.read(path)


def test_a_result_of_another_version_is_refused(tmp_path):
    (tmp_path / "result.json").write_text('{"version": 1, "networks": []}')
    with pytest.raises(RunError, match=r"result\.json.*version"):
        Result.read(tmp_path / "result.json")
