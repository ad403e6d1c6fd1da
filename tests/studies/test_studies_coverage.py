"""Every table and figure of the three papers stands in one list: studied, not to be settled here, not a measurement."""

import re

import pytest
from study_checks import session

from trueshot.cli.names import TABLE, find_study
from trueshot.core.errors import ConfigError
from trueshot.studies.coverage import NOT_MEASURED, WITHOUT_STUDY, unsettled
from trueshot.studies.record import Scale
from trueshot.studies.runner import Runner

STUDIES = [find_study(name) for name in TABLE["study"]]
PAPERS = {
    "ST-NAS": [*(f"Table {n}" for n in range(1, 6)), *(f"Fig. {n}" for n in range(1, 7))],
    "Inter-choice weights": [
        *(f"Table {n}" for n in range(1, 6)),
        *(f"Fig. {n}" for n in range(1, 11)),
        "appendix C",
        "appendix D",
    ],
    "Surgery": [
        *(f"Table {n}" for n in ("1", "2", "3", "4", "A1", "A2")),
        *(f"Fig. {n}" for n in ("1", "2", "3a", "3b", "3c", "4", "5", "A1", "A2", "A3")),
        "section 4.4",
    ],
}


def named(title):
    """Return paper and table or figure of a title."""
    found = re.match(
        r"(ST-NAS|Inter-choice weights|Surgery), ((?:Table|Fig\.|appendix|section) [A-Z]?[\d.]*\w?)\b", title
    )
    return found and (found[1], found[2])


def test_every_table_and_figure_stands_in_one_list():
    studied = {named(one.title) for one in STUDIES if Scale.CPU in one.scales}
    left = {named(one.title) for one in unsettled(STUDIES)}
    plain = {(paper, item) for paper, items in NOT_MEASURED.items() for item in items}
    everything = {(paper, item) for paper, items in PAPERS.items() for item in items}
    assert studied | left | plain >= everything
    # What the text alone says is studied beside them.
    assert (studied | left | plain) - everything == {("ST-NAS", "section 4.1"), ("ST-NAS", "section 3.2")}
    assert not plain & (studied | left)
    # Two figures are studied in part: the rest of their panels, and the images of the paper, are left.
    assert studied & left == {("Inter-choice weights", f"Fig. {n}") for n in (4, 6, 8)}


def test_every_study_has_the_scale_or_says_what_it_needs():
    for one in STUDIES:
        assert (Scale.CPU in one.scales) != (Scale.CPU in one.needs_more), one.name
        assert {Scale.SMOKE, Scale.PAPER} <= set(one.scales), one.name
    assert all(one.needs for one in WITHOUT_STUDY)


@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("stnas-table1", "176 random topologies to see the published 0.83 points"),
        ("interchoice-fig5", "two trainings of three epochs agree with tau 0.07"),
        ("interchoice-fig4-panels", "420 supernets of 21 kinds"),
        ("stnas-table2", "31 trainings of each network to see the published 1.1 points"),
    ],
)
def test_a_scale_that_is_left_out_is_refused_with_what_it_needs(name, needs, tmp_path):
    runner = Runner(session=session(tmp_path), scale=Scale.CPU)
    with pytest.raises(ConfigError, match=f"has no scale cpu: choose one of smoke, paper .it would need .*{needs}"):
        runner.announce(find_study(name))
