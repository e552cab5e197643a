"""Progress for a waiting user: how far, how fast, and an ETA from live queries only."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Literal, TextIO

RATE_OVER_S = 60.0
"""The rate shown is that of the last minute: an older one says little about the time left."""
NOTED_PAUSE_S = 5.0
"""Pauses from this length on get a line of their own, or the user would see nothing happen."""
Kind = Literal["auto", "lines", "json"]


class Progress:
    """Is called with every batch of labels; this class shows nothing, others show a line."""

    def phase(self, name: str, note: str = "") -> None:  # noqa: ARG002 - those that show it
        """Call what is asked from now on ``name``; ``note`` says more about it."""
        if note:
            self.note(note)

    def start(self, planned: int, known: int) -> None:
        """Begin an audit of ``planned`` queries; ``known`` labels are in the store already."""

    def advance(self, labels: int, *, live: bool) -> None:
        """Add ``labels`` known ones; ``live`` if the target was asked for them."""

    def paced(self, lost_s: float, most_per_s: float | None) -> None:
        """Leave ``lost_s`` seconds without an answer out of the rate, which will be at most
        ``most_per_s`` queries per second from now on; None for no such limit.
        """

    def waiting(self, seconds: float, why: str) -> None:  # noqa: ARG002 - those that show it
        """Show that nothing is asked for ``seconds``, because of ``why`` (a status, in words)."""
        if seconds >= NOTED_PAUSE_S:
            self.note(f"The target asks for a pause of {seconds:.0f} s.")

    def found(self, text: str) -> None:
        """Show a search's best find so far."""

    def note(self, message: str) -> None:
        """Show a message at once."""

    def finish(self) -> None:
        """End the audit that :meth:`start` began."""


class StreamProgress(Progress):
    """A line every ``quiet_s`` seconds, for a log; other displays of the same numbers extend it.

    The ETA comes from the rate of live queries: labels from the store cost nothing and would
    make it look too good. ``stream`` is standard error by default, ``now`` gives seconds, and
    ``price`` is that of a query, if there is one.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        quiet_s: float = 30.0,
        now: Callable[[], float] = time.monotonic,
        price: float | None = None,
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._now, self._interval, self._price = now, quiet_s, price
        self._planned = self._done = self._live = self._before = 0
        self._began = self._shown = now()
        self._lost, self._most = 0.0, float("inf")
        self._marks = deque([(0.0, 0)])
        self._phase, self._best = "", ""

    def phase(self, name: str, note: str = "") -> None:
        """See :class:`Progress`."""
        super().phase(name, note)
        self._phase, self._best = name, ""

    def start(self, planned: int, known: int) -> None:
        """See :class:`Progress`."""
        self._before += self._live
        self._planned, self._done, self._live = planned, known, 0
        self._began = self._now()
        self._lost, self._marks = 0.0, deque([(0.0, 0)])
        # The first line comes after a second, when there is a rate to tell.
        self._shown = self._began - self._interval + 1.0

    def advance(self, labels: int, *, live: bool) -> None:
        """See :class:`Progress`."""
        self._done += labels
        self._live += labels if live else 0
        now = self._now()
        asked = now - self._began - self._lost
        if asked >= self._marks[-1][0] + 1.0:
            self._marks.append((asked, self._live))
        while len(self._marks) > 1 and self._marks[1][0] <= asked - RATE_OVER_S:
            self._marks.popleft()
        if now - self._shown >= self._interval:
            self._shown = now
            self._show(now)

    def paced(self, lost_s: float, most_per_s: float | None) -> None:
        """See :class:`Progress`."""
        self._lost += lost_s
        self._most = float("inf") if most_per_s is None else most_per_s

    def found(self, text: str) -> None:
        """See :class:`Progress`."""
        self._best = text

    def note(self, message: str) -> None:
        """See :class:`Progress`."""
        self._write(f"{message}\n")

    def finish(self) -> None:
        """See :class:`Progress`."""
        if self._planned:
            self._show(self._now())
            self._end_line()
        self._planned = 0

    def _end_line(self) -> None:
        """End the line of a display that rewrites it."""

    def _show(self, now: float) -> None:
        self._write(f"{self._line(now)}\n")

    def _line(self, now: float) -> str:
        """All that is known at ``now``."""
        planned = max(self._planned, self._done)
        share = self._done / planned if planned else 1.0
        text = f"{self._done:,} of {planned:,} labels ({share:.0%})"
        parts = [f"{self._phase}: {text}" if self._phase else text, *self._pace(now)]
        return ", ".join(parts) + (f"; {self._best}" if self._best else "")

    def _pace(self, now: float) -> list[str]:
        """Rate, time left and money, as far as they are known."""
        rate = self._rate(now)
        parts = []
        if rate:
            left = (max(self._planned, self._done) - self._done) / rate
            parts = [f"{rate:,.0f} queries/s", f"{duration(left)} left"]
        if self._price is not None:
            parts.append(f"{self._spent():,.2f} spent")
        return parts

    def _spent(self) -> float | None:
        """The price of all live queries of all phases; None if they have none."""
        asked = self._before + self._live
        return None if self._price is None else round(asked * self._price, 2)

    def _rate(self, now: float) -> float | None:
        """Live queries per second, those without an answer left out; None if there were none."""
        asked = now - self._began - self._lost
        since, known = self._marks[0]
        if self._live <= known or asked <= since:
            return None
        return min((self._live - known) / (asked - since), self._most)

    def _write(self, text: str) -> None:
        # A reader that went away (a closed pipe) is no reason to end an audit.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()


class NotebookProgress(StreamProgress):
    r"""One line that rewrites itself in a notebook's output area, which knows ``\r`` but no
    terminal codes. ``stream`` is standard output by default, which notebooks show without alarm.
    """

    def __init__(
        self, stream: TextIO | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(sys.stdout if stream is None else stream, quiet_s=0.5, now=now)
        self._width = 0

    def note(self, message: str) -> None:
        """See :class:`Progress`."""
        self._rewrite(message)
        self._end_line()

    def _show(self, now: float) -> None:
        self._rewrite(self._line(now))

    def _rewrite(self, text: str) -> None:
        self._write("\r" + text.ljust(self._width))
        self._width = len(text)

    def _end_line(self) -> None:
        self._write("\n")
        self._width = 0


class EventProgress(StreamProgress):
    """Hands every event to ``emit`` as a dictionary whose ``event`` is ``phase``, ``progress``,
    ``waiting``, ``found``, ``note`` or ``end``; ``progress`` comes at most every ``every_s``.
    """

    def __init__(
        self,
        emit: Callable[[dict[str, Any]], object],
        every_s: float = 1.0,
        now: Callable[[], float] = time.monotonic,
        price: float | None = None,
    ) -> None:
        super().__init__(quiet_s=every_s, now=now, price=price)
        self._emit = emit

    def phase(self, name: str, note: str = "") -> None:
        """See :class:`Progress`."""
        super().phase(name)
        self._emit({"event": "phase", "phase": name, "text": note})

    def waiting(self, seconds: float, why: str) -> None:
        """See :class:`Progress`."""
        self._emit({"event": "waiting", "seconds": round(seconds, 1), "why": why})

    def found(self, text: str) -> None:
        """See :class:`Progress`."""
        self._emit({"event": "found", "text": text})

    def note(self, message: str) -> None:
        """See :class:`Progress`."""
        self._emit({"event": "note", "text": message})

    def finish(self) -> None:
        """See :class:`Progress`."""
        if self._planned:
            self._emit(self._numbers(self._now(), "end"))
        self._planned = 0

    def _show(self, now: float) -> None:
        self._emit(self._numbers(now, "progress"))

    def _numbers(self, now: float, event: str) -> dict[str, Any]:
        planned, rate = max(self._planned, self._done), self._rate(now)
        return {
            "event": event,
            "phase": self._phase,
            "labels": self._done,
            "at_most": planned,
            "queries_per_second": rate and round(rate, 1),
            "seconds_left": rate and round((planned - self._done) / rate, 1),
            "spent": self._spent(),
        }


class JsonProgress(EventProgress):
    """Every event as a line of JSON on ``stream``, standard error by default."""

    def __init__(self, stream: TextIO | None = None, price: float | None = None) -> None:
        super().__init__(lambda event: self._write(json.dumps(event) + "\n"), price=price)
        self._stream = sys.stderr if stream is None else stream


def choose_progress(kind: Kind = "auto", price: float | None = None) -> Progress:
    """The progress that suits standard output and error (a notebook, a terminal or a log), or the
    ``kind`` that was asked for.
    """
    if kind == "json":
        return JsonProgress(price=price)
    if kind == "auto" and type(sys.stdout).__module__.split(".")[0] == "ipykernel":
        return NotebookProgress()
    if kind == "auto" and sys.stderr.isatty() and os.environ.get("TERM") not in {"dumb", "unknown"}:
        from auditor.engine.live_progress import LiveProgress  # noqa: PLC0415 - it loads rich

        return LiveProgress(price=price)
    return StreamProgress(price=price)


class SearchProgress(Progress):
    """Shows the many small batches of an adaptive probe as one piece of work.

    The ETA is that of ``budget``, the queries after which the probe starts nothing new: how many
    it needs is unknown beforehand, and most searches end earlier.
    """

    def __init__(self, inner: Progress, budget: int) -> None:
        self._inner = inner
        inner.start(budget, 0)

    def start(self, planned: int, known: int) -> None:  # noqa: ARG002 - the batch's own size
        """See :class:`Progress`; labels from the store count as done."""
        if known:
            self._inner.advance(known, live=False)

    def advance(self, labels: int, *, live: bool) -> None:
        """See :class:`Progress`."""
        self._inner.advance(labels, live=live)

    def paced(self, lost_s: float, most_per_s: float | None) -> None:
        """See :class:`Progress`."""
        self._inner.paced(lost_s, most_per_s)

    def phase(self, name: str, note: str = "") -> None:
        """See :class:`Progress`."""
        self._inner.phase(name, note)

    def waiting(self, seconds: float, why: str) -> None:
        """See :class:`Progress`."""
        self._inner.waiting(seconds, why)

    def found(self, text: str) -> None:
        """See :class:`Progress`."""
        self._inner.found(text)

    def note(self, message: str) -> None:
        """See :class:`Progress`."""
        self._inner.note(message)

    def finish(self) -> None:
        """Show nothing: a batch ended, the search goes on."""

    def end(self) -> None:
        """End the search."""
        self._inner.finish()


def duration(seconds: float) -> str:
    """A time left, to the second below an hour."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def span_text(seconds: float) -> str:
    """A span of time in words, in its two largest units: ``20 s``, ``5 min``, ``2 d 3 h``."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    whole, parts = round(seconds), []
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if whole >= size:
            parts.append(f"{whole // size} {unit}")
        whole %= size
    return " ".join(parts[:2])
