"""TensorBoard as an observer of a run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter


class TensorBoard:
    """Writes every recorded figure and text under ``folder``; a resume purges what it repeats: curves stay single.

    Figures that cannot be written, on a full disk for one, end the writing and not the run, which keeps them elsewhere.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, SummaryWriter] = {}
        self._failed = False

    def begin(self, phase: str, total: int, done: int, unit: str) -> None:
        """Open the phase's writer."""
        if phase not in self._writers and not self._failed:
            folder = self._folder / phase.replace(" ", "-")
            with self._trying():
                self._writers[phase] = SummaryWriter(str(folder), purge_step=done + 1 if done else None)

    def advance(self, phase: str, done: int) -> None:
        """Nothing: only recorded figures are written."""

    def record(self, phase: str, step: int, row: dict[str, Any]) -> None:
        """Write the numbers and the texts of a row."""
        writer = self._writers.get(phase)
        if writer is None:
            return
        with self._trying():
            for name, value in row.items():
                if isinstance(value, str):
                    writer.add_text(name, value, step)
                elif isinstance(value, int | float):
                    writer.add_scalar(name, value, step)

    def end(self, phase: str) -> None:
        """Close the phase's writer."""
        writer = self._writers.pop(phase, None)
        if writer is not None:
            with self._trying():
                writer.close()

    def say(self, message: str) -> None:
        """Nothing: messages are for people."""

    @contextmanager
    def _trying(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._failed = True
            self._writers.clear()
            print(f"warning: no more figures for TensorBoard: {error}", file=sys.stderr)
