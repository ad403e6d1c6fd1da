import dataclasses
import json
from typing import Any

import pytest
from torch import nn

from trueshot.core.errors import ConfigError
from trueshot.spaces import Chain, Space, Topology
from trueshot.spaces.description import describe, plain, rebuild


@dataclasses.dataclass(frozen=True, kw_only=True)
class Odd(Space):
    what: Any = 1

    def assemble(self, place):
        return nn.Sequential()


@pytest.mark.parametrize("space", [Chain(), Topology(nodes=(1, 2), widths=(8, 16), classes=3), Odd(what=((1, 2), "a"))])
def test_round_trip_through_json(space):
    again = rebuild(json.loads(json.dumps(describe(space))))
    assert again == space
    assert type(again) is type(space)


def test_what_json_cannot_hold_is_refused():
    with pytest.raises(ConfigError, match="cannot be written as JSON"):
        describe(Odd(what={1, 2}))


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({}, "does not describe"),
        ({"class": "trueshot.spaces.Chain", "arguments": {}}, "does not describe"),
        ({"class": "trueshot.spaces:Nothing", "arguments": {}}, "cannot import"),
        ({"class": "trueshot.spaces:Chain.assemble", "arguments": {}}, "is no space"),
        ({"class": "pathlib:Path", "arguments": {}}, "is no space"),
        ({"class": "trueshot.spaces:Chain", "arguments": {"depth": 3}}, "does not take"),
        ({"class": "trueshot.spaces:Space", "arguments": {}}, "does not take"),
    ],
)
def test_malformed_descriptions_are_refused(description, message):
    with pytest.raises(ConfigError, match=message):
        rebuild(description)


def test_fingerprints_are_made_of_what_is_not_at_its_default():
    assert plain(Chain())["arguments"] == {}
    assert plain(Chain(classes=10, image_size=224))["arguments"] == {"classes": 10}
    assert plain(Chain(classes=10)) != plain(Chain(classes=11))

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Wider(Chain):
        more: tuple[int, ...] = (1, 2)

    assert plain(Wider(classes=10))["arguments"] == plain(Chain(classes=10))["arguments"]
    assert plain(Wider(more=(3,)))["arguments"] == {"more": [3]}
