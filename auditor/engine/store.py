"""The label store: the labels paid for, in one SQLite file that survives a kill at any moment.

Before a request is sent its intent is committed; with its labels the intent goes away. An intent
that is still there when a store is opened belonged to a request that was in flight when the
process died: its outcome is unknown, and it is listed as such.

Labels are kept in rows of 256 as little-endian uint16, 65535 meaning "not asked", or as bytes, 255
meaning that, where all of a row are below it; each row with its CRC-32, because SQLite itself does
not notice a changed byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.engine.store_file import StoreFile
from auditor.engine.store_writer import StoreWriter
from auditor.errors import StoreError

CHUNK = 256
NOT_ASKED = 65535
_NOT_ASKED_BYTE = 255
_ADD = (
    "INSERT INTO ledger VALUES (?, ?, ?) "
    "ON CONFLICT (audit, entry) DO UPDATE SET value = value + excluded.value"
)


@dataclass(frozen=True, slots=True)
class UnknownRequest:
    """A request whose outcome is unknown: perhaps answered and billed, never seen.

    Attributes:
        parts: row id of each probe asked, and the numbers of its inputs, ascending.
        started: Unix time at which it was sent.
        why: how its outcome was lost.
    """

    parts: tuple[tuple[int, NDArray[np.int64]], ...]
    started: float
    why: str

    @property
    def queries(self) -> int:
        """Number of its inputs."""
        return sum(len(items) for _, items in self.parts)

    def facts(self) -> dict[str, Any]:
        """For the report, JSON-able: how many queries, when sent (UTC), and why it is unknown."""
        return {
            "queries": self.queries,
            "started": datetime.fromtimestamp(self.started, UTC).isoformat(timespec="seconds"),
            "why": self.why,
        }


Identity = tuple[list[str], dict[str, tuple[str, ...]]]
"""Class names in a model's answers, in index order, and values that these stated for its server, by
name, oldest first."""
Account = tuple[dict[str, int], list[UnknownRequest]]
"""Totals of a plan over all runs (sent, requests, retried, unknown; in queries), and every request
whose outcome is unknown, oldest first."""


@dataclass
class StoredProbe:
    """One probe's labels in memory, ``(size,)`` uint16, beside the row id they belong to."""

    row: int
    labels: NDArray[np.uint16]


class LabelStore:
    """Labels, intents and the ledger of every audit that uses one file.

    Its methods belong to the event loop; only :meth:`close` may be called from elsewhere.

    Args:
        path: the SQLite file; made if it does not exist. Its folder must exist.

    Raises:
        StoreError: the file is of another version, damaged, or in use by another audit.
    """

    def __init__(self, path: Path) -> None:
        self._file = StoreFile(path)
        self._db = self._file.open()
        self._intent_ids = itertools.count(1)
        # Still to be written in the current transaction; touched by the writer's thread alone.
        self._dirty: dict[tuple[int, int], StoredProbe] = {}
        self._opened: list[tuple[int, str, int, bytes, int, float]] = []
        self._ended: list[tuple[int]] = []
        self._charges: Counter[tuple[str, str]] = Counter()
        self._writer = StoreWriter(self._file, self._db, self._flush)

    async def commit(self) -> None:
        """Return once everything handed in so far is committed; a StoreError if it cannot be."""
        await self._writer.commit()

    def close(self) -> None:
        """Commit what waits and close the file; a second call does nothing."""
        self._writer.close()
        self._db.close()

    # ---- probes and their labels -----------------------------------------------------------

    async def load(self, fingerprint: str, digest: str, kind: str, size: int) -> StoredProbe:
        """Labels known so far of the probe ``digest`` asked of the model ``fingerprint``.

        Load a probe once: a second load gives another array, which later labels do not reach.

        Raises:
            StoreError: a row of its labels is not as it was written.
        """
        return await self._writer.call(lambda: self._load(fingerprint, digest, kind, size))

    def _load(self, fingerprint: str, digest: str, kind: str, size: int) -> StoredProbe:
        self._flush()  # labels that earlier jobs of this transaction collected count too
        self._db.execute(
            "INSERT OR IGNORE INTO probes (fingerprint, digest, kind, size) VALUES (?, ?, ?, ?)",
            (fingerprint, digest, kind, size),
        )
        row, known_size = self._db.execute(
            "SELECT id, size FROM probes WHERE fingerprint = ? AND digest = ?",
            (fingerprint, digest),
        ).fetchone()
        if known_size != size:
            raise self._file.damaged("a probe has another size")
        labels = np.full(size, NOT_ASKED, dtype="<u2")
        chunks = self._db.execute("SELECT chunk, labels, crc FROM chunks WHERE probe = ?", (row,))
        for chunk, blob, crc in chunks:
            start = chunk * CHUNK
            part = labels[start : start + CHUNK] if start >= 0 else labels[:0]
            sizes = {part.nbytes, len(part)}
            if not isinstance(blob, bytes) or len(blob) not in sizes or zlib.crc32(blob) != crc:
                raise self._file.damaged("a row of labels is not as it was written")
            part[:] = unpacked(blob, len(part))
        return StoredProbe(int(row), labels)

    def record(
        self,
        intents: Sequence[int],
        parts: Sequence[tuple[StoredProbe, NDArray[np.int64], NDArray[np.int64]]],
    ) -> None:
        """Keep the answers to one request; committed with the next transaction.

        Args:
            intents: as :meth:`intend` returned them.
            parts: each probe asked, the numbers of its inputs, ascending, and their labels,
                each below 65535.

        Raises:
            StoreError: an earlier commit failed, so nothing more can be kept.
        """

        def work() -> None:
            for probe, items, labels in parts:
                self._touch(probe, items, labels)
            self._ended.extend((intent,) for intent in intents)

        self._writer.post(work)

    def fill(self, probe: StoredProbe, items: NDArray[np.int64], labels: NDArray[np.int64]) -> None:
        """Keep labels that identical inputs already got: nothing was sent for them."""
        self._writer.post(lambda: self._touch(probe, items, labels))

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

    # ---- requests and what they cost -------------------------------------------------------

    async def intend(
        self,
        plan_digest: str,
        parts: Sequence[tuple[StoredProbe, NDArray[np.int64]]],
        attempt: int,
    ) -> list[int]:
        """Commit the intent to ask ``parts`` in one request, and charge it; returns their ids.

        Each part is a probe and the numbers of its inputs, ascending. Returns only once the
        intents are on disk, so that a kill after this line is seen. If the caller is cancelled
        meanwhile nothing was sent: intents and charge are taken back.
        """
        queries = sum(len(items) for _, items in parts)
        intents = [next(self._intent_ids) for _ in parts]
        now = time.time()
        rows = [
            (intent, plan_digest, probe.row, items.astype("<u4").tobytes(), attempt, now)
            for intent, (probe, items) in zip(intents, parts, strict=True)
        ]

        def work() -> None:
            self._opened.extend(rows)
            self._charge(plan_digest, queries, 1, attempt)

        try:
            await self._writer.call(work)
        except asyncio.CancelledError:
            with contextlib.suppress(StoreError):  # the cancellation is what the caller must see
                self.take_back(plan_digest, intents, queries, attempt)
            raise
        return intents

    def take_back(
        self, plan_digest: str, intents: Sequence[int], queries: int, attempt: int
    ) -> None:
        """Close the ``intents`` of a request that certainly never left, and undo its charge of
        ``queries``; the rest is as given to :meth:`intend`.
        """

        def work() -> None:
            self._ended.extend((intent,) for intent in intents)
            self._charge(plan_digest, -queries, -1, attempt)

        self._writer.post(work)

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

        self._writer.post(work)

    async def account(self, plan_digest: str) -> Account:
        """Totals and unknown requests of the plan, with everything handed in so far."""
        return await self._writer.call(lambda: self._account(plan_digest))

    async def opening(self, fingerprint: str, plan_digest: str) -> tuple[Identity, Account]:
        """Identity of the model and account of the plan before a run."""
        return await self._writer.call(
            lambda: (self._identity(fingerprint), self._account(plan_digest))
        )

    def _charge(self, plan_digest: str, queries: int, requests: int, attempt: int) -> None:
        self._charges[plan_digest, "sent"] += queries
        self._charges[plan_digest, "requests"] += requests
        if attempt > 1:
            self._charges[plan_digest, "retried"] += queries

    def _account(self, plan_digest: str) -> Account:
        self._flush()  # charges that earlier jobs of this transaction collected count too
        totals = {"sent": 0, "requests": 0, "retried": 0}
        totals.update(
            self._db.execute("SELECT entry, value FROM ledger WHERE audit = ?", (plan_digest,))
        )
        rows = self._db.execute(
            "SELECT probe, items, started, why FROM unknown WHERE audit = ? ORDER BY id",
            (plan_digest,),
        )
        # The rows of one request have one time.
        requests = itertools.groupby(rows, key=lambda row: row[2])
        unknown = [_unknown_request(started, list(group)) for started, group in requests]
        totals["unknown"] = sum(request.queries for request in unknown)
        return totals, unknown

    # ---- the model's class names and its server --------------------------------------------

    def keep_label_names(self, fingerprint: str, names: Iterable[str], first: int = 0) -> None:
        """Remember class names, so that a resumed run gives them the same indices.

        ``names`` are in index order from ``first`` on. Call it before the labels that use them are
        recorded: committed labels whose names are lost would mean other classes later.
        """
        rows = [(fingerprint, index, name) for index, name in enumerate(names, first)]
        self._insert("INSERT OR REPLACE INTO label_names VALUES (?,?,?)", rows)

    def _identity(self, fingerprint: str) -> Identity:
        names = self._db.execute(
            "SELECT name FROM label_names WHERE fingerprint = ? ORDER BY label", (fingerprint,)
        )
        rows = self._db.execute(
            "SELECT name, value FROM origins WHERE fingerprint = ? ORDER BY id", (fingerprint,)
        )
        found: dict[str, tuple[str, ...]] = {}
        for name, value in rows:
            found[name] = (*found.get(name, ()), value)
        return [name for (name,) in names], found

    def keep_server_identity(self, fingerprint: str, stated: Mapping[str, str]) -> None:
        """Remember the identity an answer ``stated``; call it before its labels are recorded."""
        now = time.time()
        rows = [(fingerprint, name, value, now) for name, value in stated.items()]
        self._insert(
            "INSERT OR IGNORE INTO origins (fingerprint, name, value, started) VALUES (?,?,?,?)",
            rows,
        )

    # ---- in the writer's thread ------------------------------------------------------------

    def _insert(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        self._writer.post(lambda: self._db.executemany(statement, rows))

    def _flush(self) -> None:
        """Write everything that the jobs of one transaction collected, table by table."""
        chunks = [
            (row, chunk, _packed(probe.labels[chunk * CHUNK : (chunk + 1) * CHUNK]))
            for (row, chunk), probe in self._dirty.items()
        ]
        for statement, rows in (
            ("INSERT INTO intents VALUES (?, ?, ?, ?, ?, ?)", self._opened),
            # An intent may be opened and withdrawn in one transaction, so this order.
            ("DELETE FROM intents WHERE id = ?", self._ended),
            (_ADD, [(*key, value) for key, value in self._charges.items()]),
            (
                "INSERT OR REPLACE INTO chunks VALUES (?, ?, ?, ?)",
                [(*entry, zlib.crc32(entry[2])) for entry in chunks],
            ),
        ):
            if rows:
                self._db.executemany(statement, rows)
        for collected in (self._opened, self._ended, self._charges, self._dirty):
            collected.clear()


def _packed(labels: NDArray[np.uint16]) -> bytes:
    # Adding 1 turns "not asked" into 0, so that one comparison finds a label too large.
    if (labels + np.uint16(1)).max(initial=0) > _NOT_ASKED_BYTE:
        return labels.tobytes()
    return labels.astype("u1").tobytes()  # 65535 becomes 255


def unpacked(blob: bytes, size: int) -> NDArray[np.uint16]:
    """Labels ``(size,)`` of a chunk as the file holds it, :data:`NOT_ASKED` among them."""
    if len(blob) != size:
        return np.frombuffer(blob, dtype="<u2")
    labels = np.frombuffer(blob, dtype="u1").astype("<u2")
    labels[labels == _NOT_ASKED_BYTE] = NOT_ASKED
    return labels


def _unknown_request(started: float, rows: Sequence[tuple[Any, ...]]) -> UnknownRequest:
    parts = [(row, np.frombuffer(items, "<u4").astype(np.int64)) for row, items, _, _ in rows]
    return UnknownRequest(tuple(parts), started, rows[0][3])
