"""``trueshot config``: what is shown of a preset, the values of the chosen parts among it."""

import json

import pytest
from cli_runs import invoke, refused, sets


def shown(*arguments):
    """Return what ``config show`` tells, by key."""
    code, out, err = invoke("config", "show", *arguments, "--json")
    assert code == 0, err
    return {value["key"]: value for value in json.loads(out)["values"]}


@pytest.mark.parametrize(
    ("arguments", "key", "value", "meaning", "choices"),
    [
        ([], "strategy", "one-shot", "how architectures are found", ["one-shot", "random", "evolution"]),
        ([], "proposer", "nsga2", "what asks for architectures.", ["nsga2", "random", "evolution", "guided"]),
        ([], "proposer.population", 24, "architectures in a generation and among the survivors.", []),
        ([], "proposer.redraws", 25, "how often children that are known or out of bounds are drawn anew", []),
        ([], "oracle.way", "auto", "single scores", ["auto", "single", "parameter", "score", "median", "fine-tuned"]),
        (sets("oracle=supernet:loss"), "oracle.metric", "loss", "accuracy or negated loss", ["accuracy", "loss"]),
        ([], "supernet.sampler.target_madds", None, "the target, met exactly", []),
        (sets("supernet.sampler=deisomorphic"), "supernet.sampler.member", "representative", "whether the least", None),
        (sets("supernet.sharing=bias"), "supernet.sharing.depth", 1, "how many choices before a site count", []),
        (sets("proposer=guided"), "proposer.predictor.penalty", 1.0, "on the squares of these numbers", []),
        (["--strategy", "random"], "proposer.evaluations", 990, "architectures in all", []),
        ([], "space.name", "topology", "what may be built", ["chain", "topology", "nasbench201"]),
        ([], "space.arguments.widths", [12, 24, 40], "channels in each stage.", []),
        (sets("space=chain"), "space.arguments.stem_width", 12, "", []),
        (sets("space.arguments.plan=wide"), "space.arguments.widths", [16, 16, 24, 64, 320], "channels in each", []),
    ],
)
def test_a_value_of_a_chosen_part_is_shown(arguments, key, value, meaning, choices):
    found = shown("digits", *arguments)[key]
    assert found["value"] == value
    assert found["meaning"].startswith(meaning)
    assert "`" not in found["meaning"]
    assert choices is None or found["choices"] == choices


def test_every_value_of_a_preset_has_a_meaning():
    for preset in ("digits", "rank-cpu"):
        assert [key for key, told in shown(preset).items() if not told["meaning"]] == []


def test_the_shape_of_the_data_is_no_argument_to_give():
    assert not {f"space.arguments.{name}" for name in ("image_size", "classes", "in_channels")} & shown("digits").keys()


def test_the_values_of_a_ranking_are_those_of_its_parts():
    found = shown("rank-cpu")
    assert found["supernet.sampler"]["value"] == "fair"
    assert found["supernet.sampler.per_step"]["value"] == 1
    assert found["space.name"]["value"] == "nasbench201"
    assert "strategy" not in found


def test_a_mistyped_choice_is_told():
    assert refused("config", "show", "digits", *sets("proposer=nsga3")).startswith("unknown proposer 'nsga3': did you")
