"""The label store: what was paid for, in one SQLite file that survives a kill at any moment.

One writer thread owns the connection. It takes everything that was handed in, writes it in one
transaction, and only then tells the callers: group commit. Before a request is sent its intent
is committed; with its labels the intent goes away. An intent that is still there when a store is
opened belonged to a request that was in flight when the process died: its outcome is unknown,
and it is listed as such.

Labels are kept in rows of 256 as little-endian uint16, 65535 meaning "not asked", each row with
its CRC-32, because SQLite itself does not notice a changed byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import queue
import sqlite3
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.errors import StoreError

SCHEMA_VERSION = 2
SYNC_S = 1.0
"""Commits survive a kill at once, and a power cut after this many seconds."""
CHUNK = 256
NOT_ASKED = 65535
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE probes (
    id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, digest TEXT NOT NULL,
    kind TEXT NOT NULL, size INTEGER NOT NULL, UNIQUE (fingerprint, digest));
CREATE TABLE chunks (
    probe INTEGER NOT NULL, chunk INTEGER NOT NULL, labels BLOB NOT NULL, crc INTEGER NOT NULL,
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
CREATE TABLE origins (
    id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
    started REAL NOT NULL, UNIQUE (fingerprint, name, value));
"""
_ADDED_BY_2 = 1
"""Tables at the end of the schema that version 1 did not have."""
_IN_USE = "another audit is using {path}; wait for it or use another --output"
_NO_WRITE = "{path} cannot be written: {text}"
_SENTENCES = (
    ("SQLITE_BUSY", _IN_USE),
    ("SQLITE_LOCKED", _IN_USE),
    (
        "SQLITE_FULL",
        "the disk is full, so labels can no longer be saved to {path}; what was saved is kept: "
        "free some space and run the same command again",
    ),
    ("SQLITE_NOTADB", "{path} is not a label store of xray-audit"),
    ("SQLITE_READONLY", _NO_WRITE),
    # What exclusive locking of a file without write permission ends in.
    ("SQLITE_IOERR_LOCK", "{path} cannot be written: it cannot be locked, is it read-only?"),
    ("SQLITE_CANTOPEN", _NO_WRITE),
)
_STATEMENTS = [statement.strip() for statement in _SCHEMA.split(";") if statement.strip()]


@dataclass(frozen=True, slots=True)
class UnknownRequest:
    """A request whose outcome nobody knows: perhaps answered and billed, never seen.

    Attributes:
        parts: row id of each probe asked, and the numbers of its inputs, ascending.
        started: Unix time at which it was sent.
        why: how its outcome was lost.
    """

    parts: tuple[tuple[int, NDArray[np.int64]], ...]
    started: float
    why: str

    def facts(self) -> dict[str, Any]:
        """For the report, JSON-able: how many queries, when sent (UTC), and why it is unknown."""
        return {
            "queries": sum(len(items) for _, items in self.parts),
            "started": datetime.fromtimestamp(self.started, UTC).isoformat(timespec="seconds"),
            "why": self.why,
        }


@dataclass
class StoredProbe:
    """One probe's labels in memory, ``(size,)`` uint16, beside the row id they belong to."""

    row: int
    labels: NDArray[np.uint16]

    def missing(self) -> NDArray[np.int64]:
        """Numbers of the inputs without a label, ascending."""
        return np.flatnonzero(self.labels == NOT_ASKED)


_Job = tuple[Callable[[], Any], "asyncio.Future[Any] | None"]


class LabelStore:
    """Labels, intents and the ledger of every audit that uses one file.

    Its methods belong to the event loop; only :meth:`close` may be called from elsewhere.

    Args:
        path: the SQLite file; made where it does not exist. Its folder must exist.

    Raises:
        StoreError: the file is of another version, damaged, or in use by another audit.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._failure: StoreError | None = None
        self._closed = False
        self._db = self._open()
        # Handed in on the event loop, passed to the writer once per turn of the loop.
        self._pending: list[_Job] = []
        self._scheduled_on: asyncio.AbstractEventLoop | None = None
        self._queue: queue.SimpleQueue[list[_Job] | None] = queue.SimpleQueue()
        self._intent_ids = itertools.count(1)
        self._unsynced_since: float | None = None
        # What the current transaction still has to write; touched by the writer alone.
        self._dirty: dict[tuple[int, int], StoredProbe] = {}
        self._opened: list[tuple[int, str, int, bytes, int, float]] = []
        self._ended: list[tuple[int]] = []
        self._charges: Counter[tuple[str, str]] = Counter()
        self._thread = threading.Thread(target=self._write_loop, name="label-store", daemon=True)
        self._thread.start()

    # ---- opening ---------------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        try:
            db = sqlite3.connect(
                self._path, timeout=1.0, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise self._explain(error) from error
        try:
            self._prepare(db)
        except BaseException as error:
            db.close()  # it holds the lock
            if isinstance(error, sqlite3.Error):
                raise self._explain(error) from error
            raise
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        # Exclusive locking keeps a second audit out for as long as this process lives, and the
        # operating system ends it with the process, whatever ends that.
        for pragma in ("locking_mode = EXCLUSIVE", "trusted_schema = OFF", "cell_size_check = ON"):
            db.execute(f"PRAGMA {pragma}").fetchall()
        # Looked at before anything is written: somebody else's file stays as it is.
        db.execute("BEGIN EXCLUSIVE")
        missing = self._check_file(db)
        db.execute("ROLLBACK")
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL"):
            db.execute(f"PRAGMA {pragma}").fetchall()
        db.execute("BEGIN IMMEDIATE")
        for statement in _STATEMENTS[-missing:] if missing else ():
            db.execute(statement)
        db.execute("INSERT OR REPLACE INTO meta VALUES ('schema', ?)", (str(SCHEMA_VERSION),))
        db.execute(
            "INSERT INTO unknown (audit, probe, items, started, why) "
            "SELECT audit, probe, items, started, 'in flight when the process ended' FROM intents"
        )
        db.execute("DELETE FROM intents")
        db.execute("COMMIT")

    def _check_file(self, db: sqlite3.Connection) -> int:
        """Number of tables that the file still lacks; refuses whatever is no sound store."""
        found = dict(db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
        if not found:
            return len(_STATEMENTS)
        if "meta" not in found:
            raise StoreError(f"{self._path} is a SQLite file but not a label store of xray-audit")
        row = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
        version = "unknown" if row is None else row[0]
        lacking = {str(SCHEMA_VERSION): 0, "1": _ADDED_BY_2}.get(version)
        if lacking is None:
            raise StoreError(
                f"{self._path} was written by another version (store schema {version}, this one "
                f"writes {SCHEMA_VERSION}); use that version, or another --output"
            )
        (state,) = db.execute("PRAGMA quick_check(1)").fetchone()
        expected = set(_STATEMENTS[: len(_STATEMENTS) - lacking])
        # A trigger or view that somebody planted would run with our statements.
        if state != "ok" or set(found.values()) != expected:
            raise self._damaged("its tables are not as they were written")
        return lacking

    def _damaged(self, how: str) -> StoreError:
        return StoreError(
            f"the label store {self._path} is damaged ({how}); restore it from a copy, or use "
            "another --output and ask again"
        )

    def _explain(self, error: Exception) -> StoreError:
        if isinstance(error, StoreError):
            return error
        text = str(error)
        code = getattr(error, "sqlite_errorname", None) or ""
        if code.startswith("SQLITE_CORRUPT"):
            return self._damaged(text)
        for start, sentence in _SENTENCES:
            if code.startswith(start):
                return StoreError(sentence.format(path=self._path, text=text))
        return StoreError(f"the label store {self._path} cannot be used: {text}")

    # ---- writer thread -------------------------------------------------------------------

    def _write_loop(self) -> None:
        while (batch := self._next_batch()) is not None:
            more: list[_Job] | None = []
            with contextlib.suppress(queue.Empty):
                while (more := self._queue.get_nowait()) is not None:
                    batch += more
            self._commit(batch)
            if more is None:
                return

    def _next_batch(self) -> list[_Job] | None:
        """What was handed in; meanwhile commits that are a second old reach the disk itself."""
        while self._unsynced_since is not None:
            left = self._unsynced_since + SYNC_S - time.monotonic()
            if left <= 0:
                self._sync()
                break
            with contextlib.suppress(queue.Empty):
                return self._queue.get(timeout=left)
        return self._queue.get()

    def _sync(self) -> None:
        """Let what is committed survive a power cut: a checkpoint syncs the log and the file."""
        self._unsynced_since = None
        if self._failure is None:
            try:
                self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            except sqlite3.Error as error:
                self._failure = self._explain(error)

    def _commit(self, batch: list[_Job]) -> None:
        results: list[Any] = [None] * len(batch)
        if self._failure is None:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                results = [work() for work, _ in batch]
                self._flush()
                self._db.execute("COMMIT")
                self._unsynced_since = self._unsynced_since or time.monotonic()
            except Exception as error:  # noqa: BLE001 - whatever it was must reach every caller
                self._failure = self._explain(error)
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
        self._tell(batch, results)

    def _tell(self, batch: list[_Job], results: list[Any]) -> None:
        waiting: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
        for (_, future), result in zip(batch, results, strict=True):
            if future is not None:
                waiting.setdefault(future.get_loop(), []).append((future, result))
        for loop, answers in waiting.items():
            # A loop that ended meanwhile has nobody who waits any more.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_resolve, answers, self._failure)

    def _flush(self) -> None:
        """Write what the jobs of one transaction collected, each table in one statement."""
        db = self._db
        db.executemany("INSERT INTO intents VALUES (?, ?, ?, ?, ?, ?)", self._opened)
        # An intent may be opened and withdrawn in one transaction, so this order.
        db.executemany("DELETE FROM intents WHERE id = ?", self._ended)
        db.executemany(
            "INSERT INTO ledger VALUES (?, ?, ?) "
            "ON CONFLICT (audit, entry) DO UPDATE SET value = value + excluded.value",
            [(*key, value) for key, value in self._charges.items()],
        )
        chunks = [
            (row, chunk, probe.labels[chunk * CHUNK : (chunk + 1) * CHUNK].tobytes())
            for (row, chunk), probe in self._dirty.items()
        ]
        db.executemany(
            "INSERT OR REPLACE INTO chunks VALUES (?, ?, ?, ?)",
            [(*entry, zlib.crc32(entry[2])) for entry in chunks],
        )
        for collected in (self._opened, self._ended, self._charges, self._dirty):
            collected.clear()

    def _touch(
        self, probe: StoredProbe, items: NDArray[np.int64], labels: NDArray[np.int64]
    ) -> None:
        probe.labels[items] = labels
        first, last = int(items[0]) // CHUNK, int(items[-1]) // CHUNK
        # Items ascend, so few rows lie between the first and the last, except after a resume.
        near = last - first < len(items)
        chunks = range(first, last + 1) if near else np.unique(items // CHUNK).tolist()
        for chunk in chunks:
            self._dirty[probe.row, chunk] = probe

    # ---- handing in ------------------------------------------------------------------------

    def _hand_in(
        self, work: Callable[[], Any], future: asyncio.Future[Any] | None, loop: Any
    ) -> None:
        if self._closed:
            raise StoreError(f"the label store {self._path} is closed")
        self._pending.append((work, future))
        if self._scheduled_on is not loop:
            self._scheduled_on = loop
            loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        self._scheduled_on = None
        batch, self._pending = self._pending, []
        if batch:
            self._queue.put(batch)

    async def _call(self, work: Callable[[], Any]) -> Any:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._hand_in(work, future, loop)
        return await future

    def _post(self, work: Callable[[], Any]) -> None:
        if self._failure is not None:
            raise self._failure
        self._hand_in(work, None, asyncio.get_running_loop())

    # ---- what the engine uses --------------------------------------------------------------

    async def load(self, fingerprint: str, digest: str, kind: str, size: int) -> StoredProbe:
        """Labels known so far of the probe ``digest`` asked of the model ``fingerprint``.

        Two loads of one probe give two arrays that do not know of each other: load it once.

        Raises:
            StoreError: a row of its labels is not as it was written.
        """
        return await self._call(lambda: self._load(fingerprint, digest, kind, size))  # type: ignore[no-any-return]  # _call carries any result

    def _load(self, fingerprint: str, digest: str, kind: str, size: int) -> StoredProbe:
        self._flush()  # what earlier jobs of this transaction collected counts too
        self._db.execute(
            "INSERT OR IGNORE INTO probes (fingerprint, digest, kind, size) VALUES (?, ?, ?, ?)",
            (fingerprint, digest, kind, size),
        )
        row, known_size = self._db.execute(
            "SELECT id, size FROM probes WHERE fingerprint = ? AND digest = ?",
            (fingerprint, digest),
        ).fetchone()
        if known_size != size:
            raise self._damaged("a probe has another size")
        labels = np.full(size, NOT_ASKED, dtype="<u2")
        chunks = self._db.execute("SELECT chunk, labels, crc FROM chunks WHERE probe = ?", (row,))
        for chunk, blob, crc in chunks:
            start = chunk * CHUNK
            part = labels[start : start + CHUNK] if start >= 0 else labels[:0]
            if not isinstance(blob, bytes) or len(blob) != part.nbytes or zlib.crc32(blob) != crc:
                raise self._damaged("a row of labels is not as it was written")
            part[:] = np.frombuffer(blob, dtype="<u2")
        return StoredProbe(int(row), labels)

    async def intend(
        self, audit: str, parts: Sequence[tuple[StoredProbe, NDArray[np.int64]]], attempt: int
    ) -> list[int]:
        """Commit the intent to ask ``parts`` in one request, and charge it; returns their ids.

        Each part is a probe and the numbers of its inputs, ascending. Returns only once the
        intents are on disk, so that a kill after this line is seen. Where the caller is
        cancelled meanwhile nothing was sent: intents and charge are taken back.
        """
        queries = sum(len(items) for _, items in parts)
        intents = [next(self._intent_ids) for _ in parts]
        now = time.time()
        rows = [
            (intent, audit, probe.row, items.astype("<u4").tobytes(), attempt, now)
            for intent, (probe, items) in zip(intents, parts, strict=True)
        ]

        def work() -> None:
            self._opened.extend(rows)
            self._charge(audit, queries, 1, attempt)

        try:
            await self._call(work)
        except asyncio.CancelledError:
            with contextlib.suppress(StoreError):  # the cancellation is what the caller must see
                self.take_back(audit, intents, queries, attempt)
            raise
        return intents

    def take_back(self, audit: str, intents: Sequence[int], queries: int, attempt: int) -> None:
        """Close the intents of a request that certainly never left, and undo its charge.

        Args:
            audit: as given to :meth:`intend`.
            intents: what it returned.
            queries: inputs of the request.
            attempt: as given to :meth:`intend`.
        """

        def work() -> None:
            self._ended.extend((intent,) for intent in intents)
            self._charge(audit, -queries, -1, attempt)

        self._post(work)

    def _charge(self, audit: str, queries: int, requests: int, attempt: int) -> None:
        self._charges[audit, "sent"] += queries
        self._charges[audit, "requests"] += requests
        if attempt > 1:
            self._charges[audit, "retried"] += queries

    def record(
        self,
        intents: Sequence[int],
        parts: Sequence[tuple[StoredProbe, NDArray[np.int64], NDArray[np.int64]]],
    ) -> None:
        """Keep the answers to one request; committed with the next transaction.

        Args:
            intents: what :meth:`intend` returned.
            parts: each probe asked, the numbers of its inputs, ascending, and their labels,
                each below 65535.

        Raises:
            StoreError: an earlier commit failed, so nothing more can be kept.
        """

        def work() -> None:
            for probe, items, labels in parts:
                self._touch(probe, items, labels)
            self._ended.extend((intent,) for intent in intents)

        self._post(work)

    def fill(self, probe: StoredProbe, items: NDArray[np.int64], labels: NDArray[np.int64]) -> None:
        """Keep labels that identical inputs already got: nothing was sent for them."""
        self._post(lambda: self._touch(probe, items, labels))

    def fail(self, intents: Sequence[int], why: str, *, unknown: bool) -> None:
        """Close a request's intents without labels; ``unknown`` lists them as perhaps answered
        and billed.
        """

        def work() -> None:
            if unknown:
                self._db.executemany(
                    "INSERT INTO unknown (audit, probe, items, started, why) "
                    "SELECT audit, probe, items, started, ? FROM intents WHERE id = ?",
                    [(why[:200], intent) for intent in intents],
                )
            self._ended.extend((intent,) for intent in intents)

        self._post(work)

    async def ledger(self, audit: str) -> dict[str, int]:
        """Totals over all runs of the audit: sent, requests, retried, unknown (in queries)."""
        return await self._call(lambda: self._ledger(audit))  # type: ignore[no-any-return]  # _call carries any result

    def _ledger(self, audit: str) -> dict[str, int]:
        self._flush()  # what earlier jobs of this transaction collected counts too
        totals = {"sent": 0, "requests": 0, "retried": 0}
        totals.update(self._db.execute("SELECT entry, value FROM ledger WHERE audit = ?", (audit,)))
        (unseen,) = self._db.execute(
            "SELECT coalesce(sum(length(items)), 0) FROM unknown WHERE audit = ?", (audit,)
        ).fetchone()
        totals["unknown"] = unseen // 4
        return totals

    async def label_names(self, fingerprint: str) -> list[str]:
        """Class names this target was seen to use, in index order."""
        rows = await self._call(
            lambda: self._db.execute(
                "SELECT name FROM label_names WHERE fingerprint = ? ORDER BY label", (fingerprint,)
            ).fetchall()
        )
        return [name for (name,) in rows]

    def keep_label_names(self, fingerprint: str, names: Iterable[str], first: int = 0) -> None:
        """Remember class names, so that a resumed run gives them the same indices.

        Call it before the labels that use them are recorded: committed labels whose names are
        lost would mean other classes later.

        Args:
            fingerprint: the model.
            names: class names in index order.
            first: index of the first of them.
        """
        rows = [(fingerprint, index, name) for index, name in enumerate(names, first)]
        self._post(
            lambda: self._db.executemany("INSERT OR REPLACE INTO label_names VALUES (?,?,?)", rows)
        )

    async def origins(self, fingerprint: str) -> dict[str, tuple[str, ...]]:
        """What answers of this model said about their sender so far, by name, oldest first."""
        rows = await self._call(
            lambda: self._db.execute(
                "SELECT name, value FROM origins WHERE fingerprint = ? ORDER BY id", (fingerprint,)
            ).fetchall()
        )
        found: dict[str, tuple[str, ...]] = {}
        for name, value in rows:
            found[name] = (*found.get(name, ()), value)
        return found

    def keep_origin(self, fingerprint: str, origin: Mapping[str, str]) -> None:
        """Remember what an answer said about its sender; call it before its labels are recorded."""
        now = time.time()
        rows = [(fingerprint, name, value, now) for name, value in origin.items()]
        self._post(
            lambda: self._db.executemany(
                "INSERT OR IGNORE INTO origins (fingerprint, name, value, started) "
                "VALUES (?,?,?,?)",
                rows,
            )
        )

    async def unknown(self, audit: str) -> list[UnknownRequest]:
        """Every request of the audit whose outcome is unknown, oldest first."""
        rows = await self._call(
            lambda: self._db.execute(
                "SELECT probe, items, started, why FROM unknown WHERE audit = ? ORDER BY id",
                (audit,),
            ).fetchall()
        )
        # The rows of one request have one time.
        return [
            UnknownRequest(
                tuple((p, np.frombuffer(i, dtype="<u4").astype(np.int64)) for p, i, _, _ in parts),
                started,
                parts[0][3],
            )
            for started, parts in (
                (started, list(group))
                for started, group in itertools.groupby(rows, key=lambda row: row[2])
            )
        ]

    async def settle(self) -> None:
        """Return once everything handed in so far is committed.

        Raises:
            StoreError: it could not be.
        """
        if not self._closed:
            await self._call(_nothing)
        elif self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Commit what waits, end the writer and close the file; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(self._pending)
        self._queue.put(None)
        self._thread.join()
        self._db.close()


def _nothing() -> None:
    """A job that is done once everything before it is."""


def _resolve(waiting: list[tuple[asyncio.Future[Any], Any]], failure: Exception | None) -> None:
    for future, value in waiting:
        if future.cancelled():
            continue
        if failure is None:
            future.set_result(value)
        else:
            future.set_exception(failure)
