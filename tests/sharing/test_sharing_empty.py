"""What leaves an empty node under inter-choice bias: the published form against a slow forward from the description."""

import numpy as np
import pytest
import torch
from sharing_parts import shaken
from torch.nn import functional as F

from trueshot.evaluation.sweep import planned
from trueshot.sharing import Bias, SharedBias, Supernet, single_path
from trueshot.spaces import NasBench201
from trueshot.spaces.canonical.classes import every

SPACE = NasBench201(image_size=8, channels=2, cells=1, affine=False)
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))


def slow(supernet, images, row):
    """Every edge computes, `none` gives zeros; vectors are added to the input of all edges but the very first."""
    body, first = supernet.body, True
    x = body.stem(images)
    for layer in body.layers.values():
        if not hasattr(layer, "edges"):
            x = layer(x)
            continue
        nodes = [x, *(torch.zeros_like(x) for _ in range(3))]
        for (i, j), choice in zip(EDGES, row, strict=True):
            placed = layer.edges[f"{i}-{j}"]
            given = nodes[i] if first else nodes[i] + placed.vector(row)
            site = placed if first else placed.inner
            first = False
            if choice == 0:
                continue
            nodes[j] = nodes[j] + site.chosen(row)(given)
        x = nodes[3]
    return body.head(x)


def differing():
    """Rows in which an edge that leads to the output leaves an empty node."""
    rows = every(SPACE)
    none = rows == 0
    first, second = none[:, 0], none[:, 1] & none[:, 2]
    from_first = first & (~none[:, 4] | (~none[:, 2] & ~none[:, 5]))
    from_second = second & ~none[:, 5]
    return rows, from_first | from_second


@pytest.mark.parametrize("sharing", [Bias, SharedBias])
@pytest.mark.parametrize("train", [True, False])
def test_the_published_form_is_that_of_a_slow_forward(sharing, train):
    torch.manual_seed(0)
    supernet = shaken(Supernet(SPACE, sharing(depth=2, empty="published"))).train(train)
    images = torch.randn(4, 3, 8, 8)
    rows, differ = differing()
    generator = np.random.default_rng(0)
    chosen = np.concatenate([generator.choice(rows[differ], 25), generator.choice(rows[~differ], 10)])
    ours = Supernet(SPACE, sharing(depth=2)).train(train)
    ours.load_state_dict(supernet.state_dict())
    unlike = 0
    with torch.no_grad():
        for row in chosen.tolist():
            state = {name: value.clone() for name, value in supernet.state_dict().items()}
            expected = slow(supernet, images, row)
            supernet.load_state_dict(state)
            found = supernet(images, row)
            torch.testing.assert_close(found, expected)
            unlike += not torch.allclose(ours(images, row), found, atol=1e-6)
            supernet.load_state_dict(state)
            ours.load_state_dict(state)
    assert 10 < unlike <= 25


def test_how_many_architectures_differ():
    rows, differ = differing()
    assert differ.mean() == pytest.approx(0.21248)
    none = rows == 0
    leaving = (none[:, 0] & (~none[:, 2] | ~none[:, 4])) | (none[:, 1] & none[:, 2] & ~none[:, 5])
    # In some of the rows with such an edge it leads nowhere.
    assert leaving.mean() == pytest.approx(0.21888)
    assert not (differ & ~leaving).any()
    published, ours = (Supernet(SPACE, Bias(empty=empty)).body.layers["cell1"] for empty in ("published", "nothing"))
    for row, differs in zip(rows[::37].tolist(), differ[::37], strict=True):
        # The same edges are run in both, unless one of them leaves an empty node.
        assert (len(published.steps(row)) != len(ours.steps(row))) == differs


def test_vectors_of_zero_are_the_plain_supernet_in_our_form_alone():
    torch.manual_seed(0)
    plain = shaken(Supernet(SPACE, single_path)).eval()
    images = torch.randn(4, 3, 8, 8)
    rows, differ = differing()
    row = [0, 0, 3, 0, 0, 3]
    assert differ[(rows == row).all(axis=1)].all()
    for empty, equal in (("nothing", True), ("published", False)):
        supernet = Supernet(SPACE, Bias(empty=empty)).eval()
        weights = {name.replace(".inner", ""): name for name in supernet.state_dict()}
        state = supernet.state_dict()
        state |= {weights[name]: value for name, value in plain.state_dict().items()}
        supernet.load_state_dict(state)
        with torch.no_grad():
            assert torch.allclose(supernet(images, row), plain(images, row)) == equal


def test_networks_and_sweeps_are_those_of_the_supernet():
    torch.manual_seed(0)
    supernet = shaken(Supernet(SPACE, Bias(empty="published"))).eval()
    images = torch.randn(4, 3, 8, 8)
    rows, differ = differing()
    for row in rows[differ][::211].tolist():
        with torch.no_grad():
            torch.testing.assert_close(supernet.network(row).eval()(images), supernet(images, row))
        used = {id(parameter) for parameter in supernet.active(row).parameters}
        supernet.zero_grad()
        F.cross_entropy(supernet(images, row), torch.arange(4)).backward()
        assert {id(p) for p in supernet.parameters() if p.grad is not None} <= used
    plan, positions = planned(supernet, [tuple(row) for row in rows[differ][:40].tolist()])
    assert sum(map(len, positions.values())) == 40
    assert len(plan.operations) > 40
