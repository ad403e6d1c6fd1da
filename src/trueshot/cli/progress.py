"""Progress for people: bars with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeLeft

from trueshot.core.units import format_duration


def _figures(row: dict[str, Any]) -> str:
    shown = {key: value for key, value in row.items() if key not in ("epoch", "seconds") and value is not None}
    return "  ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in shown.items()
    )


class Bars:
    """Rich progress bars on standard error, one for each phase, with the latest figures beside them."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<28}", markup=False),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeLeft(compact=True),
            TextColumn("{task.fields[figures]}", style="dim", markup=False),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}
        self._running: set[str] = set()

    def __enter__(self) -> Bars:
        """Show the bars."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the bars as they are."""
        self._progress.stop()

    def begin(self, phase: str, total: int, done: int, unit: str) -> None:
        """Add a bar, or give the one there is another length."""
        if phase in self._running:
            self._progress.update(self._tasks[phase], total=total, completed=done)
        else:
            self._tasks[phase] = self._progress.add_task(phase, total=total, completed=done, figures="")
            self._running.add(phase)

    def advance(self, phase: str, done: int) -> None:
        """Move the bar."""
        self._progress.update(self._tasks[phase], completed=done)

    def record(self, phase: str, step: int, row: dict[str, Any]) -> None:
        """Show the latest figures."""
        self._progress.update(self._tasks[phase], figures=_figures(row))

    def end(self, phase: str) -> None:
        """Fill the bar."""
        self._running.discard(phase)
        task = self._tasks[phase]
        self._progress.update(task, completed=self._progress.tasks[task].total)

    def say(self, message: str) -> None:
        """Print a line above the bars."""
        self._progress.console.print(message, highlight=False, markup=False)


class Lines:
    """Plain lines on standard error, at most one every few seconds for each phase."""

    def __init__(self, every: float = 10.0) -> None:
        self._every = every
        self._begun: dict[str, tuple[float, int, int, str]] = {}
        self._running: set[str] = set()
        self._figures: dict[str, str] = {}
        self._last = 0.0

    def __enter__(self) -> Lines:
        """Nothing to open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close."""

    def begin(self, phase: str, total: int, done: int, unit: str) -> None:
        """Say what starts, or what has another length now."""
        if phase in self._running:
            start, _, before, _ = self._begun[phase]
            self._begun[phase] = start, total, before, unit
            self.say(f"{phase}: {total} {unit}s now, {done} done")
            return
        self._running.add(phase)
        self._begun[phase] = time.monotonic(), total, done, unit
        self.say(f"{phase}: {total} {unit}s" + (f", {done} done before" if done else ""))

    def advance(self, phase: str, done: int) -> None:
        """Say how far it is, now and then."""
        now = time.monotonic()
        if now - self._last < self._every:
            return
        self._last = now
        start, total, before, unit = self._begun[phase]
        left = (now - start) / max(1, done - before) * (total - done)
        self.say(f"{phase}: {done}/{total} {unit}s, {format_duration(left)} left  {self._figures.get(phase, '')}")

    def record(self, phase: str, step: int, row: dict[str, Any]) -> None:
        """Keep the latest figures for the next line."""
        self._figures[phase] = _figures(row)

    def end(self, phase: str) -> None:
        """Say that it is done."""
        self._running.discard(phase)
        start = self._begun[phase][0]
        self.say(f"{phase}: done in {format_duration(time.monotonic() - start)}  {self._figures.get(phase, '')}")

    def say(self, message: str) -> None:
        """Print one line."""
        print(message.rstrip(), file=sys.stderr, flush=True)


def make_progress() -> Bars | Lines:
    """Return bars on a terminal and plain lines elsewhere."""
    return Bars() if sys.stderr.isatty() else Lines()
