import numpy as np
import pytest
from study_checks import session

from trueshot.cli.names import find, find_study
from trueshot.core.errors import ConfigError, DataError
from trueshot.studies.bases import NB201_CPU, NB201_SMOKE
from trueshot.studies.record import Scale
from trueshot.studies.session import draw
from trueshot.studies.setting import ArchsConfig, Images, ScoreConfig, SpaceConfig, layered, read

MORE = {"scores": {"single": {}}}


def kind(*layers):
    return read(layered(NB201_CPU, MORE, *layers), find)[0]


def test_layers_are_merged_by_dotted_keys():
    merged = layered({"a.b": 1, "a.c": {"d.e": 2}}, {"a.c": {"f": 3}, "g": 4})
    assert merged == {"a": {"b": 1, "c": {"d.e": 2, "f": 3}}, "g": 4}
    assert kind({"supernet.recipe.lr": 0.3}).supernet.recipe.lr == 0.3
    assert kind({"supernet.sampler.per_step": 3}).supernet.sampler.config.per_step == 3


def test_a_kind_is_what_decides_the_weights_and_nothing_else():
    plain = kind()
    assert plain.identity == kind({"evaluation.images": 100, "seeds": 7, "archs.count": 9}).identity
    others = ({"supernet.recipe.lr": 0.2}, {"data.max_images": 100}, {"space.arguments.cells": 2}, {"source": "digits"})
    assert len({plain.identity, *(kind(one).identity for one in others)}) == 5
    assert plain.label == ("nasbench201, channels 8, cells 1, 16 pixels, uniform, 24 epochs, lr 0.1, momentum 0.9")
    assert plain.steps == 40_000 // 256


def test_a_wrong_key_is_named():
    with pytest.raises(ConfigError, match="setting supernets: there is no such value"):
        kind({"supernets": 3})
    with pytest.raises(ConfigError, match=r"supernet\.recipe\.rate"):
        kind({"supernet.recipe.rate": 3})


def test_epochs_of_a_way():
    assert ScoreConfig().epochs(24) == ()
    assert ScoreConfig(last=3).epochs(24) == (22, 23, 24)
    assert ScoreConfig(last=5).epochs(2) == (1, 2)
    assert ScoreConfig(shares=(0.01, 0.5, 1.0)).epochs(24) == (1, 12, 24)


def test_sizes_need_no_images():
    images = Images(source="digits", data={"max_images": 400})
    assert (images.size, images.validation) == ((8, 1, 10, 400), 80)
    assert Images(source="imagenet", data={"image_size": 224}).size.train == 1_281_167
    with pytest.raises(ConfigError, match="the size of 'my-folder' is not known"):
        _ = Images(source="my-folder").size


def test_imagenet_must_be_there(tmp_path, monkeypatch):
    monkeypatch.setenv("TRUESHOT_DATA", str(tmp_path))
    with pytest.raises(DataError, match="scale paper needs ImageNet: give its folder"):
        session(tmp_path).dataset(Images(source="imagenet"))


@pytest.fixture
def nasbench201(tmp_path):
    images = read(layered(NB201_SMOKE, MORE), find)[0]
    here = session(tmp_path)
    return here.space(SpaceConfig(name="nasbench201"), images, planned=True), here.streams()


def test_classes_are_drawn_whole_and_stand_together(nasbench201):
    space, streams = nasbench201
    rows = draw(ArchsConfig(draw="classes", count=12, rule="nb201"), space, streams)
    codes = [row.tobytes() for row in space.canonical(rows, "nb201")]
    assert len(set(codes)) == 12
    assert codes == sorted(codes)
    everything = draw(ArchsConfig(draw="classes"), space, streams)
    whole = {row.tobytes() for row in everything}
    assert len(whole) == 15_625
    all_codes = [row.tobytes() for row in space.canonical(everything, "nb201")]
    members = [row.tobytes() for row, code in zip(everything, all_codes, strict=True) if code in set(codes)]
    assert sorted(members) == sorted(row.tobytes() for row in rows)


def test_rows_are_drawn_without_repetition(nasbench201):
    space, streams = nasbench201
    rows = draw(ArchsConfig(count=1000), space, streams)
    assert len(np.unique(rows, axis=0)) == 1000
    with pytest.raises(ConfigError, match=r"archs\.draw=sampler needs archs\.sampler"):
        draw(ArchsConfig(draw="sampler"), space, streams)


@pytest.mark.parametrize("name", ["stnas-momentum", "stnas-sampling"])
def test_the_published_settings_are_read(name, tmp_path):
    work = find_study(name).work
    extent, kinds = getattr(work, "main", work).settings(session(tmp_path), Scale.PAPER)
    assert extent.seeds >= 6
    assert {kind.size.side for kind in kinds.values()} == {224}
