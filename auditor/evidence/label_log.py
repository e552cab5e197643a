"""Writes the label log: an observer of the engine that appends to the hash chain.

Rows are collected and appended a few times a second, so a log costs a fast audit next to
nothing. A kill loses the rows of the last moment and no label: labels that only the store knows
are logged as ``cached`` when the next run begins.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec, Labels
from adapters.errors import AdapterError
from adapters.strict_json import canonical
from auditor.engine.observer import Observer, Sent
from auditor.engine.requests import input_keys
from auditor.engine.store import NOT_ASKED
from auditor.errors import EvidenceError, StoreError
from auditor.evidence.chain import Chain, LoggedRun, line_hash, read_chain, spans, split_lines
from auditor.evidence.log_rows import FREE, Places
from auditor.probes.base import FixedProbe

FLUSH_S = 0.1
FLUSH_ROWS = 256
FLUSH_LABELS = 65_536
MAX_BYTES = 2 * 1024**3


class LabelLog(Observer):
    """The open log of one audit; belongs to the event loop and to one process.

    Args:
        path: the file; continued if it exists, a half-written last line dropped.
        spec: form of an input as sent, of which request hashes are taken.
        opening: content of the ``open`` entry of this run.
        now: UTC seconds.

    Raises:
        EvidenceError: the log was changed, or cannot be read.
        StoreError: it cannot be written.
    """

    def __init__(
        self,
        path: Path,
        spec: InputSpec,
        opening: dict[str, Any],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._path, self._spec, self._now = path, spec, now
        self._rows: list[dict[str, Any]] = []
        self._labels = 0
        self._timer: asyncio.TimerHandle | None = None
        self._failure: StoreError | None = None
        self._places = Places([])
        self.chain, torn = _resume(path)
        self._file = self._open(torn)
        # Kept up to date here, so that later lines need no second look at the file.
        self.chain.runs.append(LoggedRun(opening))
        self._append("open", {**opening, "torn": torn})

    # ---- the engine's side -------------------------------------------------------------------

    def servers(self, known: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
        """See :class:`auditor.engine.observer.Observer`."""
        for name, values in known.items():
            for value in values:
                self.server({name: value}, ())
        return self.chain.target_record.servers

    def server(self, stated: Mapping[str, str], addresses: Collection[str]) -> None:
        """See :class:`auditor.engine.observer.Observer`."""
        record = self.chain.target_record
        if news := record.server_news(stated, addresses):
            # After the rows of the answers before it.
            self.flush()
            self._append("sender", news)
            record.take_server(**news)

    def classes(self, first: int, names: Sequence[str], size: int | None) -> None:
        """See :class:`auditor.engine.observer.Observer`."""
        record = self.chain.target_record
        for news in list(record.class_news(first, names, size)):
            self.flush()
            self._append("classes", news)
            record.take_classes(**news)

    def begin(self, probes: Sequence[FixedProbe], known: Sequence[NDArray[np.uint16]]) -> None:
        """See :class:`auditor.engine.observer.Observer`."""
        new, numbers = [], []
        for probe in probes:
            if probe.digest not in self.chain.numbers:
                made = self.chain.introduce(probe.kind, probe.digest, probe.size)
                new.append([made.number, made.kind, made.digest, made.size])
            numbers.append(self.chain.numbers[probe.digest])
        self.flush()
        self._append("ask", {"probes": numbers, "new": new})
        self._places = Places([self.chain.probes[number] for number in numbers])
        for number, labels in enumerate(known):
            self._reconcile(number, labels)

    def answered(self, sent: Sent, labels: Labels) -> None:
        """See :class:`auditor.engine.observer.Observer`."""
        self._labelled("ok", self._at(sent.probes, sent.items), labels, **self._facts(sent))

    def failed(self, sent: Sent, error: BaseException) -> None:
        """See :class:`auditor.engine.observer.Observer`."""
        row = {"s": type(error).__name__, **self._facts(sent)}
        if not isinstance(error, AdapterError) or error.advice.outcome_unknown:
            row["u"] = True
        self._add({**_which(self._at(sent.probes, sent.items)), **row}, 0)

    def filled(self, probe: int, items: NDArray[np.int64], labels: Labels) -> None:
        """See :class:`auditor.engine.observer.Observer`."""
        self._labelled("twin", self._at(probe, items), labels)

    # ---- the audit's side --------------------------------------------------------------------

    def flush(self) -> None:
        """Append the rows collected so far; a StoreError if they cannot be written."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._failure is not None:
            raise self._failure
        if self._rows:
            rows, self._rows, self._labels = self._rows, [], 0
            at = self._append("rows", {"rows": rows})
            if any(row["s"] not in FREE for row in rows):
                self.chain.first_query = self.chain.first_query or at
                self.chain.last_query = at

    def finish(self, closing: dict[str, Any]) -> None:
        """Append the ``close`` entry and sync the file; a StoreError if it cannot be written."""
        self.flush()
        self._append("close", closing)
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._unwritable(error) from error

    def close(self) -> None:
        """Append rows as far as possible and close the file; a second call does nothing."""
        if not self._file.closed:
            with contextlib.suppress(StoreError):
                self.flush()
            self._file.close()

    # ---- writing -----------------------------------------------------------------------------

    def _open(self, torn: int) -> BinaryIO:
        try:
            file = self._path.open("ab", buffering=0)
            if torn:
                file.truncate(file.seek(0, os.SEEK_END) - torn)
        except OSError as error:
            raise self._unwritable(error) from error
        return file

    def _append(self, kind: str, content: dict[str, Any]) -> float:
        """Write one entry in one piece, so that a kill leaves all of it or a torn last line.

        Returns its time in UTC seconds.
        """
        chain, at = self.chain, round(self._now(), 3)
        entry = {"n": chain.entries, "prev": chain.last, "at": at, "e": kind}
        line = canonical({**entry, **content})
        try:
            written = self._file.write(line + b"\n")
            if written != len(line) + 1:
                raise OSError(28, os.strerror(28))
        except OSError as error:
            # A torn line, after which nothing may follow.
            self._failure = self._unwritable(error)
            raise self._failure from error
        chain.entries += 1
        chain.last = line_hash(line)
        return at

    def _unwritable(self, error: OSError) -> StoreError:
        return StoreError(
            f"the evidence log {self._path} cannot be written: {error.strerror}; labels that were "
            "saved are kept: see to it and run the same command again"
        )

    def _add(self, row: dict[str, Any], labels: int) -> None:
        if self._failure is not None:
            raise self._failure
        self._rows.append(row)
        self._labels += labels
        if len(self._rows) >= FLUSH_ROWS or self._labels >= FLUSH_LABELS:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._flush_late)

    def _flush_late(self) -> None:
        """Flush from a timer, which cannot raise to a caller: the next row raises the error."""
        self._timer = None
        with contextlib.suppress(StoreError):
            self.flush()

    def _at(self, probes: NDArray[np.int64] | int, items: NDArray[np.int64]) -> NDArray[np.int64]:
        at: NDArray[np.int64] = self._places.starts[probes] + items
        return at

    def _labelled(
        self, status: str, at: NDArray[np.int64], labels: NDArray[Any], **facts: Any
    ) -> None:
        self._places.put(at, labels)
        self._add({**_which(at), "s": status, "l": labels.tolist(), **facts}, len(at))

    def _facts(self, sent: Sent) -> dict[str, Any]:
        keys, code = list(sent.keys), sent.status
        if unknown := [number for number, key in enumerate(keys) if not key]:
            made = iter(input_keys(self._spec, sent.batch[unknown]))
            keys = [key or next(made) for key in keys]
        again = {"a": sent.send} if sent.send > 1 else {}
        whole = code.isdecimal() and code.isascii()  # an HTTP status is the number that it is
        status = {"c": int(code) if whole else code} if code else {}
        return {"q": request_hash(keys), "ms": round(1000 * sent.seconds, 1), **status, **again}

    def _reconcile(self, number: int, known: NDArray[np.uint16]) -> None:
        """Bring log and store together if a kill came between them."""
        logged = self._places.probes[number].labels
        lost = np.flatnonzero((known == NOT_ASKED) & (logged != NOT_ASKED))
        for part in spans(lost, FLUSH_LABELS):
            logged[part] = NOT_ASKED
            self._add({**_which(self._at(number, part)), "s": "void"}, len(part))
        unseen = np.flatnonzero((known != NOT_ASKED) & (known != logged))
        for part in spans(unseen, FLUSH_LABELS):
            self._labelled("cached", self._at(number, part), known[part])


def request_hash(keys: Sequence[bytes]) -> str:
    """Identity of a request: half of the SHA-256 of its inputs' keys, in hex."""
    return hashlib.sha256(b"".join(keys)).hexdigest()[:32]


def _which(at: NDArray[np.int64]) -> dict[str, Any]:
    listed = at.tolist()
    first, count = listed[0], len(listed)
    if listed[-1] - first + 1 == count and listed == list(range(first, first + count)):
        return {"r": [first, count]}
    return {"i": listed}


def _resume(path: Path) -> tuple[Chain, int]:
    """The chain so far, and the length of a half-written last line."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise EvidenceError(f"{path} is larger than any evidence log")
        data = path.read_bytes()
    except FileNotFoundError:
        return Chain(), 0
    except OSError as error:
        raise EvidenceError(f"{path} cannot be read: {error.strerror}") from error
    try:
        lines, torn = split_lines(data)
        return read_chain(lines), len(torn)
    except EvidenceError as error:
        raise EvidenceError(
            f"{path} was changed since it was written ({error}); restore it, or use another "
            "--output: a log is never continued over a gap"
        ) from None
