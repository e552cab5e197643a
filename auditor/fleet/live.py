"""The live view of a fleet on the terminal: audits that ended, those that run, money, time left."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from auditor.engine.progress import span_text
from auditor.fleet.rows import DONE, FAILED, PARTIAL
from auditor.report.wording.text import plural, safe_text

CLEAR_LINE = "\r\x1b[2K"
NAMED = 3
"""Running audits that the line names."""


class Live:
    """Writes lines through ``write``; on a terminal the last one is written again and again, else
    it comes every ``every`` seconds.

    Args:
        write: takes text.
        total: audits of the fleet.
        done: of those, audits that were done before.
        money: price of 1,000 queries by audit.
        terminal: true if a line can be written again.
        every: seconds between two lines.
        now: gives seconds.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        total: int,
        done: int,
        money: Mapping[str, float],
        *,
        terminal: bool,
        every: float = 10.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write, self._total, self._done, self._money = write, total, done, money
        self._terminal, self._every, self._now = terminal, 0.2 if terminal else every, now
        self._began = self._shown = now()
        self._ended = self._suspected = self._failed = self._queries = 0
        self._paid, self._seconds = 0.0, 0.0
        # Progress comes from the client's own thread.
        self._lock = threading.Lock()
        self._running: dict[str, tuple[int, int, int]] = {}

    def told(self, run: str, message: Any) -> None:
        """Take in a worker's report on one audit of ``run``."""
        of_run, name, done, planned, live = message
        with self._lock:
            if of_run == run and name in self._running:
                self._running[name] = (done, planned, live)

    def started(self, name: str) -> None:
        """Note that the audit ``name`` was handed out."""
        with self._lock:
            self._running[name] = (0, 0, 0)

    def ended(self, row: Mapping[str, Any]) -> None:
        """Note that an audit ended, and say how."""
        with self._lock:
            self._running.pop(row["name"], None)
        self._ended += 1
        self._suspected += row["verdict"] == "backdoor-suspected"
        self._failed += row["outcome"] == FAILED
        self._queries += row["sent_now"]
        self._paid += row["sent_now"] * self._money.get(row["name"], 0.0) / 1000.0
        self._seconds += row["seconds"]
        said = row["verdict"] if row["outcome"] in {DONE, PARTIAL} else row["outcome"]
        said += f": {safe_text(row['reason'], 160)}" if not row["verdict"] else ""
        self.note(f"{row['name']}: {said}, {row['queries']:,} queries")

    def note(self, message: str) -> None:
        """Show a message at once."""
        self._write(f"{CLEAR_LINE if self._terminal else ''}{message}\n")

    def show(self, out: int, waiting: int) -> None:
        """Show the line, if it is time to: ``out`` audits are handed out, ``waiting`` are not."""
        if self._now() - self._shown >= self._every:
            self._shown = self._now()
            line = self.line(out, waiting)
            self._write(f"{CLEAR_LINE}{line}" if self._terminal else f"{line}\n")

    def line(self, out: int, waiting: int) -> str:
        """The line as it stands."""
        with self._lock:
            running = {n: s for n, s in self._running.items() if s[1]}
        parts = [f"{self._done + self._ended} of {plural(self._total, 'audit')}"]
        parts += [f"{self._suspected} suspected"] if self._suspected else []
        parts += [f"{self._failed} failed"] if self._failed else []
        named = [f"{n} {done / planned:.0%}" for n, (done, planned, _) in running.items()]
        more = len(named) - NAMED
        parts += [", ".join(named[:NAMED]) + (f" and {more} more" if more > 0 else "")] * bool(
            named
        )
        live = {name: state[2] for name, state in running.items()}
        parts += [f"{self._queries + sum(live.values()):,} queries"]
        if any(self._money.values()):
            due = sum(count * self._money.get(name, 0.0) for name, count in live.items())
            parts += [f"{self._paid + due / 1000.0:,.2f} spent"]
        if self._ended:
            # The pace of the audits that ended, whatever the number of workers that made it.
            left = (self._now() - self._began) / self._ended * (waiting + out)
            parts += [f"{span_text(left)} left"]
        return "; ".join(parts)

    def end(self) -> None:
        """End the line."""
        if self._terminal:
            self._write(CLEAR_LINE)
