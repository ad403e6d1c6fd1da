"""The checks of ``gpu.py --part tests``: those of the tests that need a GPU, without pytest.

Run: ``python benchmarks/gpu_tests.py NAME --device cuda|cpu --folder DIR``; exits with 0 where the check passes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

TESTS = Path(__file__).parent.parent / "tests"
sys.path[:0] = [str(TESTS / "cli"), str(TESTS / "operations")]


def pooling(device: str, folder: Path) -> None:
    """Averages and gradients of all sizes, formats and types are those of float64 on the processor."""
    from pooling_checks import FORMATS, SHAPES, TOLERANCE, check

    from trueshot.operations.pooling import AveragePool, average

    for pool in (AveragePool(), average):
        for shape in (*SHAPES, (64, 8, 16, 17)):
            for memory_format in FORMATS:
                for dtype in TOLERANCE:
                    check(pool, shape, memory_format, dtype, device)


def search(device: str, folder: Path) -> None:
    """A search exports networks for the processor, and a finished one is only read again."""
    from device_checks import check_search

    check_search(device, folder)


def ranking(sharing: str, device: str, folder: Path) -> None:
    """A ranking scores every architecture."""
    from device_checks import check_ranking

    check_ranking(device, sharing, folder)


CHECKS: dict[str, Callable[[str, Path], None]] = {
    "pooling": pooling,
    "search": search,
    **{f"ranking-{sharing}": partial(ranking, sharing) for sharing in ("plain", "bias", "split")},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("check", choices=tuple(CHECKS))
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--folder", type=Path, required=True, help="an empty folder for what the check writes")
    options = parser.parse_args()
    CHECKS[options.check](options.device, options.folder)
    print(f"{options.check}: passed")


if __name__ == "__main__":
    main()
