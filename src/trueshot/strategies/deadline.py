"""A deadline that a run keeps: a clock that stands still while the run is killed, and decisions that are made once.

What a run does for how long depends on how fast the machine is. Each such decision is written down before it takes
effect, and a run that goes on after a kill takes it from there: with the same decisions it trains the same weights, to
the last bit at one number of threads.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

from trueshot.core.files import read_json, write_json, write_text
from trueshot.core.run import RunDirectory, read_log
from trueshot.training.plan import Pace, Revise

_CHECKS = 20
"""How often in the course of a training its length is thought over."""
_WORTH = 0.03
"""Share of the steps left below which a change of their number is not worth making."""
_MARK = 5.0
"""Seconds between notes of the time used."""


@final
class Deadline:
    """The time that a run has, and what was decided on it.

    Args:
        run: the directory; the time used is kept in ``log/clock.json``, decisions in ``log/schedule.jsonl``.
        seconds: the time asked for, all attempts together.
        ends: seconds of the run at which its parts should be done, by name.
        cut: what was left out for lack of time, for people.
        started: value of ``time.monotonic`` at which this process began to count.
    """

    def __init__(
        self, run: RunDirectory, seconds: float, ends: Mapping[str, float], *, cut: Sequence[str] = (), started: float
    ) -> None:
        self.seconds, self.ends, self.cut = seconds, ends, tuple(cut)
        self._clock: Path = run.path / "log" / "clock.json"
        self._log = run.log("schedule")
        self._before = read_json(self._clock)["seconds"] if self._clock.exists() else 0.0
        self._started = self._marked = started
        self._decisions: dict[str, dict[str, Any]] = {row["what"]: row for row in read_log(self._log)}

    @property
    def used(self) -> float:
        """Seconds of the run so far, without those between attempts."""
        used: float = self._before + time.monotonic() - self._started
        return used

    def left(self, part: str | None = None) -> float:
        """Return the seconds until a part should be done, or until the deadline; below zero when it is over."""
        return (self.seconds if part is None else self.ends.get(part, self.seconds)) - self.used

    def until(self, part: str) -> float:
        """Return the second of the run at which a part that begins now should be done; it is decided once.

        That is its planned end; where earlier parts took longer, it has as long as was planned for it all the same.
        """
        end = self.ends.get(part, self.seconds)
        planned = end - max((other for other in self.ends.values() if other < end), default=0.0)
        return float(self.decide(f"{part} until", lambda: {"until": max(end, self.used + planned)})["until"])

    def mark(self) -> None:
        """Note the time used, from which a later attempt counts on; at most every few seconds."""
        now = time.monotonic()
        if now - self._marked >= _MARK:
            self._write(now)

    def _write(self, now: float) -> None:
        self._marked = now
        write_json(self._clock, {"seconds": self.used})

    def decided(self, what: str) -> dict[str, Any] | None:
        """Return an earlier decision, ``None`` where it was not made yet."""
        return self._decisions.get(what)

    def decide(self, what: str, make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """Return the decision of this name: the one written down, else what ``make`` says, which is written down.

        Args:
            what: its name, unique in the run.
            make: returns plain JSON values.
        """
        if what not in self._decisions:
            row = {"what": what, "at": self.used, **make()}
            self._decisions[what] = row
            self._write(time.monotonic())
            write_text(self._log, "".join(json.dumps(row) + "\n" for row in self._decisions.values()))
        return self._decisions[what]

    def pacing(self, part: str, *, least: int, most: int) -> Revise:
        """Return what keeps a training's length such that it ends when the part should, by the speed measured.

        The training's own plan writes each change down and repeats it.

        Args:
            part: whose end the training is to meet.
            least: steps in all, at least.
            most: at most.
        """

        def revise(pace: Pace) -> int | None:
            self.mark()
            if pace.step % max(1, pace.steps // _CHECKS) or pace.step >= pace.steps:
                return None
            affordable = pace.step + self.left(part) * pace.step / max(pace.seconds, 1e-9)
            steps = int(min(max(affordable, least, pace.step + 1), most))
            return steps if abs(steps - pace.steps) > _WORTH * (pace.steps - pace.step) else None

        return revise
