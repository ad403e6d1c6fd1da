"""Presets and how values combine."""

import numpy as np
import pytest
import torch

from trueshot.cli.early import search_config
from trueshot.cli.names import find, make_space
from trueshot.cli.values import over_preset
from trueshot.core.errors import ConfigError
from trueshot.core.run import RunDirectory
from trueshot.search.extremes import extremes
from trueshot.sharing import Supernet, single_path
from trueshot.spaces import Chain, NasBench201, Topology
from trueshot.spaces.checks import as_tuples
from trueshot.spaces.costs import standard_costs
from trueshot.spaces.counting import count_params
from trueshot.spaces.meta import on_meta
from trueshot.strategies.config import BudgetConfig
from trueshot.strategies.presets import assignment, choose_preset, merge, preset_names, read_config, read_preset
from trueshot.strategies.setup import Context
from trueshot.strategies.trained import scored_images
from trueshot.training.config import Recipe

SIDES = {"digits": 8, "small-cpu": 32, "small-gpu": 32, "large-cpu": 224, "large-gpu": 224}


@pytest.mark.parametrize(("side", "device", "name"), [(SIDES[n], "cuda" if "gpu" in n else "cpu", n) for n in SIDES])
def test_every_preset_is_chosen_for_some_images_and_makes_its_spaces(side, device, name):
    assert choose_preset(side, device) == name
    assert set(SIDES) <= set(preset_names())
    spaces = read_preset(name)["spaces"]
    for kind in (Chain, Topology):
        arguments = {key: as_tuples(value) for key, value in spaces[kind.__name__.lower()].items()}
        space = kind(**arguments, image_size=side, classes=10, in_channels=3)
        assert space.architectures > 1000


def test_the_preset_for_imagenet_is_the_paper():
    """ST-NAS, section 4.1, and the space of 34,359,738,368 topologies."""
    preset = read_preset("stnas-imagenet")
    assert preset["spaces"]["topology"] == {}
    assert preset["proposers"]["nsga2"] == {"population": 45, "generations": 22}
    recipe = preset["supernet"]["recipe"]
    assert (recipe["epochs"], recipe["lr"], recipe["final_lr"], recipe["momentum"]) == (600, 0.1, 2.5e-4, 0.0)
    alone = preset["retraining"]["recipe"]
    assert (alone["epochs"], alone["batch_size"], alone["lr"], alone["weight_decay"]) == (300, 2048, 0.8, 1e-4)
    # What the paper has not is in our own preset.
    assert not {"label_smoothing", "ema_decay", "warmup_epochs"} & alone.keys()
    assert {"label_smoothing", "ema_decay", "warmup_epochs"} <= read_preset("large-gpu")["retraining"]["recipe"].keys()


def test_sizes_at_the_borders():
    chosen = [choose_preset(side, "cpu") for side in (16, 17, 96, 97)]
    assert chosen == ["digits", "small-cpu", "small-cpu", "large-cpu"]


def test_mappings_merge_and_nothing_is_shared():
    base = {"a": {"b": 1, "c": [1]}, "d": 2}
    result = merge(base, {"a": {"b": 3}, "d": {"e": 4}, "f": None})
    assert result == {"a": {"b": 3, "c": [1]}, "d": {"e": 4}, "f": None}
    result["a"]["c"].append(2)
    assert base == {"a": {"b": 1, "c": [1]}, "d": 2}


def test_options_over_a_name_are_those_of_what_it_names():
    """``--sharing bias --set supernet.sharing.depth=2``."""
    base = {"sharing": {"kind": "split", "epoch": 3}}
    named = merge({"sharing": "bias"}, {"sharing": {"depth": 2}})
    assert named == {"sharing": {"kind": "bias", "depth": 2}}
    assert merge(base, named) == named
    assert merge({"sharing": "bias"}, {"sharing": {"kind": "split"}}) == {"sharing": {"kind": "split"}}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("seed=3", {"seed": 3}),
        ("supernet.recipe.lr=1.0e-3", {"supernet": {"recipe": {"lr": 1e-3}}}),
        ("a.b = [1, 2]", {"a": {"b": [1, 2]}}),
        ("a={b: 1, c: {d: x=y}}", {"a": {"b": 1, "c": {"d": "x=y"}}}),
        ("a=", {"a": None}),
    ],
)
def test_assignments_are_read(text, values):
    assert assignment(text) == values


@pytest.mark.parametrize("text", ["seed", "=3", ".a=3", "a..b=3", "a.=3", ""])
def test_what_is_no_assignment_is_said(text):
    with pytest.raises(ConfigError, match="is no assignment: write it like supernet"):
        assignment(text)
    with pytest.raises(ConfigError, match="not valid YAML"):
        assignment("a=[1")


def test_an_empty_file_says_nothing(tmp_path):
    (tmp_path / "a.yaml").write_text("# nothing\n")
    assert read_config(tmp_path / "a.yaml") == {}
    with pytest.raises(ConfigError, match="cannot read configuration"):
        read_config(tmp_path)


def test_a_part_of_another_kind_takes_nothing_over():
    base = {"sampler": {"kind": "matched", "target_madds": 3, "per_step": 2}}
    assert merge(base, {"sampler": "matched"}) == base
    assert merge(base, {"sampler": {"per_step": 4}}) == {
        "sampler": {"kind": "matched", "target_madds": 3, "per_step": 4}
    }
    assert (
        merge(base, {"sampler": {"kind": "fair"}}) == merge(base, {"sampler": "fair"}) == {"sampler": {"kind": "fair"}}
    )


def test_the_presets_of_the_paper_on_choices_are_usable():
    cells, images = (search_config({}, read_preset(f"interchoice-{name}")) for name in ("nasbench201", "subimagenet"))
    trained, others = (config.strategy.config.supernet.recipe for config in (cells, images))
    assert (trained.epochs, others.epochs) == (250, 600)
    assert (trained.lr, others.lr) == (0.025, 0.05)
    assert images.retraining.recipe.epochs == 240
    # Of 50,000 images 5,000 are withheld; networks that are trained on their own have dropout, supernets have not.
    assert cells.data.validation_fraction == 0.1
    assert (others.dropout, images.retraining.recipe.dropout) == (0.0, 0.2)
    with torch.device("meta"):
        space = NasBench201(**read_preset("interchoice-nasbench201")["spaces"]["nasbench201"])
        assert sum(p.numel() for p in Supernet(space, single_path).parameters()) == 782_938


@pytest.mark.parametrize("name", preset_names())
def test_under_default_settings_every_option_of_every_decision_is_sampled(name, tmp_path):
    preset = read_preset(name)
    options = dict(preset["supernet"]).get("sampler", "auto")
    part = find("sampler", options if isinstance(options, str) else options["kind"])
    given = {} if isinstance(options, str) else {key: value for key, value in options.items() if key != "kind"}
    for kind, arguments in preset["spaces"].items():
        space = make_space(kind, {key: as_tuples(value) for key, value in arguments.items()})
        context = Context(space=space, run=RunDirectory(tmp_path), device=torch.device("cpu"))
        sampler = part.part("sampler", given).build(context)
        drawn = sampler.sample(3000, np.random.default_rng(0))
        for gene, decision in enumerate(space.decisions):
            assert len(np.unique(drawn[:, gene])) == len(decision.options), (kind, decision)


def test_presets_of_the_paper_on_choices_fill_empty_nodes_as_published():
    def sharing(given, preset="interchoice-nasbench201"):
        return over_preset(read_preset(preset), {"supernet": {"sharing": given}}, {"supernet"})["supernet"]["sharing"]

    assert sharing("bias") == {"kind": "bias", "empty": "published"}
    assert sharing({"kind": "shared-bias", "depth": 2}) == {"kind": "shared-bias", "empty": "published", "depth": 2}
    assert sharing({"kind": "bias", "empty": "nothing"})["empty"] == "nothing"
    assert sharing({"kind": "split", "epoch": 3}) == {"kind": "split", "epoch": 3}
    assert sharing("bias", "surgery-nasbench201") == "bias"
    config = search_config({"supernet": {"sharing": "bias"}}, read_preset("interchoice-subimagenet"))
    assert config.strategy.config.supernet.sharing.config.empty == "published"


LARGEST = {"digits": 16, "rank-cpu": 16, "gpu-7min": 32, "small-cpu": 96, "small-gpu": 96}
"""The side of the largest images that a preset is for; else those of its benchmark."""


def activations(space, row):
    """Bytes of all that the layers of a network put out for one image, in float32."""
    sizes = []
    with on_meta():
        network = space.network(row)
        for module in network.modules():
            if not list(module.children()):
                module.register_forward_hook(lambda _, __, output: sizes.append(4 * output.numel()))
        network(torch.zeros(1, *space.input_shape, device="meta"))
    return sum(sizes), 4 * count_params(network)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_fits_the_memory_that_it_is_for(name):
    preset = read_preset(name)
    gpu = "gpu" in name or name in ("stnas-imagenet", "interchoice-subimagenet")
    side = LARGEST.get(name, 32 if "nasbench201" in name else 224)
    for kind, arguments in preset["spaces"].items():
        given = {key: as_tuples(value) for key, value in arguments.items()}
        space = make_space(kind, {**given, "image_size": side, "classes": 1000})
        each, weights = activations(space, extremes(standard_costs(space), "madds").most_expensive)
        with on_meta():
            shared = 4 * count_params(Supernet(space, single_path))
        image = 4 * 3 * side**2
        recalibration = preset.get("evaluation", {}).get("recalibration", {})
        kept = scored_images(preset.get("evaluation", {}).get("images"), space.input_shape) * image
        kept += recalibration.get("batches", 0) * recalibration.get("batch_size", 0) * image
        for part, size in (("supernet", shared), ("retraining", weights)):
            recipe = Recipe(**preset.get(part, {}).get("recipe", {"epochs": 1}))
            # Weights, gradients, momentum and average; activations of a part of a batch, half as large under autocast.
            total = 4 * size + kept + each * (recipe.at_once or recipe.batch_size) * (0.5 if gpu else 1.0)
            assert total < (80e9 if gpu else 16e9), (kind, part, total / 1e9)


def test_validation_images_are_capped_where_they_would_not_fit():
    assert scored_images(None, (3, 224, 224)) == 3566
    assert scored_images(5000, (3, 224, 224)) == 5000
    assert scored_images(None, (3, 32, 32)) > 170_000


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("seed: 1\nseed: 2\n", "seed"),
        ("data: {max_images: 9}\nretraining:\n  random: 1\n  recipe: {lr: 1}\n  random: 2\n", "random"),
        ("budget: {max_madds: 60M, max_madds: 70M}\n", "max_madds"),
    ],
)
def test_a_key_that_is_there_twice_is_refused(tmp_path, text, key):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ConfigError, match=rf"a\.yaml is not valid YAML: '{key}' is there twice: keep one of them"):
        read_config(tmp_path / "a.yaml")


def test_a_key_may_go_over_one_that_is_merged_in(tmp_path):
    (tmp_path / "a.yaml").write_text("base: &base {lr: 1, clip: 2}\nrecipe: {<<: *base, lr: 3}\nother: {lr: 1}\n")
    assert read_config(tmp_path / "a.yaml")["recipe"] == {"lr": 3, "clip": 2}


def test_bounds_are_written_in_yaml_as_people_do(tmp_path):
    (tmp_path / "a.yaml").write_text("budget: {max_madds: 60M, min_params: 1k}\n")
    budget = BudgetConfig.make(read_config(tmp_path / "a.yaml")["budget"])
    assert (budget.most, budget.least) == ({"madds": "60M"}, {"params": "1k"})
