"""Accepted risk: findings that a named person decided to live with, until a day.

    [[accepted]]
    finding = "9f2c…"                  # the id that the audit prints
    reason = "Only used behind the manual check until the vendor retrains."
    owner = "J. Doe, product security"
    until = 2027-01-31                 # the last day it holds

Accepting changes no verdict and no exit code of an audit: it is shown beside the finding. After
``until`` the finding stands as before.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Strict,
    StringConstraints,
    ValidationError,
)

from auditor.errors import UsageError
from auditor.report.result.result import Result
from auditor.workflows.compare.findings import ID_LENGTH, Finding, findings_of
from auditor.workflows.validation import first_mistake

MAX_BYTES = 1024 * 1024

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]


def _printed(finding: str) -> str:
    if len(finding) != ID_LENGTH or not set(finding) <= set("0123456789abcdef"):
        raise ValueError(f"finding must be the {ID_LENGTH} hex digits that the audit prints")
    return finding


class Acceptance(BaseModel):
    """One accepted finding, an ``[[accepted]]`` entry; ``until`` is the last day it holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    finding: Annotated[str, AfterValidator(_printed)]
    reason: Words
    owner: Words
    until: Annotated[date, Strict()]

    def expired(self, today: date) -> bool:
        """True if it no longer holds."""
        return today > self.until


class _AcceptedFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    accepted: tuple[Acceptance, ...]


@dataclass(frozen=True, slots=True)
class MatchedFinding:
    """A finding with its acceptance, if it has one."""

    finding: Finding
    acceptance: Acceptance | None
    expired: bool

    @property
    def open(self) -> bool:
        """True if it stands: without an acceptance, or with an expired one."""
        return self.acceptance is None or self.expired

    def as_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        held = self.acceptance
        fields = None if held is None else held.model_dump(mode="json", exclude={"finding"})
        return {
            "id": self.finding.id,
            "kind": self.finding.kind,
            "text": self.finding.text,
            "accepted": None if fields is None else {**fields, "expired": self.expired},
        }


def read_accepted(path: Path) -> tuple[Acceptance, ...]:
    """Read a file of accepted findings.

    Raises:
        UsageError: it is unreadable, an entry is not as it must be, or a finding is accepted twice.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        table = tomllib.loads(data.decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"accepted risks {path} cannot be read: {error}") from error
    if len(data) > MAX_BYTES:
        raise UsageError(f"accepted risks {path} is larger than {MAX_BYTES} bytes")
    try:
        entries = _AcceptedFile.model_validate(table).accepted
    except ValidationError as error:
        known = Acceptance.model_fields
        raise UsageError(f"accepted risks {path}: {first_mistake(error, 'entry', known)}") from None
    if len({entry.finding for entry in entries}) != len(entries):
        raise UsageError(f"accepted risks {path} accepts a finding twice")
    return entries


def match_accepted(
    result: Result, accepted: Sequence[Acceptance], today: date
) -> tuple[MatchedFinding, ...]:
    """Every finding of ``result`` with its acceptance, if any; none is left out."""
    by_id = {one.finding: one for one in accepted}
    pairs = [(finding, by_id.get(finding.id)) for finding in findings_of(result)]
    return tuple(
        MatchedFinding(finding, held, held is not None and held.expired(today))
        for finding, held in pairs
    )


def unmatched(
    matched: Sequence[MatchedFinding], accepted: Sequence[Acceptance]
) -> tuple[Acceptance, ...]:
    """Acceptances without a finding in the result: of another model, or out of date."""
    known = {one.finding.id for one in matched}
    return tuple(one for one in accepted if one.finding not in known)
