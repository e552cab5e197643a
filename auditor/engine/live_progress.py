"""Progress on a terminal: a few short lines that are drawn again in their place."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.text import Text

from auditor.engine.progress import StreamProgress, duration

WIDEST = 58
"""Columns of the region, however wide the window is: longer lines would wrap when it shrinks, and
what is then drawn again would leave their ends behind."""
REFRESH_PER_S = 4


class LiveProgress(StreamProgress):
    """One region of at most five lines: phase, bar, queries, pace, and a find or a wait.

    Args:
        stream: the terminal; standard error by default.
        now: gives seconds.
        price: that of a query, if there is one.
        ticking: False to draw on events alone, as a test does that has its own clock.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        now: Callable[[], float] = time.monotonic,
        price: float | None = None,
        *,
        ticking: bool = True,
    ) -> None:
        super().__init__(stream, 1.0 / REFRESH_PER_S, now, price)
        stream = sys.stderr if stream is None else stream
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._ticking = ticking
        self._live_region: Live | None = None
        self._wait_until, self._why = float("-inf"), ""

    def phase(self, name: str, note: str = "") -> None:  # noqa: ARG002 - the region says it
        """See :class:`Progress`."""
        super().phase(name)

    def start(self, planned: int, known: int) -> None:
        """See :class:`Progress`."""
        super().start(planned, known)
        self._wait_until = float("-inf")
        if self._live_region is None and planned:
            self._live_region = Live(
                self,
                console=self._console,
                auto_refresh=self._ticking,
                refresh_per_second=REFRESH_PER_S,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live_region.start()

    def waiting(self, seconds: float, why: str) -> None:
        """See :class:`Progress`."""
        self._wait_until, self._why = self._now() + seconds, why
        self._show(self._now())

    def found(self, text: str) -> None:
        """See :class:`Progress`."""
        super().found(text)
        self._show(self._now())

    def note(self, message: str) -> None:
        """See :class:`Progress`; it stays above the region."""
        self._console.print(Text(message))

    def finish(self) -> None:
        """See :class:`Progress`; one line of the phase stays."""
        region, self._live_region = self._live_region, None
        if region is None:
            return
        region.stop()
        line = Text(f"{self._phase or 'Asked'}: {self._done:,} labels")
        line.append(f", {duration(self._now() - self._began)}")
        # Half of a count would be another count.
        if self._best and len(line) + len(self._best) + 2 < self._console.width:
            line.append(f"; {self._best}")
        line.truncate(self._console.width - 1, overflow="ellipsis")
        self._console.print(line)
        self._planned = 0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(options.max_width - 1, WIDEST)
        planned = max(self._planned, self._done)
        for number, line in enumerate(self._lines(self._now())):
            line.truncate(width, overflow="ellipsis")
            yield line
            if number == 0:
                yield ProgressBar(total=max(planned, 1), completed=self._done, width=width)
                yield Segment.line()

    def _lines(self, now: float) -> list[Text]:
        planned = max(self._planned, self._done)
        share = self._done / planned if planned else 1.0
        lines = [
            Text(self._phase or "Asking", "bold"),
            Text(f"{self._done:,} of at most {planned:,} queries ({share:.0%})"),
            Text(", ".join(self._pace(now)) or "asking"),
        ]
        left = self._wait_until - now
        if left > 0:
            lines.append(Text(f"waiting, {self._why}: {left:.0f} s", "yellow"))
        elif self._best:
            lines.append(Text(self._best, "cyan"))
        return lines

    def _show(self, now: float) -> None:  # noqa: ARG002 - the region reads the clock itself
        if self._live_region is not None:
            self._live_region.refresh()
