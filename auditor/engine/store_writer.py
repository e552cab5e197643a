"""Group commit: everything handed in during one turn of the event loop is one transaction."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
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
    """Writes to the connection ``db`` of ``file``; ``flush`` writes everything that the jobs of a
    transaction collected.

    A commit goes to the system's memory, which takes less than waking a thread, so the event loop
    makes it. What may wait for the disk, a checkpoint, has a thread, during which jobs wait.

    :meth:`call`, :meth:`post` and :meth:`commit` belong to the event loop; :meth:`close` may be
    called from elsewhere.
    """

    def __init__(self, file: StoreFile, db: sqlite3.Connection, flush: Callable[[], None]) -> None:
        self._file, self._db, self._flush = file, db, flush
        self._failure: StoreError | None = None
        self._closed = False
        self._pending: list[_Job] = []
        self._scheduled_on: asyncio.AbstractEventLoop | None = None
        self._using = threading.Lock()
        self._waiting: asyncio.AbstractEventLoop | None = None
        self._unsynced, self._ending = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._sync_loop, name="label-store", daemon=True)
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
        with self._using:
            self._write_pending(None)
        self._ending.set()
        self._unsynced.set()
        self._thread.join()

    def _hand_in(self, work: Work, future: asyncio.Future[Any] | None) -> None:
        if self._closed:
            raise StoreError(f"the label store {self._file.path} is closed")
        self._pending.append((work, future))
        loop = asyncio.get_running_loop()
        if self._scheduled_on is not loop:
            self._scheduled_on = loop
            loop.call_soon(self._turn, loop)

    # ---- writing ---------------------------------------------------------------------------

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write what was handed in, or have the thread ask again once it has let go of ``db``."""
        if not self._using.acquire(blocking=False):
            self._waiting = loop
            # It may have let go before it could see who waits.
            if not self._using.acquire(blocking=False):
                return
        self._waiting = None
        try:
            self._scheduled_on = None
            self._write_pending(loop)
        finally:
            self._using.release()

    def _write_pending(self, here: asyncio.AbstractEventLoop | None) -> None:
        """Write all jobs in one transaction; ``here`` is the loop that runs this."""
        batch, self._pending = self._pending, []
        if not batch:
            return
        results: list[Any] = [None] * len(batch)
        if self._failure is None:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                results = [work() for work, _ in batch]
                self._flush()
                self._db.execute("COMMIT")
                self._unsynced.set()
            except Exception as error:  # noqa: BLE001 - every caller must see it
                self._failure = self._file.explain(error)
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
        for (_, future), result in zip(batch, results, strict=True):
            if future is None:
                continue
            if (loop := future.get_loop()) is here:
                _resolve(future, result, self._failure)
                continue
            # One that ended meanwhile has no waiting caller any more.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_resolve, future, result, self._failure)

    # ---- in the thread -----------------------------------------------------------------------

    def _sync_loop(self) -> None:
        """Let commits reach the disk itself, a second after the first of them."""
        while self._unsynced.wait() and not self._ending.wait(SYNC_S):
            self._unsynced.clear()
            if self._ending.is_set():  # since the wait was over: the call to wake up is gone now
                return
            with self._using:
                self._sync()
            waiting, self._waiting = self._waiting, None
            if waiting is not None:
                with contextlib.suppress(RuntimeError):  # that loop ended meanwhile
                    waiting.call_soon_threadsafe(self._turn, waiting)

    def _sync(self) -> None:
        """Let commits survive a power cut: a checkpoint syncs the log and the file."""
        if self._failure is None:
            try:
                self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            except sqlite3.Error as error:
                self._failure = self._file.explain(error)


def _resolve(future: asyncio.Future[Any], value: Any, failure: Exception | None) -> None:
    if future.cancelled():
        return
    if failure is None:
        future.set_result(value)
    else:
        future.set_exception(failure)
