"""The label store: what was paid for, in one SQLite file that survives a kill at any moment.

One writer thread owns the connection. It takes everything that waits in its queue, writes it in
one transaction, and only then tells the callers: group commit. Before a request is sent its
intent is committed; with its labels the intent goes away. An intent that is still there when a
store is opened belonged to a request that was in flight when the process died: its outcome is
unknown, and it is listed as such.

Labels are kept in rows of 256 as little-endian uint16, 65535 meaning "not asked".
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.errors import StoreError

SCHEMA_VERSION = 1
CHUNK = 256
NOT_ASKED = 65535
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE probes (
    id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, digest TEXT NOT NULL,
    kind TEXT NOT NULL, size INTEGER NOT NULL, UNIQUE (fingerprint, digest));
CREATE TABLE chunks (
    probe INTEGER NOT NULL, chunk INTEGER NOT NULL, labels BLOB NOT NULL,
    PRIMARY KEY (probe, chunk)) WITHOUT ROWID;
CREATE TABLE intents (
    id INTEGER PRIMARY KEY, audit TEXT NOT NULL, probe INTEGER NOT NULL, items BLOB NOT NULL,
    attempt INTEGER NOT NULL, started REAL NOT NULL);
CREATE TABLE unknown (
    id INTEGER PRIMARY KEY, audit TEXT NOT NULL, probe INTEGER NOT NULL, items BLOB NOT NULL,
    started REAL NOT NULL, why TEXT NOT NULL);
CREATE TABLE ledger (
    audit TEXT NOT NULL, entry TEXT NOT NULL, value INTEGER NOT NULL,
    PRIMARY KEY (audit, entry)) WITHOUT ROWID;
CREATE TABLE label_names (
    fingerprint TEXT NOT NULL, label INTEGER NOT NULL, name TEXT NOT NULL,
    PRIMARY KEY (fingerprint, label)) WITHOUT ROWID;
"""


@dataclass
class StoredProbe:
    """One probe's labels in memory, ``(size,)`` uint16, beside the row id they belong to."""

    row: int
    labels: NDArray[np.uint16]

    def missing(self) -> NDArray[np.int64]:
        """Numbers of the inputs without a label, ascending."""
        return np.flatnonzero(self.labels == NOT_ASKED)


_Job = tuple[Callable[[], Any], "asyncio.Future[Any] | None", asyncio.AbstractEventLoop | None]


class LabelStore:
    """Labels, intents and the ledger of every audit that uses one file.

    Args:
        path: the SQLite file; made where it does not exist. Its folder must exist.

    Raises:
        StoreError: the file is of another version, damaged, or in use by another audit.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._failure: StoreError | None = None
        self._dirty: dict[tuple[int, int], StoredProbe] = {}
        try:
            self._db = sqlite3.connect(
                path, timeout=1.0, isolation_level=None, check_same_thread=False
            )
            self._prepare()
        except sqlite3.Error as error:
            raise self._explain(error) from error
        self._thread = threading.Thread(target=self._write_loop, name="label-store", daemon=True)
        self._thread.start()

    def _prepare(self) -> None:
        # Exclusive locking keeps a second audit out for as long as this process lives, and the
        # operating system ends it with the process, whatever ends that.
        for pragma in (
            "locking_mode = EXCLUSIVE",
            "journal_mode = WAL",
            "synchronous = NORMAL",
            "trusted_schema = OFF",
            "cell_size_check = ON",
        ):
            self._db.execute(f"PRAGMA {pragma}").fetchall()
        self._db.execute("BEGIN IMMEDIATE")
        tables = {row[0] for row in self._db.execute("SELECT name FROM sqlite_master")}
        if not tables:
            # executescript would commit the open transaction first.
            for statement in filter(str.strip, _SCHEMA.split(";")):
                self._db.execute(statement)
            self._db.execute("INSERT INTO meta VALUES ('schema', ?)", (str(SCHEMA_VERSION),))
        self._check_version(tables)
        self._db.execute(
            "INSERT INTO unknown (audit, probe, items, started, why) "
            "SELECT audit, probe, items, started, 'in flight when the process ended' FROM intents"
        )
        self._db.execute("DELETE FROM intents")
        self._db.execute("COMMIT")

    def _check_version(self, tables: set[str]) -> None:
        if tables and "meta" not in tables:
            raise StoreError(f"{self._path} is a SQLite file but not a label store of xray-audit")
        row = self._db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
        if row is None or row[0] != str(SCHEMA_VERSION):
            found = "unknown" if row is None else row[0]
            self._db.close()
            raise StoreError(
                f"{self._path} was written by another version (store schema {found}, this one "
                f"writes {SCHEMA_VERSION}); use that version, or another --output"
            )

    def _explain(self, error: Exception) -> StoreError:
        text = str(error)
        if "locked" in text or "busy" in text:
            return StoreError(
                f"another audit is using {self._path}; wait for it or use another --output"
            )
        if "full" in text:
            return StoreError(
                f"the disk is full, so labels can no longer be saved to {self._path}; what was "
                "saved is kept: free some space and run the same command again"
            )
        if "readonly" in text or "unable to open" in text:
            return StoreError(f"{self._path} cannot be written: {text}")
        return StoreError(f"the label store {self._path} cannot be used: {text}")

    # ---- writer thread -------------------------------------------------------------------

    def _write_loop(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first]
            with contextlib.suppress(queue.Empty):
                while len(batch) < 512:
                    job = self._queue.get_nowait()
                    if job is None:
                        self._commit(batch)
                        return
                    batch.append(job)
            self._commit(batch)

    def _commit(self, batch: list[_Job]) -> None:
        results: list[Any] = []
        if self._failure is None:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                results = [work() for work, _, _ in batch]
                self._flush()
                self._db.execute("COMMIT")
            except Exception as error:  # noqa: BLE001 - whatever it was must reach every caller
                self._failure = self._explain(error)
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
        for position, (_, future, loop) in enumerate(batch):
            if future is None or loop is None or loop.is_closed():
                continue
            value = None if self._failure else results[position]
            loop.call_soon_threadsafe(_resolve, future, value, self._failure)

    def _flush(self) -> None:
        rows = [
            (probe.row, chunk, probe.labels[chunk * CHUNK : (chunk + 1) * CHUNK].tobytes())
            for (_, chunk), probe in self._dirty.items()
        ]
        self._db.executemany("INSERT OR REPLACE INTO chunks VALUES (?, ?, ?)", rows)
        self._dirty.clear()

    async def _call(self, work: Callable[[], Any]) -> Any:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._queue.put((work, future, loop))
        return await future

    def _post(self, work: Callable[[], Any]) -> None:
        if self._failure is not None:
            raise self._failure
        self._queue.put((work, None, None))

    # ---- what the engine uses --------------------------------------------------------------

    async def load(self, fingerprint: str, digest: str, kind: str, size: int) -> StoredProbe:
        """Labels known so far of the probe ``digest`` asked of the model ``fingerprint``."""
        return await self._call(lambda: self._load(fingerprint, digest, kind, size))  # type: ignore[no-any-return]  # _call carries any result

    def _load(self, fingerprint: str, digest: str, kind: str, size: int) -> StoredProbe:
        self._db.execute(
            "INSERT OR IGNORE INTO probes (fingerprint, digest, kind, size) VALUES (?, ?, ?, ?)",
            (fingerprint, digest, kind, size),
        )
        (row,) = self._db.execute(
            "SELECT id FROM probes WHERE fingerprint = ? AND digest = ?", (fingerprint, digest)
        ).fetchone()
        labels = np.full(size, NOT_ASKED, dtype="<u2")
        chunks = self._db.execute("SELECT chunk, labels FROM chunks WHERE probe = ?", (row,))
        for chunk, blob in chunks:
            start = chunk * CHUNK
            part = np.frombuffer(blob, dtype="<u2")
            if start < 0 or start + len(part) > size:
                raise StoreError(f"{self._path} is damaged: a row of labels is too long")
            labels[start : start + len(part)] = part
        return StoredProbe(int(row), labels)

    async def intend(
        self, audit: str, probe: StoredProbe, items: NDArray[np.int64], attempt: int
    ) -> int:
        """Commit the intent to ask ``items`` of ``probe`` and charge it; returns its id.

        Returns only once the intent is on disk, so that a kill after this line is seen.
        """
        blob = items.astype("<u4").tobytes()
        started = time.time()

        def work() -> int:
            cursor = self._db.execute(
                "INSERT INTO intents (audit, probe, items, attempt, started) VALUES (?,?,?,?,?)",
                (audit, probe.row, blob, attempt, started),
            )
            self._add(audit, "sent", len(items))
            self._add(audit, "requests", 1)
            if attempt > 1:
                self._add(audit, "retried", len(items))
            assert cursor.lastrowid is not None
            return cursor.lastrowid

        return await self._call(work)  # type: ignore[no-any-return]  # _call carries any result

    def record(
        self, intent: int, probe: StoredProbe, items: NDArray[np.int64], labels: NDArray[np.int64]
    ) -> None:
        """Keep the answer to an intent; committed with the next transaction.

        Raises:
            StoreError: an earlier commit failed, so nothing more can be kept.
        """

        def work() -> None:
            probe.labels[items] = labels
            for chunk in np.unique(items // CHUNK):
                self._dirty[probe.row, int(chunk)] = probe
            self._db.execute("DELETE FROM intents WHERE id = ?", (intent,))

        self._post(work)

    def fill(self, probe: StoredProbe, items: NDArray[np.int64], labels: NDArray[np.int64]) -> None:
        """Keep labels that an identical input already got: nothing was sent for them."""

        def work() -> None:
            probe.labels[items] = labels
            for chunk in np.unique(items // CHUNK):
                self._dirty[probe.row, int(chunk)] = probe

        self._post(work)

    def fail(self, intent: int, why: str, *, unknown: bool) -> None:
        """Close an intent without labels; ``unknown`` lists it as perhaps answered and billed."""

        def work() -> None:
            if unknown:
                self._db.execute(
                    "INSERT INTO unknown (audit, probe, items, started, why) "
                    "SELECT audit, probe, items, started, ? FROM intents WHERE id = ?",
                    (why[:200], intent),
                )
            self._db.execute("DELETE FROM intents WHERE id = ?", (intent,))

        self._post(work)

    async def ledger(self, audit: str) -> dict[str, int]:
        """Totals over all runs of the audit: sent, requests, retried, unknown (in queries)."""
        return await self._call(lambda: self._ledger(audit))  # type: ignore[no-any-return]  # _call carries any result

    def _ledger(self, audit: str) -> dict[str, int]:
        totals = {"sent": 0, "requests": 0, "retried": 0}
        totals.update(self._db.execute("SELECT entry, value FROM ledger WHERE audit = ?", (audit,)))
        blobs = self._db.execute("SELECT items FROM unknown WHERE audit = ?", (audit,))
        totals["unknown"] = sum(len(blob) // 4 for (blob,) in blobs)
        return totals

    def _add(self, audit: str, entry: str, value: int) -> None:
        self._db.execute(
            "INSERT INTO ledger VALUES (?, ?, ?) "
            "ON CONFLICT (audit, entry) DO UPDATE SET value = value + excluded.value",
            (audit, entry, value),
        )

    async def label_names(self, fingerprint: str) -> list[str]:
        """Class names this target was seen to use, in index order."""
        rows = await self._call(
            lambda: self._db.execute(
                "SELECT name FROM label_names WHERE fingerprint = ? ORDER BY label", (fingerprint,)
            ).fetchall()
        )
        return [name for (name,) in rows]

    def keep_label_names(self, fingerprint: str, names: Iterable[str]) -> None:
        """Remember class names, so that a resumed run gives them the same indices."""
        rows = [(fingerprint, index, name) for index, name in enumerate(names)]
        self._post(
            lambda: self._db.executemany("INSERT OR REPLACE INTO label_names VALUES (?,?,?)", rows)
        )

    async def settle(self) -> None:
        """Return once everything handed in so far is committed.

        Raises:
            StoreError: it could not be.
        """
        await self._call(lambda: None)

    def close(self) -> None:
        """Commit what waits and close the file."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        self._db.close()


def _resolve(future: asyncio.Future[Any], value: Any, failure: Exception | None) -> None:
    if future.cancelled():
        return
    if failure is None:
        future.set_result(value)
    else:
        future.set_exception(failure)
