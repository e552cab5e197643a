"""The label log as a hash chain: lines of JSON, each holding the SHA-256 of the one before.

An *entry* is one line, ``{"n", "prev", "at", "e", ...}``: its number from 0, the hash of the
line before it (64 zeros for the first), UTC seconds, and what it records, ``e``:

- ``open``: a run of the command begins. ``plan`` is the SHA-256 of plan.json, ``target`` that of
  the target's fingerprint, ``tool`` the code that runs, ``torn`` the bytes of a half-written last
  line that were dropped.
- ``sender``: the next answer ``said`` something new about its server (TLS certificate's SHA-256,
  headers and fields that name a server, model or version), or the endpoint's name had led to new
  ``addresses``. Before an ``ask``: an earlier run had seen it and was killed before it could
  log it.
- ``classes``: labels from ``first`` on are called ``names`` from now on; there are ``size`` of
  them, null if the target has not stated it.
- ``ask``: the engine turns to ``probes`` (their numbers); ``new`` introduces
  ``[number, kind, digest, size]``.
- ``rows``: how requests ended. A row names inputs by their *place*: counted through the probes
  of the last ``ask``, one after the other. It has them as ``r`` (``[first, count]``) or ``i``
  (a list, in the order sent), and ``s``:

  - ``ok``: answered, with ``l`` labels, ``q`` request hash, ``ms`` latency, ``c`` the status of
    the reply (HTTP number or gRPC name; missing if the target has none) and ``a`` sending number
    if it was not the first. The hash is over those of the inputs as sent; a search's pictures are
    hashed as 8-bit pixels since plan version 7, from which the value range gives what is sent.
  - ``cached``: ``l`` came from the label store: bought by an earlier run that was killed before
    it could log them, or by one that kept no log. Nothing was sent.
  - ``twin``: ``l`` came from an identical input. Nothing was sent.
  - ``void``: labels logged earlier that the store lost; they are asked again.
  - anything else: the kind of error. No labels; ``c`` as above, missing if no reply came; ``u``
    is true if the target may have answered and charged unseen.
- ``close``: the run ended in order; ``ledger`` is its account.

A later row about an input replaces an earlier one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.engine.store import NOT_ASKED
from auditor.errors import EvidenceError
from auditor.evidence.canonical import parse_object
from auditor.evidence.log_rows import FREE, LABELLED, KnownProbe, Places, RowTotals
from auditor.evidence.record_types import (
    MAX_PROBES,
    AskEntry,
    ClassesEntry,
    CloseEntry,
    LogRow,
    OpenEntry,
    RowsEntry,
    SenderEntry,
    read_entry,
)
from auditor.evidence.target_record import TargetRecord

GENESIS = "0" * 64
MAX_LINE = 16 * 1024 * 1024
MAX_LABELS = 100_000_000
MAX_VOID = 65_536
"""Most inputs of a row that voids labels."""
WORK_OF_VOID = 200
"""Work of voiding a label, in labels copied."""
MAX_TOUCHED = 10 * MAX_LABELS
"""Most work that a few words of a log may ask for, in labels copied."""


@dataclass
class LoggedRun:
    """One run of the command.

    Attributes:
        opened: the ``open`` entry.
        asked: for each ``ask`` the numbers of its probes.
        answers: for each of them its probes' labels as they were at its end; of the last run
            only, and only if they were wanted.
        tally: totals of its rows.
        closed: the ``close`` entry, or None.
    """

    opened: dict[str, Any]
    asked: list[list[int]] = field(default_factory=list)
    answers: list[list[NDArray[np.uint16]]] = field(default_factory=list)
    tally: RowTotals = field(default_factory=RowTotals)
    closed: dict[str, Any] | None = None


@dataclass
class Chain:
    """A log as far as it was read.

    Attributes:
        entries: number of entries.
        last: SHA-256 of the last line, or of nothing.
        probes: every probe named, by its number.
        runs: runs of the command, in order.
        target_records: statements of each target, by the ``target`` of the runs that asked it.
        first_query, last_query: UTC seconds of the entries with the first and last answer from
            the target, or None.
    """

    entries: int = 0
    last: str = GENESIS
    probes: list[KnownProbe] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    runs: list[LoggedRun] = field(default_factory=list)
    target_records: dict[str, TargetRecord] = field(default_factory=dict)
    first_query: float | None = None
    last_query: float | None = None
    total_labels: int = 0
    places: Places | None = None
    keep: bool = False
    kept: int = 0
    touched: int = 0

    def labels(self, digest: str) -> NDArray[np.uint16] | None:
        """Labels ``(size,)`` of the probe ``digest``; None if the log does not name it."""
        number = self.numbers.get(digest)
        return None if number is None else self.probes[number].labels

    @property
    def target_record(self) -> TargetRecord:
        """Record of the last run's target, over all runs that asked it."""
        target = str(self.runs[-1].opened.get("target"))
        return self.target_records.setdefault(target, TargetRecord())

    def introduce(self, kind: str, digest: str, size: int) -> KnownProbe:
        """Give a probe the next number; an EvidenceError if there are more than any audit has."""
        self.total_labels += size
        if len(self.probes) >= MAX_PROBES or self.total_labels > MAX_LABELS:
            raise EvidenceError("the label log names more inputs than any audit asks")
        probe = KnownProbe(len(self.probes), kind, digest, size, np.full(size, NOT_ASKED, "<u2"))
        self.probes.append(probe)
        self.numbers[digest] = probe.number
        return probe

    def touch(self, labels: int) -> None:
        """Count work that follows from a few words; an EvidenceError if no audit asks so much."""
        self.touched += labels
        if self.touched > MAX_TOUCHED:
            raise EvidenceError("the label log asks more than any audit asks")


Rows = Callable[[Places, NDArray[np.int64], LogRow], None]
"""Called with the inputs of an ask, the places that a row names, and the row."""


def line_hash(line: bytes) -> str:
    """SHA-256 of one line without its line break, which the next line must hold."""
    return hashlib.sha256(line).hexdigest()


def _row_places(row: LogRow, size: int) -> range | NDArray[np.int64]:
    """Places of the inputs of one row, checked to be distinct and below ``size``."""
    if row.span is not None:
        first, count = row.span
        if count >= 1 and first + count <= size:
            return range(first, first + count)
    elif row.items and max(row.items) < size and len(set(row.items)) == len(row.items):
        return np.array(row.items, dtype=np.int64)
    raise EvidenceError("a row names inputs that its probes do not have")


def read_chain(lines: Iterable[bytes], *, rows: Rows | None = None, answers: bool = False) -> Chain:
    """Check and replay a log.

    Args:
        lines: its lines, each without its line break and at most :data:`MAX_LINE` long.
        rows: called with every ``ok`` row: ``(places, at, row)``, or None.
        answers: True to keep the labels that each question of the last run was answered with.

    Raises:
        EvidenceError: names the first entry that does not follow from the one before it.
    """
    chain = Chain(keep=answers)
    for line in lines:
        try:
            _apply(chain, _linked(chain, line), rows)
        except EvidenceError as error:
            raise EvidenceError(f"label log, entry {chain.entries}: {error}") from None
        chain.entries += 1
        chain.last = line_hash(line)
    return chain


def _linked(chain: Chain, line: bytes) -> dict[str, Any]:
    entry = parse_object(line, "it")
    if entry.get("n") != chain.entries or type(entry.get("n")) is not int:
        raise EvidenceError("its number does not follow: an entry was removed, added or moved")
    if entry.get("prev") != chain.last:
        raise EvidenceError(
            "it does not hold the hash of the entry before it: one of the two was changed"
        )
    return entry


def _apply(chain: Chain, content: dict[str, Any], rows: Rows | None) -> None:
    entry = read_entry(content)
    if isinstance(entry, OpenEntry):
        if chain.runs:
            chain.runs[-1].answers.clear()  # only those of the last run are of use
        chain.places, chain.kept = None, 0
        chain.runs.append(LoggedRun(content))
        return
    if not chain.runs:
        raise EvidenceError("it comes before any run was opened")
    run = chain.runs[-1]
    if isinstance(entry, AskEntry | CloseEntry):
        _keep(chain, run)
    match entry:
        case AskEntry():
            _ask(chain, run, entry)
        case RowsEntry():
            _rows(chain, run, entry, rows)
        case SenderEntry():
            chain.target_record.take_server(entry.said, entry.addresses)
        case ClassesEntry():
            chain.target_record.take_classes(entry.first, entry.names, entry.size)
        case CloseEntry():
            run.closed = content


def _keep(chain: Chain, run: LoggedRun) -> None:
    """Keep the labels that answer the last question."""
    if not chain.keep or chain.places is None or len(run.answers) == len(run.asked):
        return
    chain.touch(chain.places.size)
    chain.kept += chain.places.size
    if chain.kept > MAX_LABELS:
        raise EvidenceError("the label log asks more than any audit asks")
    run.answers.append([probe.labels.copy() for probe in chain.places.probes])


def _ask(chain: Chain, run: LoggedRun, entry: AskEntry) -> None:
    for number, kind, digest, size in entry.new:
        if number != len(chain.probes) or digest in chain.numbers:
            raise EvidenceError("it introduces a probe in another way than it was written")
        chain.introduce(kind, digest, size)
    if any(number >= len(chain.probes) for number in entry.probes):
        raise EvidenceError("it asks a probe that was never introduced")
    run.asked.append(entry.probes)
    chain.places = Places([chain.probes[number] for number in entry.probes])


def _rows(chain: Chain, run: LoggedRun, entry: RowsEntry, rows: Rows | None) -> None:
    for row in entry.rows:
        _row(chain, run, row, rows)
    if any(row.status not in FREE for row in entry.rows):
        chain.first_query = entry.at if chain.first_query is None else chain.first_query
        chain.last_query = entry.at


def _row(chain: Chain, run: LoggedRun, row: LogRow, rows: Rows | None) -> None:
    if chain.places is None:
        raise EvidenceError("a row comes before anything was asked")
    places = _row_places(row, chain.places.size)
    run.tally.count(row, len(places))
    if row.status == "void":
        if len(places) > MAX_VOID:
            raise EvidenceError("a row voids more labels than any that is written")
        chain.touch(WORK_OF_VOID * len(places))
        at = np.asarray(places, dtype=np.int64)
        chain.places.put(at, np.full(len(at), NOT_ASKED))
    elif row.status in LABELLED:
        if row.labels is None or len(row.labels) != len(places):
            raise EvidenceError("a row does not hold one label per input")
        at = np.asarray(places, dtype=np.int64)
        chain.places.put(at, np.array(row.labels, dtype=np.uint16))
        if rows is not None and row.status == "ok":
            rows(chain.places, at, row)


def split_lines(data: bytes) -> tuple[Iterator[bytes], bytes]:
    """The whole lines of a log, one after the other, and what follows the last line break."""
    end = data.rfind(b"\n") + 1
    return _lines(data, end), data[end:]


def _lines(data: bytes, end: int) -> Iterator[bytes]:
    start = 0
    while start < end:
        stop = data.index(b"\n", start)
        if stop - start > MAX_LINE:
            raise EvidenceError("the label log holds a line longer than any that is written")
        yield data[start:stop]
        start = stop + 1


def file_lines(path: Path) -> Iterator[bytes]:
    """The whole lines of the log at ``path``, read one after the other.

    Raises:
        EvidenceError: the last one is half-written, or one is longer than any that is written.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        while line := file.readline(MAX_LINE + 1):
            if not line.endswith(b"\n"):
                torn = f"{path.name} ends in a half-written line"
                long = "the label log holds a line longer than any that is written"
                raise EvidenceError(long if len(line) > MAX_LINE else torn)
            yield line[:-1]


def spans(items: NDArray[np.int64], most: int) -> Iterator[NDArray[np.int64]]:
    """``items`` in parts of at most ``most``."""
    for start in range(0, len(items), most):
        yield items[start : start + most]
