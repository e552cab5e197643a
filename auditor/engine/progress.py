"""Progress for a waiting user: how far, how fast, and an ETA from live queries only."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import TextIO

CLEAR_LINE = "\r\x1b[2K"
RATE_OVER_S = 60.0
"""The rate shown is that of the last minute: an older one says little about the time left."""


class Progress:
    """Is called with every batch of labels; this class shows nothing, others show a line."""

    def start(self, planned: int, known: int) -> None:
        """Begin an audit of ``planned`` queries; ``known`` labels are in the store already."""

    def advance(self, labels: int, *, live: bool) -> None:
        """Add ``labels`` known ones; ``live`` if the target was asked for them."""

    def paced(self, lost_s: float, most_per_s: float | None) -> None:
        """Leave ``lost_s`` seconds without an answer out of the rate, which will be at most
        ``most_per_s`` queries per second from now on; None for no such limit.
        """

    def note(self, message: str) -> None:
        """Show a message at once."""

    def finish(self) -> None:
        """End the audit that :meth:`start` began."""


class StreamProgress(Progress):
    """One line that rewrites itself on a terminal; elsewhere a line every ``quiet_s`` seconds.

    The ETA comes from the rate of live queries: labels from the store cost nothing and would
    make it look too good. ``stream`` is standard error by default, ``now`` gives seconds.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        quiet_s: float = 10.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._now = now
        self._live_terminal = self._stream.isatty()
        self._interval = 0.2 if self._live_terminal else quiet_s
        self._planned = self._done = self._live = 0
        self._began = self._shown = now()
        self._lost, self._most = 0.0, float("inf")
        self._marks = deque([(0.0, 0)])

    def start(self, planned: int, known: int) -> None:
        """See :class:`Progress`."""
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

    def note(self, message: str) -> None:
        """See :class:`Progress`."""
        self._write(f"{CLEAR_LINE if self._live_terminal else ''}{message}\n")

    def finish(self) -> None:
        """See :class:`Progress`."""
        if self._planned:
            self._show(self._now())
            self._end_line()
        self._planned = 0

    def _end_line(self) -> None:
        if self._live_terminal:
            self._write("\n")

    def _show(self, now: float) -> None:
        line = self._line(now - self._began - self._lost)
        self._write(f"{CLEAR_LINE}{line}" if self._live_terminal else f"{line}\n")

    def _line(self, asked: float) -> str:
        """The line after ``asked`` seconds, those without an answer left out."""
        planned = max(self._planned, self._done)
        share = self._done / planned if planned else 1.0
        text = f"{self._done:,} of {planned:,} labels ({share:.0%})"
        since, known = self._marks[0]
        if self._live > known and asked > since:
            rate = min((self._live - known) / (asked - since), self._most)
            left = (planned - self._done) / rate
            text += f", {rate:,.0f} queries/s, {_duration(left)} left"
        return text

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
        self._rewrite(self._line(now - self._began - self._lost))

    def _rewrite(self, text: str) -> None:
        self._write("\r" + text.ljust(self._width))
        self._width = len(text)

    def _end_line(self) -> None:
        self._write("\n")
        self._width = 0


def choose_progress() -> Progress:
    """The progress that suits standard output and error: a notebook, a terminal or a log."""
    notebook = type(sys.stdout).__module__.split(".")[0] == "ipykernel"
    return NotebookProgress() if notebook else StreamProgress()


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

    def note(self, message: str) -> None:
        """See :class:`Progress`."""
        self._inner.note(message)

    def finish(self) -> None:
        """Show nothing: a batch ended, the search goes on."""

    def end(self) -> None:
        """End the search."""
        self._inner.finish()


def _duration(seconds: float) -> str:
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
