"""The records of a bundle as types: a key that is missing, unknown or of another kind is refused.

Their authors may be hostile. Values are read without conversions; anything that is free-form here
is compared with what follows from the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import ConfigDict, Field, Strict, TypeAdapter, ValidationError

from adapters.contract import WireCount
from auditor.engine.ledger import Ledger
from auditor.engine.store import NOT_ASKED
from auditor.errors import EvidenceError
from auditor.evidence.canonical import parse_object
from auditor.evidence.layout import FORMAT
from auditor.report.result.base import FreeForm, Many, Part, SampleRef, Triple
from auditor.report.result.course import LostRequest, TimingPart
from auditor.report.wording.text import safe_text

T = TypeVar("T", bound=Part)
V = TypeVar("V")

MAX_LISTED = 500
MAX_PROBES = 100_000
MAX_FAULTS = 100
"""Mistakes of a record from which on none is named: each costs time and memory."""

Whole = Annotated[int, Field(ge=0, le=2**53, strict=True)]
Number = Annotated[float, Strict()]
LAST_SECOND = 253_402_300_799
"""End of the year 9999, the last that a date can have."""
Format = Literal["xray-audit-evidence/1"]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Entries = Annotated[list[V], Field(fail_fast=True)]
assert Format.__args__ == (FORMAT,)  # type: ignore[attr-defined]  # a Literal takes no constant


# ---- plan.json and run.json ----------------------------------------------------------------------


class InputRecord(Part):
    """Form of an input; :class:`adapters.contract.InputSpec` checks its values."""

    shape: Triple[Whole]
    low: Many[float]
    high: Many[float]
    access: Literal["float", "image"]
    encoding: str
    origin: str
    recoded: str = ""


class SamplesRecord(Part):
    """The samples of a plan, their images as hashes."""

    shape: Triple[Annotated[Whole, Field(ge=1)]]
    dtype: Literal["uint8", "float16", "float32", "float64"]
    classes_matched_by: str
    class_order: Many[str]
    stated_order: bool
    refs: Many[SampleRef]
    classes: Many[str]
    class_indices: Many[Whole]
    kept: Many[Whole]
    sha256: Many[Digest]
    notes: Many[str] = ()


class PlannedLabels(Part):
    """Labels of a target as known before the first query."""

    size: Whole | None
    open: bool


class FamiliesRecord(Part):
    """Perturbed samples of a plan."""

    queries: Whole
    probes: Many[FreeForm]


class PlanRecord(Part):
    """``plan.json``; compared as a whole with the plan that its settings and samples lead to."""

    format: Format
    plan_digest: str
    plan_version: Whole | None = None
    settings: FreeForm
    queries: Whole
    rounds: Whole
    pictures: FreeForm
    second_looks: FreeForm
    trigger_search: FreeForm
    families: FamiliesRecord
    triplets: Many[Triple[SampleRef]]
    probes: Many[FreeForm]
    planes: Many[FreeForm]
    samples_digest: str
    samples: SamplesRecord
    input: InputRecord
    labels: PlannedLabels
    fingerprint: Digest
    profile_digest: str | None
    tool: FreeForm


class LabelsRecord(PlannedLabels):
    """Labels of a target as known at the end."""

    names: Many[str]
    as_samples: bool = False
    """True if the report shows them by the names of the samples' order."""


class AskedTarget(Part):
    """The target of a finished run."""

    fingerprint: str
    description: FreeForm
    input: InputRecord
    labels: LabelsRecord
    wire: WireCount


class EndRecord(Part):
    """End of a run: the fields of the engine's result besides labels and ledger."""

    budget_reached: bool
    stopped: bool
    decided: bool
    origins: dict[str, Many[str]]
    unknown: Many[LostRequest]
    deferred: Whole


class RunRecord(Part):
    """``run.json``."""

    format: Format
    target: AskedTarget
    identity: FreeForm
    engine: EndRecord
    ledger: Ledger
    timing: TimingPart
    tool: FreeForm
    environment: FreeForm
    command: Many[str] = ()
    """Words of the command line, if the run was cut short: they go on with it."""


# ---- head.json -----------------------------------------------------------------------------------


class HeadContent(Part):
    """Predicate of a head: all of it follows from the files listed."""

    format: Format
    files: Annotated[
        Many[Annotated[tuple[str, Whole, Digest], Field(strict=False)]],
        Field(max_length=MAX_LISTED),
    ]
    plan_digest: str | None
    verdict: str | None
    log: FreeForm
    finished: str | None
    signer: FreeForm | None


class Head(Part):
    """``head.json``, an in-toto statement."""

    type: str = Field(alias="_type")
    subject: Many[FreeForm]
    predicate_type: str = Field(alias="predicateType")
    predicate: HeadContent


# ---- log.jsonl: dataclasses, as there may be 200,000 rows ----------------------------------------


class _Closed:
    # Not strict as a whole: that would refuse the dict that a dataclass is read from.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", defer_build=True)
    __slots__ = ()


@dataclass(slots=True)
class LogRow(_Closed):
    """End of one request, or labels that cost none; see :mod:`auditor.evidence.chain`."""

    status: Annotated[str, Field(alias="s")]
    span: Annotated[tuple[Whole, Whole] | None, Field(alias="r")] = None
    items: Annotated[Entries[Whole] | None, Field(alias="i")] = None
    labels: Annotated[
        Entries[Annotated[int, Field(ge=0, lt=NOT_ASKED, strict=True)]] | None, Field(alias="l")
    ] = None
    request: Annotated[str | None, Field(alias="q", pattern="^[0-9a-f]{32}$")] = None
    milliseconds: Annotated[Number, Field(alias="ms")] = 0.0
    reply: Annotated[Whole | Annotated[str, Field(min_length=1)], Field(alias="c")] = ""
    sending: Annotated[Whole, Field(alias="a")] = 1
    unknown: Annotated[bool, Field(alias="u", strict=True)] = False


@dataclass(slots=True, kw_only=True)
class LogEntry(_Closed):
    """The part that all entries share."""

    n: Whole
    prev: Digest
    at: Annotated[Number, Field(ge=0, le=LAST_SECOND)]
    e: str


@dataclass(slots=True, kw_only=True)
class OpenEntry(LogEntry):
    """A run begins; logs of early versions do not name its target."""

    plan: str
    plan_signed: str | None = None
    target: str = ""
    tool: FreeForm
    torn: Whole


@dataclass(slots=True, kw_only=True)
class SenderEntry(LogEntry):
    """News about the server."""

    said: dict[str, str]
    addresses: Entries[str]


@dataclass(slots=True, kw_only=True)
class ClassesEntry(LogEntry):
    """News about the classes."""

    first: Whole
    names: Entries[str]
    size: Whole | None


@dataclass(slots=True, kw_only=True)
class AskEntry(LogEntry):
    """The engine turns to probes; ``new`` holds number, kind, digest and size of those unknown."""

    probes: Annotated[Entries[Whole], Field(max_length=MAX_PROBES)]
    new: Annotated[Entries[tuple[Whole, str, str, Whole]], Field(max_length=MAX_PROBES)]


@dataclass(slots=True, kw_only=True)
class RowsEntry(LogEntry):
    """Ends of requests."""

    rows: Annotated[Entries[LogRow], Field(min_length=1)]


@dataclass(slots=True, kw_only=True)
class CloseEntry(LogEntry):
    """The run ended in order."""

    ledger: FreeForm
    engine: FreeForm | None = None
    identity: FreeForm | None = None


ENTRIES: dict[str, TypeAdapter[Any]] = {
    "open": TypeAdapter(OpenEntry),
    "sender": TypeAdapter(SenderEntry),
    "classes": TypeAdapter(ClassesEntry),
    "ask": TypeAdapter(AskEntry),
    "rows": TypeAdapter(RowsEntry),
    "close": TypeAdapter(CloseEntry),
}


FAULTS = {
    "missing": "is missing",
    "extra_forbidden": "an unknown key",
    "unexpected_keyword_argument": "an unknown key",
}
"""Kinds of mistake in words; the others are in pydantic's own."""


def read_entry(entry: Mapping[str, Any]) -> LogEntry:
    """An entry of the log.

    Raises:
        EvidenceError: it is of no kind that is written, or not as it is written.
    """
    kind = entry.get("e")
    if not isinstance(kind, str) or kind not in ENTRIES:
        raise EvidenceError("it is of an unknown kind")
    try:
        found: LogEntry = ENTRIES[kind].validate_python(entry)
    except ValidationError as error:
        raise _refusal(error, "it") from None
    return found


def read_record(kind: type[T], data: bytes, name: str) -> T:
    """The record in the file ``name``.

    Raises:
        EvidenceError: not sound JSON, or names the first key that is not as it is written.
    """
    parse_object(data, name)  # refuses JSON that can be read in two ways
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        raise _refusal(error, name) from None


def _refusal(error: ValidationError, name: str) -> EvidenceError:
    if error.error_count() > MAX_FAULTS:
        return EvidenceError(f"{name} is not as this version writes it, in more than one way")
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(step) for step in first["loc"])
    why = FAULTS.get(first["type"], first["msg"].replace("Input should", "it should"))
    return EvidenceError(
        f"{name} is not as this version writes it ({safe_text(place, 100)}: {safe_text(why, 120)})"
    )
