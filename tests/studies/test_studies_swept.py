import pytest
from study_checks import session

from trueshot.studies.bases import NB201_SMOKE
from trueshot.studies.record import Scale
from trueshot.studies.supernets import Rankings
from trueshot.studies.swept import Swept


@pytest.mark.usefixtures("made_up")
def test_every_condition_takes_the_value_that_ranked_best(tmp_path):
    swept = Swept(
        main=Rankings(
            conditions={"still": {"supernet.recipe.momentum": 0.0}, "moving": {"supernet.recipe.momentum": 0.9}},
            scales={Scale.SMOKE: {**NB201_SMOKE, "archs.count": 12, "supernet.recipe.epochs": 4, "seeds": 2}},
            base={"scores": {"single": {}}},
        ),
        key="supernet.recipe.lr",
        values={Scale.SMOKE: (0.01, 0.3)},
    )
    here = session(tmp_path)
    planned = swept.needs(here, Scale.SMOKE)
    found = swept.gather(here, Scale.SMOKE)
    for name, taus in found.taus.items():
        assert found.chosen[name] == max(taus, key=taus.get)
    kinds = swept.at(found.chosen).settings(here, Scale.SMOKE)[1]
    assert {name: kind.supernet.recipe.lr for name, kind in kinds.items()} == dict(found.chosen)
    # The sweep is a quarter as long and has seeds of its own: four kinds of one epoch, then two of four.
    sweep = swept.sweep(Scale.SMOKE).settings(here, Scale.SMOKE)[1]
    assert [kind.supernet.recipe.epochs for kind in sweep.values()] == [1, 1, 1, 1]
    assert len([need for need in planned if need.what == "training"]) == (4 + 2) * 2
    assert len(list((tmp_path / "bank" / "supernets").glob("*/*/record.json"))) == (4 + 2) * 2
    assert found.main.seeds == 2
