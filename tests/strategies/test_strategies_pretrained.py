"""Pretrained networks: weights from a file or a package, a head fitted to what they see, and their place in a run."""

import importlib
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
from sklearn.linear_model import LogisticRegression
from strategy_parts import SMALL, make_search, write_weights

from trueshot.core.errors import ConfigError
from trueshot.core.results import Networks
from trueshot.spaces.storage import load_network
from trueshot.strategies.finish import pretrained
from trueshot.strategies.finish.choice import Choice
from trueshot.strategies.finish.pretrained import (
    MODEL,
    MODULE,
    PACKAGE,
    STRENGTHS,
    chosen_strength,
    features,
    find,
    fit_head,
    head_of,
    wanted,
)
from trueshot.training.data.batches import eval_batches

NO_GENES = np.empty(0, dtype=np.uint8)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of weights of a small network, by timm's names."""
    return write_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def images(tmp_path):
    return make_search(tmp_path / "data").context.images


def test_weights_are_found_by_name_and_by_file(weights):
    found = find(f"{SMALL}={weights}")
    assert (found.model, found.mean, found.std) == (SMALL, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    # The file is called after the network, as timm's own are.
    assert find(str(weights)).model == SMALL
    state = torch.load(weights, weights_only=True)
    assert found.state.keys() == state.keys()
    assert all(torch.equal(found.state[name], state[name]) for name in state)
    assert "licence not stated" in found.told


def test_weights_in_the_order_of_timm_s_are_read_whatever_their_names(weights, tmp_path):
    state = torch.load(weights, weights_only=True)
    file = tmp_path / "other.pth"
    torch.save({"state_dict": {f"module.layer{n}": value for n, value in enumerate(state.values())}}, file)
    found = find(f"{SMALL}={file}")
    assert all(torch.equal(found.state[name], state[name]) for name in state)


def test_the_package_is_found_without_running_its_code(tmp_path, monkeypatch):
    folder = tmp_path / MODULE / "models"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise RuntimeError('code of the package was run')")
    names = timm.create_model(MODEL).state_dict()
    assert len(names) == 296
    torch.save({f"_{n}": value for n, value in enumerate(names.values())}, folder / "efficientnet-lite0-57934424.pth")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    find.cache_clear()
    found = find(PACKAGE)
    assert (found.model, found.mean, found.std) == (MODEL, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert torch.equal(found.state["classifier.weight"], names["classifier.weight"])
    assert MODULE not in sys.modules
    find.cache_clear()


def test_what_is_no_pretrained_network_is_said(weights, tmp_path, monkeypatch):
    for name, message in (
        ("nothing", "--pretrained 'nothing' is neither a file, nor a network of timm, nor the package"),
        (f"resnet18={weights}", "holds other weights than those of timm's resnet18"),
        (f"{SMALL}={tmp_path / 'no.pth'}", "cannot read"),
    ):
        with pytest.raises(ConfigError, match=message):
            find(name)
    unnamed = tmp_path / "weights.pth"
    unnamed.write_bytes(weights.read_bytes())
    with pytest.raises(ConfigError, match=r"does not say of which network it is: write MODEL="):
        find(str(unnamed))
    unnamed.write_bytes(b"no weights")
    with pytest.raises(ConfigError, match="holds no weights that can be read without running code"):
        find(f"{SMALL}={unnamed}")

    def offline(name, pretrained=False, **_):
        raise OSError("no network here")

    monkeypatch.setattr("timm.create_model", offline)
    with pytest.raises(ConfigError, match=r"not to be had from timm's hub \(no network here\): give MODEL=FILE"):
        find("resnet18")


def test_nobody_is_asked_for_small_images_or_without_the_package(images, monkeypatch):
    monkeypatch.setattr(pretrained, "is_installed", lambda: False)
    assert wanted(None, images) is None
    assert wanted("none", images) is None
    monkeypatch.setattr(pretrained, "is_installed", lambda: True)
    assert images.image_size == 8
    assert wanted(None, images) is None
    monkeypatch.setattr(pretrained, "LEAST_PIXELS", 8)
    asked = []
    monkeypatch.setattr(pretrained, "find", asked.append)
    wanted(None, images)
    assert asked == [PACKAGE]


def test_the_head_is_scikit_learn_s_logistic_regression(weights, images):
    found = find(f"{SMALL}={weights}")
    network = found.space(images).network(NO_GENES).eval()
    found.load_into(network)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    batches = list(eval_batches(images.train, found.images(images), batch_size=64, device="cpu"))
    fit_head(network, SMALL, batches, 10)
    head = head_of(network, SMALL)
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {f"{head}.weight", f"{head}.bias"}
    seen, labels = features(network, batches)
    scaled = (seen - seen.mean(axis=0)) / (seen.std(axis=0) + 1e-6)
    slow = LogisticRegression(C=chosen_strength(scaled, labels), max_iter=1000).fit(scaled, labels)
    with torch.inference_mode():
        answers = torch.cat([network(batch) for batch, _ in batches]).softmax(dim=1).numpy()
    np.testing.assert_allclose(answers, slow.predict_proba(scaled), atol=1e-3)


def test_how_strongly_the_head_is_regularised_is_chosen_on_images_set_aside():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    # Of many features one tells the class, most of the time: the more freedom, the more is learned by heart.
    noise = rng.normal(size=(200, 300)).astype(np.float32)
    noise[:, 0] += 2 * labels
    shares = {}
    for strength in STRENGTHS:
        regression = LogisticRegression(C=strength, max_iter=1000)
        aside = np.arange(200) % 5 == 4
        shares[strength] = regression.fit(noise[~aside], labels[~aside]).score(noise[aside], labels[aside])
    assert len(set(shares.values())) > 1
    assert chosen_strength(noise, labels) == max(shares, key=shares.get)
    assert chosen_strength(noise[:9], labels[:9]) == 1.0


def test_two_classes_are_answered_as_well(weights, images):
    two = images.train.labels < 2
    part = replace(images.train, images=images.train.images[two], labels=images.train.labels[two])
    few = replace(images, classes=("zero", "one"), train=part)
    found = find(f"{SMALL}={weights}")
    network = found.space(few).network(NO_GENES).eval()
    found.load_into(network)
    batches = list(eval_batches(part, found.images(few), batch_size=64, device="cpu"))
    fit_head(network, SMALL, batches, 2)
    with torch.inference_mode():
        right = [(network(batch).argmax(dim=1) == labels).float().mean() for batch, labels in batches]
    assert min(right) > 0.8


def test_grey_images_are_seen_as_colour_images_without_colour(weights, images):
    found = find(f"{SMALL}={weights}")
    grey = found.images(images).preprocessing
    assert (grey.channels, grey.mean) == (1, (pytest.approx(np.mean(found.mean)),))
    network = found.space(images).network(NO_GENES).eval()
    found.load_into(network)
    whole = timm.create_model(SMALL).eval()
    whole.load_state_dict(found.state)
    one = torch.rand(2, 1, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(network.forward_features(one), whole.forward_features(one.repeat(1, 3, 1, 1)))


def test_a_pretrained_network_stands_beside_the_others(weights, tmp_path):
    values = {"off_the_shelf": False, "pretrained": f"{SMALL}={weights}"}
    search = make_search(tmp_path, retraining=values, budget={"max_madds": 20_000})
    assert "pretrained" in str(search.forecast())
    result = search.run()
    records = {record.name: record for record in result.of_kind(Networks)[0].records}
    named = {name for name, record in records.items() if record.role == "pretrained"}
    assert named == {f"{SMALL}-frozen", f"{SMALL}-tuned"}
    frozen, tuned = (load_network(tmp_path / "baselines" / f"{SMALL}-{way}") for way in ("frozen", "tuned"))
    assert frozen.meta["space"]["arguments"]["model"] == SMALL
    assert frozen.preprocessing["mean"] == [pytest.approx(np.mean((0.485, 0.456, 0.406)))]
    state, key = torch.load(weights, weights_only=True), "blocks.0.0.conv_dw.weight"
    assert torch.equal(frozen.network.state_dict()[key], state[key])
    assert not torch.equal(tuned.network.state_dict()[key], state[key])
    # Far above the bound: shown and marked, and not taken however well it does.
    decision = result.head["decision"]
    rows = {row["names"][0]: row for row in decision["rows"]}
    shown = rows[f"{SMALL}-frozen"]
    assert (shown["kind"], shown["remarks"]) == ("pretrained", ["above the bound", "only its head was trained"])
    assert (shown["steps"], shown["epochs"]) == (0, 0)
    assert rows[f"{SMALL}-tuned"]["steps"] > 0
    assert shown["costs"]["madds"] > 20_000
    assert SMALL not in decision["of"]
    assert any(note.startswith("best-") and f"less {SMALL}-frozen" in note for note in decision["notes"])
    assert any("licence not stated" in note and "flatters" in note for note in decision["notes"])
    json.dumps(decision)


def test_a_pretrained_network_may_be_taken_and_is_fitted_to_all_images(weights, tmp_path, monkeypatch):
    values = {"off_the_shelf": False, "pretrained": f"{SMALL}={weights}"}
    search = make_search(tmp_path, retraining=values)
    taken = Choice(f"{SMALL}-frozen", "it was said")
    monkeypatch.setattr("trueshot.strategies.finish.finish.choose", lambda records, rule: taken)
    recommended = search.run().of_kind(Networks)[0].records[0]
    assert (recommended.of, recommended.validation) == (taken.name, None)
    anew, frozen = (load_network(tmp_path / path) for path in ("winners/recommended", f"baselines/{taken.name}"))
    assert anew.preprocessing == frozen.preprocessing
    head, states = head_of(anew.network, SMALL), [one.network.state_dict() for one in (anew, frozen)]
    differ = [name for name in states[0] if not torch.equal(states[0][name], states[1][name])]
    assert differ == [f"{head}.weight", f"{head}.bias"]


def test_without_a_pretrained_network_it_is_said(tmp_path):
    said = make_search(tmp_path / "one", retraining={"off_the_shelf": False}).run().head["decision"]["notes"]
    assert any("No pretrained baseline was to be had: install trueshot[pretrained]" in note for note in said)
    none = {"off_the_shelf": False, "pretrained": "none"}
    assert make_search(tmp_path / "two", retraining=none).run().head["decision"]["notes"] == []
