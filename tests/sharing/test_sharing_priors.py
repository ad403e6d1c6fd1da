"""What stands before a site."""

import numpy as np
import pytest
from torch import nn

from trueshot.core.errors import ConfigError
from trueshot.sharing import NASBENCH201_GRAPH, Bias, Split
from trueshot.sharing.priors import Combination, Previous
from trueshot.spaces import Chain, Chooser, NasBench201

CELLS = NasBench201(cells=1, channels=4)


def _walk(space, previous):
    found = []

    def place(site):
        found.append(tuple(chooser.genes[0] for chooser in previous.before(site)))
        return nn.Identity()

    space.assemble(place)
    return found


def test_sites_form_one_sequence_through_all_cells():
    edges = list(range(6)) * 3
    for depth in (1, 2, 3, 6):
        found = _walk(CELLS, Previous(CELLS, depth, None))
        assert found == [tuple(edges[max(0, k - depth) : k]) for k in range(18)]


def test_explicit_lists_are_repeated_in_every_cell():
    found = _walk(CELLS, Previous(CELLS, 1, NASBENCH201_GRAPH))
    assert found == [(), (), (0,), (), (0,), (1, 2)] * 3


def test_combinations_are_numbered_like_an_array():
    combination = Combination(tuple(Chooser.of_gene(gene, size) for gene, size in ((2, 4), (0, 2), (1, 3))))
    array = np.arange(24).reshape(4, 2, 3)
    assert combination.count == 24
    for index in np.ndindex(array.shape):
        arch = (index[1], index[2], index[0])
        assert combination(arch) == array[index]


@pytest.mark.parametrize("sharing", [Bias(depth=7), Split(depth=7), Bias(depth=0)])
def test_a_depth_beyond_the_decisions_is_refused(sharing):
    with pytest.raises(ConfigError, match=r"inter-choice depth \d does not fit space nasbench201, which has 6"):
        sharing(CELLS)


def test_priors_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="priors hold 6 lists, but space chain has 19 decisions"):
        Bias(priors=NASBENCH201_GRAPH)(Chain())
    with pytest.raises(ConfigError, match="priors of decision 1 of space nasbench201 name decision 6: choose 0 to 5"):
        Bias(priors=((), (6,), (), (), (), ()))(CELLS)
