"""TensorBoard as an observer of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter


class TensorBoard:
    """Writes every recorded figure under ``folder``; purged from the resumed step on, so that curves stay single."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, SummaryWriter] = {}

    def begin(self, phase: str, total: int, done: int, unit: str) -> None:
        """Open the phase's writer."""
        if phase not in self._writers:
            folder = self._folder / phase.replace(" ", "-")
            self._writers[phase] = SummaryWriter(str(folder), purge_step=done + 1 if done else None)

    def advance(self, phase: str, done: int) -> None:
        """Nothing: only recorded figures are written."""

    def record(self, phase: str, step: int, row: dict[str, Any]) -> None:
        """Write the numbers of a row."""
        for name, value in row.items():
            if isinstance(value, int | float) and phase in self._writers:
                self._writers[phase].add_scalar(name, value, step)

    def end(self, phase: str) -> None:
        """Close the phase's writer."""
        writer = self._writers.pop(phase, None)
        if writer is not None:
            writer.close()

    def say(self, message: str) -> None:
        """Nothing: messages are for people."""
