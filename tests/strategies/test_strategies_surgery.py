"""The preset of the Surgery paper is its Table 1."""

from trueshot.cli.early import search_config
from trueshot.spaces import NasBench201
from trueshot.strategies.presets import read_preset
from trueshot.training.config import Plateau

PRESET = "surgery-nasbench201"


def test_the_preset_is_table_1():
    preset = read_preset(PRESET)
    space = NasBench201(**preset["spaces"]["nasbench201"])
    config = search_config({}, preset).strategy.config
    recipe = config.supernet.recipe
    assert (recipe.lr, recipe.momentum, recipe.weight_decay, recipe.batch_size) == (0.05, 0.9, 5e-4, 512)
    assert (recipe.plateau, recipe.dropout, recipe.clip) == (Plateau(factor=0.5, patience=30), 0.1, 5.0)
    assert (recipe.epochs, recipe.warmup_epochs, recipe.nesterov) == (1000, 0.0, False)
    # 17 layers are 15 cells and two reductions.
    assert (space.channels, 3 * space.cells + 2, space.affine) == (16, 17, False)
    assert config.evaluation.recalibration.mode == "running"
    assert config.supernet.sampler.kind == "uniform"


def test_one_value_of_it_can_be_changed():
    config = search_config({"supernet": {"recipe": {"plateau": {"patience": 5}}}}, read_preset(PRESET))
    assert config.strategy.config.supernet.recipe.plateau == Plateau(factor=0.5, patience=5)
