"""The report on what a network gets wrong, and the table that it opens with."""

import re
from dataclasses import replace

import numpy as np
import pytest
from made_up_run import CLASSES, TESTS, build_run, change
from test_report import parsed

from trueshot.core.decision import Decision, Row
from trueshot.core.mistakes import Confusion, Mistake, Mistakes
from trueshot.core.results import Estimate, Result
from trueshot.reporting.mistakes import MOST_CLASSES, MOST_PAIRS, confusion_figure, shown_mistakes
from trueshot.reporting.pictures import write_pictures
from trueshot.reporting.report import write_report


def confusion(classes, seed=0, per=50):
    """Return made-up counts, and them as a matrix."""
    n, rng = len(classes), np.random.default_rng(seed)
    shares = np.eye(n) * 6 + rng.gamma(0.3, 1, (n, n))
    matrix = np.stack([rng.multinomial(per, row / row.sum()) for row in shares])
    counts = tuple((int(a), int(b), int(matrix[a, b])) for a, b in zip(*np.nonzero(matrix), strict=True))
    return Confusion(name="confusion", title="Confusion matrix", classes=tuple(classes), counts=counts), matrix


def mistake(**over):
    values = {
        "image": "data:image/png;base64,AAAA", "side": 8, "name": "/data/test/one/17.png", "true": "one",
        "given": "seven", "probability": 0.8765, "of_true": 0.0004,
    }  # fmt: skip
    return Mistake(**{**values, **over})


def with_sections(path, *sections):
    run = build_run(path, evaluations=40)
    result = Result.read(run.result)
    replace(result, sections=(*result.sections, *sections)).write(run.result)
    return run


@pytest.mark.parametrize("n", [2, 3, 10, MOST_CLASSES])
def test_the_matrix_shows_every_count(n):
    section, matrix = confusion([f"class {number}" for number in range(n)])
    (axes,) = confusion_figure(section).axes
    shown = {tuple(map(round, text.get_position())): text.get_text() for text in axes.texts}
    assert shown == {(b, a): str(matrix[a, b]) for a, b in zip(*np.nonzero(matrix), strict=True)}
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [label.get_text() for label in labels] == list(section.classes)
    (told,) = shown_mistakes([section])
    assert (told["pairs"], told["wide"]) == ([], n >= 12)


@pytest.mark.parametrize("n", [MOST_CLASSES + 1, 100, 1000])
def test_of_many_classes_the_most_confused_pairs_are_listed(n):
    section, matrix = confusion([f"class {number}" for number in range(n)])
    assert confusion_figure(section) is None
    (told,) = shown_mistakes([section])
    off = matrix - np.diag(np.diag(matrix))
    most = np.sort(off.ravel())[::-1][:MOST_PAIRS]
    assert [pair["count"] for pair in told["pairs"]] == [f"{count} of 50" for count in most]
    first = told["pairs"][0]
    assert off[section.classes.index(first["true"]), section.classes.index(first["given"])] == off.max()
    assert f"They hold {most.sum():,} of {off.sum():,} wrong answers" in told["caption"]


def test_many_classes_without_a_mistake_are_said():
    right = Confusion(
        name="c", title="C", classes=tuple(map(str, range(50))), counts=tuple((i, i, 2) for i in range(50))
    )
    (told,) = shown_mistakes([right])
    assert (told["pairs"], told["svg"]) == ([], None)
    assert told["caption"] == "No two of the 50 classes were confused on 100 test images."


def test_mistakes_are_pictures_with_both_classes_and_probabilities(tmp_path, monkeypatch):
    pictures = (
        mistake(),
        mistake(side=100, probability=0.99999, name="row 7 of /my data/a.parquet"),
        mistake(side=192),
    )
    section = Mistakes(name="m", title="Most confident mistakes", mistakes=pictures, note="Of 3 wrong answers.")
    run = with_sections(tmp_path / "run", confusion(CLASSES)[0], section)
    page = write_report(run).read_text()
    checker = parsed(page)
    shown = [attributes for tag, attributes in checker.tags if tag == "img"]
    # Small ones are enlarged by a whole factor, pixel by pixel; larger ones are shown alike.
    assert [(one["width"], one["height"], one.get("class")) for one in shown] == [
        ("128", "128", "pixels"),
        ("128", "128", None),
        ("128", "128", None),
    ]
    assert {one["src"] for one in shown} == {"data:image/png;base64,AAAA"}
    assert shown[0]["alt"] == "one, taken for seven"
    text = " ".join(" ".join(checker.text).split())
    for said in (
        "seven 87.6 % truly one under 0.1 % 17.png",
        "over 99.9 %",
        "row 7 of a.parquet",
        "Of 3 wrong answers.",
        "Confusion matrix",
    ):
        assert said in text
    assert 'title="/data/test/one/17.png"' in page
    assert page.count("<h3>Accuracy by class") == 1
    # They have a place of their own, and are not repeated among the other sections.
    assert page.count("Most confident mistakes") == page.count("<h3>Confusion matrix") == 1
    # As files of their own there is the matrix, beside the other figures.
    monkeypatch.setattr("trueshot.reporting.pictures.save_pictures", lambda pictures, folder: list(pictures))
    assert "confusion" in write_pictures(run, tmp_path / "pictures")


def test_names_of_classes_and_files_are_escaped(tmp_path):
    hostile = '<script>"&$^$'
    section = Mistakes(
        name="m", title="M", mistakes=(mistake(true=hostile, given=hostile, name=hostile),), note=hostile
    )
    few, many = (confusion([f"{hostile}{number}" for number in range(n)])[0] for n in (3, 30))
    page = write_report(with_sections(tmp_path / "run", few, replace(many, name="many"), section)).read_text()
    assert "<script" not in page
    parsed(page)


def test_a_result_of_an_earlier_release_has_its_accuracies_by_class(tmp_path):
    page = write_report(build_run(tmp_path / "run", evaluations=40)).read_text()
    assert page.count("<h3>Accuracy by class") == 1
    assert "<img" not in page


def decided(run, **over):
    """Let the run have decided, and return the rows of the table that the report opens with, and the page."""
    row = Row(
        kind="found", names=("best-1",), test=Estimate(value=0.95, low=0.92, high=0.97, n=TESTS), balanced=0.9,
        costs={"madds": 7, "params": 8, "size": 12_000}, size=35_000, milliseconds=0.5, steps=1234.0, epochs=40.0,
        remarks=("not converged",),
    )  # fmt: skip
    head = replace(row, kind="pretrained", names=("net_a-frozen",), steps=0.0, epochs=0.0)
    decision = Decision(network="best-1", of="best-1", because="b", sentence="Take it.", rows=(row, head))
    change(run, decision=decision.to_json(), **over)
    page = write_report(run).read_text()
    table = page[page.index('<section class="decision">') : page.index("</section>")]
    cells = [re.findall(r"<(?:th|td)[^>]*>(.*?)</(?:th|td)>", line) for line in table.split("<tr>")[1:]]
    return [[" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in row] for row in cells], page


def test_the_decision_tells_accuracy_first_and_how_long_each_was_trained(tmp_path):
    (heads, first, second), _ = decided(build_run(tmp_path / "run", evaluations=40))
    # On a phone two columns are seen: the name with what is to be known of it, and the accuracy with its interval.
    assert heads[:2] == ["Network", "Test top-1"]
    assert first[:2] == ["best-1 found not converged", "95.0 % 92.0 to 97.0"]
    assert dict(zip(heads, first, strict=True)) | {"Steps": "1,234", "Epochs": "40", "ONNX, KB": "35"} == dict(
        zip(heads, first, strict=True)
    )
    assert (second[heads.index("Steps")], second[heads.index("Epochs")]) == ("0", "0")


def test_balanced_accuracy_has_its_interval_beside_accuracy(tmp_path):
    run = build_run(tmp_path / "run", evaluations=40, imbalanced=True, test_counts=[300, 60] + [0] * 8)
    (heads, first, _), page = decided(run)
    assert heads[:3] == ["Network", "Test top-1", "Balanced"]
    assert re.fullmatch(r"90\.0 % [\d.]+ to [\d.]+", first[2])
    details = page[page.index("<h2>Networks") :]
    assert details.count(">95 % interval<") == 2
