"""Stopping an audit in two steps: the first lets requests in flight end, the second does not."""

from __future__ import annotations

import asyncio

from auditor.engine.engine import QueryEngine
from auditor.engine.progress import Progress


class TwoStepStop:
    """Stops one audit; what was answered is kept either way.

    Args:
        progress: shows a note of the first step.
        word: the user's act in that note: "Press", "Stop".
    """

    def __init__(self, progress: Progress, word: str) -> None:
        self._progress = progress
        self._word = word
        self._task: asyncio.Task[object] | None = None
        self._engine: QueryEngine | None = None
        self.steps = 0

    def watch_task(self) -> None:
        """Take the running task as the one that the second step cancels."""
        self._task = asyncio.current_task()

    def watch_engine(self, engine: QueryEngine) -> None:
        """Take ``engine`` as the one that the first step drains; at once if that is due."""
        self._engine = engine
        if self.steps:
            engine.stop()

    def count(self) -> int:
        """Count a step that the user takes, and return its number. Any thread may call this."""
        self.steps += 1
        return self.steps

    def take(self, step: int) -> None:
        """Carry out step number ``step``, on the audit's own event loop."""
        if step == 1 and self._engine is not None:
            self._progress.note(
                f"Stopping: waiting for requests in flight. {self._word} again to stop at once."
            )
            self._engine.stop()
        elif self._task is not None:
            self._task.cancel()
