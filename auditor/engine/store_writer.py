"""Group commit: one thread writes everything handed in as one transaction, then wakes callers."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from auditor.engine.store_file import StoreFile
from auditor.errors import StoreError

SYNC_S = 1.0
"""Commits survive a kill at once, and a power cut after this many seconds."""

T = TypeVar("T")
Work = Callable[[], Any]
_Job = tuple[Work, "asyncio.Future[Any] | None"]


class StoreWriter:
    """The thread that owns the connection ``db`` to ``file``; ``flush`` writes everything that the
    jobs of a transaction collected.

    :meth:`call`, :meth:`post` and :meth:`commit` belong to the event loop; :meth:`close` may be
    called from elsewhere.
    """

    def __init__(self, file: StoreFile, db: sqlite3.Connection, flush: Callable[[], None]) -> None:
        self._file, self._db, self._flush = file, db, flush
        self._failure: StoreError | None = None
        self._closed = False
        # Handed in on the event loop, passed to the thread once per turn of the loop.
        self._pending: list[_Job] = []
        self._scheduled_on: asyncio.AbstractEventLoop | None = None
        self._queue: queue.SimpleQueue[list[_Job] | None] = queue.SimpleQueue()
        self._unsynced_since: float | None = None
        self._thread = threading.Thread(target=self._write_loop, name="label-store", daemon=True)
        self._thread.start()

    # ---- handing in ------------------------------------------------------------------------

    async def call(self, work: Callable[[], T]) -> T:
        """The result of ``work``, once it is committed.

        Raises:
            StoreError: it could not be, or the store is closed.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._hand_in(work, future)
        result: T = await future
        return result

    def post(self, work: Work) -> None:
        """Do ``work`` in the next transaction.

        Raises:
            StoreError: an earlier transaction failed, or the store is closed.
        """
        if self._failure is not None:
            raise self._failure
        self._hand_in(work, None)

    async def commit(self) -> None:
        """Return once everything handed in so far is committed; a StoreError if it cannot be."""
        if not self._closed:
            await self.call(lambda: None)
        elif self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Commit the jobs that wait, and end the thread; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(self._pending)
        self._queue.put(None)
        self._thread.join()

    def _hand_in(self, work: Work, future: asyncio.Future[Any] | None) -> None:
        if self._closed:
            raise StoreError(f"the label store {self._file.path} is closed")
        self._pending.append((work, future))
        loop = asyncio.get_running_loop()
        if self._scheduled_on is not loop:
            self._scheduled_on = loop
            loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        self._scheduled_on = None
        batch, self._pending = self._pending, []
        if batch:
            self._queue.put(batch)

    # ---- in the thread -----------------------------------------------------------------------

    def _write_loop(self) -> None:
        while (batch := self._next_batch()) is not None:
            more: list[_Job] | None = []
            with contextlib.suppress(queue.Empty):
                while (more := self._queue.get_nowait()) is not None:
                    batch += more
            self._write(batch)
            if more is None:
                return

    def _next_batch(self) -> list[_Job] | None:
        """The jobs handed in; meanwhile commits that are a second old reach the disk itself."""
        while self._unsynced_since is not None:
            left = self._unsynced_since + SYNC_S - time.monotonic()
            if left <= 0:
                self._sync()
                break
            with contextlib.suppress(queue.Empty):
                return self._queue.get(timeout=left)
        return self._queue.get()

    def _sync(self) -> None:
        """Let commits survive a power cut: a checkpoint syncs the log and the file."""
        self._unsynced_since = None
        if self._failure is None:
            try:
                self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            except sqlite3.Error as error:
                self._failure = self._file.explain(error)

    def _write(self, batch: list[_Job]) -> None:
        results: list[Any] = [None] * len(batch)
        if self._failure is None:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                results = [work() for work, _ in batch]
                self._flush()
                self._db.execute("COMMIT")
                self._unsynced_since = self._unsynced_since or time.monotonic()
            except Exception as error:  # noqa: BLE001 - every caller must see it
                self._failure = self._file.explain(error)
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
        self._deliver(batch, results)

    def _deliver(self, batch: list[_Job], results: list[Any]) -> None:
        waiting: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
        for (_, future), result in zip(batch, results, strict=True):
            if future is not None:
                waiting.setdefault(future.get_loop(), []).append((future, result))
        for loop, answers in waiting.items():
            # A loop that ended meanwhile has no waiting caller any more.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_resolve, answers, self._failure)


def _resolve(waiting: list[tuple[asyncio.Future[Any], Any]], failure: Exception | None) -> None:
    for future, value in waiting:
        if future.cancelled():
            continue
        if failure is None:
            future.set_result(value)
        else:
            future.set_exception(failure)
