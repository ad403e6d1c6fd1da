"""Studies at their smallest scale, all in one bank, on made-up truth."""

import math

import pytest
from study_checks import run_smoke

from trueshot.cli.names import TABLE, find_study
from trueshot.reporting.studies import write_studies

TESTED_ALONE = ("stnas-table2", "stnas-table3", "stnas-table5", "surgery-table4")
LIKE_OTHERS = ("interchoice-fig4-panels", "interchoice-appendixC", "interchoice-appendixD")
"""Many supernets of kinds that others have too; settings and analyses are in ``test_studies_interchoice.py``."""
TABLES_AND_NETWORKS = ("stnas-table1", "interchoice-fig6", "interchoice-fig6-nasbench201")
"""Their repetitions are architectures, of which there are several at any scale."""


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    return tmp_path_factory.mktemp("studies")


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize("name", [name for name in TABLE["study"] if name not in TESTED_ALONE + LIKE_OTHERS])
def test_study_runs_and_judges_every_claim(name, bank):
    study = find_study(name)
    head = run_smoke(study, bank).head
    assert [claim["what"] for claim in head["claims"]] == [claim.name for claim in study.claims]
    assert head["claims"]
    for claim in head["claims"]:
        assert claim["verdict"] == "cannot be told here" or name in TABLES_AND_NETWORKS
        assert claim["power"]["n"] <= 2 or name in TABLES_AND_NETWORKS
        assert claim["says"]
    for finding in head["findings"]:
        assert all(math.isfinite(value) for value in finding["values"])


@pytest.mark.usefixtures("made_up")
def test_figures_have_pictures_and_stand_on_the_page(bank):
    for name in ("surgery-fig2", "surgery-fig3a"):
        run_smoke(name, bank)
    page = write_studies(bank / "results", TABLE["study"]).read_text()
    assert "![Kendall tau along the training](surgery-fig2-smoke-tau.png)" in page
    assert (bank / "results" / "surgery-fig3a-smoke-tau.png").stat().st_size < 60_000
    assert page.index("## surgery-fig2-smoke") < page.index("## surgery-fig3a-smoke")
