"""How long to train and what to keep; the length may change while a training runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from trueshot.core.errors import TrainingError
from trueshot.core.files import write_text
from trueshot.core.run import RunDirectory, read_log


class Change(NamedTuple):
    """From ``step`` complete steps on, the training takes ``steps`` steps in all."""

    step: int
    steps: int


class Pace(NamedTuple):
    """How far a training is: complete steps, planned steps, and seconds of training so far, over all resumes."""

    step: int
    steps: int
    seconds: float


Revise = Callable[[Pace], int | None]
"""Asked after each step: the number of steps in all from now on, or ``None`` to leave the plan as it is."""


@dataclass(kw_only=True)
class Plan:
    """How long to train and what to keep.

    Only the training loop changes a plan. Each change is written to a log of its own beside ``log``
    (``NAME-plan.jsonl``) before it takes effect, and is replayed from there when a killed training goes on.

    Attributes:
        phase: name for progress and messages.
        steps: optimizer steps in all, as planned at present; schedules read their length here.
        checkpoint: file to resume from and save to, ``None`` to keep nothing.
        log: file for one JSON row an epoch, ``None`` for none.
        save_every: seconds between checkpoints; one is always written at the end.
        identity: what the checkpoint must have been made for, for example a digest of the configuration.
        changes: those that took effect, oldest first.
    """

    phase: str
    steps: int
    checkpoint: Path | None = None
    log: Path | None = None
    save_every: float = 30.0
    identity: str = ""
    changes: list[Change] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Remember the length at the start."""
        self._first = self.steps
        self._ahead: list[Change] = []

    @classmethod
    def in_run(
        cls,
        run: RunDirectory,
        name: str,
        steps: int,
        *,
        identity: str,
        save_every: float,
        phase: str | None = None,
        training_round: int = 1,
    ) -> Plan:
        """Return a plan that keeps its checkpoint and log in a run directory.

        Args:
            run: the directory.
            name: of checkpoint and log.
            steps: optimizer steps in all.
            identity: what the checkpoint must have been made for.
            save_every: seconds between checkpoints.
            phase: name for progress, by default ``name``.
            training_round: number of the training, from 1, where a run trains the same thing several times: the second
                is called ``NAME-r2``. Its identity differs from that of the first.
        """
        tail = "" if training_round == 1 else f"-r{training_round}"
        return cls(
            phase=(phase or name) + tail,
            steps=steps,
            checkpoint=run.checkpoint(name + tail),
            log=run.log(name + tail),
            identity=identity + tail,
            save_every=save_every,
        )

    @property
    def changes_log(self) -> Path | None:
        """File for one JSON row a change."""
        return None if self.log is None else self.log.with_name(f"{self.log.stem}-plan{self.log.suffix}")

    def resume(self, step: int, changes: Sequence[Change]) -> None:
        """Go back to ``step``, until which these changes took effect; later ones in the log will be made again."""
        self.changes = list(changes)
        self.steps = self.changes[-1].steps if changes else self._first
        rows = [] if self.changes_log is None else read_log(self.changes_log)
        own = [Change(row["step"], row["steps"]) for row in rows if row["identity"] == self.identity]
        self._ahead = [change for change in own if change.step > step]

    def advance(self, pace: Pace, revise: Revise | None) -> bool:
        """Change the length where the log says so for this step or, where it holds no later change, where asked to.

        Returns:
            Whether the length changed.

        Raises:
            TrainingError: when more steps are done than are asked for.
        """
        if self._ahead:
            if self._ahead[0].step != pace.step:
                return False
            self.changes.append(self._ahead.pop(0))
        else:
            steps = None if revise is None else revise(pace)
            if steps is None or steps == self.steps:
                return False
            if steps < pace.step:
                raise TrainingError(
                    f"{self.phase} cannot be shortened to {steps} steps: {pace.step} are done, ask for at least these"
                )
            self.changes.append(Change(pace.step, steps))
            self._write()
        self.steps = self.changes[-1].steps
        return True

    def _write(self) -> None:
        if self.changes_log is not None:
            rows = [{"step": step, "steps": steps, "identity": self.identity} for step, steps in self.changes]
            write_text(self.changes_log, "".join(json.dumps(row) + "\n" for row in rows))
