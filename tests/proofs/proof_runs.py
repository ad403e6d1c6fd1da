"""What the proofs have in common: a search of the digits that takes a second."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "cli"))

from cli_runs import DIGITS, invoke, refused, sets  # noqa: E402

__all__ = ["DIGITS", "FAST", "HERE", "PARTS", "SMALL", "SPACE", "TINY", "invoke", "refused", "sets"]

PARTS, SPACE = HERE / "my_parts.py", HERE / "my_space.py"
FAST = sets(
    "data={max_images: 120, max_test_images: 40}",
    "retraining={recipe: {epochs: 1, batch_size: 64, lr: 0.1, warmup_epochs: 0}, repeats: 1, random: 1}",
    "retraining.off_the_shelf=false",
    "retraining.convergence=false",
    "budget.fractions=[1.0]",
    "threads=1",
)
TINY = sets("supernet.recipe={epochs: 1, batch_size: 32, lr: 0.1}", "weight_sampling.samples=1")
SMALL = [*TINY, "--set", "proposer={population: 3, generations: 2}"]
