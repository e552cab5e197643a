"""Accepted risk: findings that somebody, by name and until a day, decided to live with.

    [[accepted]]
    finding = "9f2c…"                  # the id that the audit prints
    reason = "Only used behind the manual check until the vendor retrains."
    owner = "J. Doe, product security"
    until = 2027-01-31                 # the last day it holds

Accepting changes no verdict and no exit code of an audit: it is said beside the finding. After
``until`` the finding stands as before.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditor.errors import UsageError
from auditor.workflows.compare.findings import ID_LENGTH, Finding, findings_of

if TYPE_CHECKING:
    from auditor.report.result.result import Result

MAX_BYTES = 1024 * 1024
MAX_WORDS = 1000
FIELDS = {"finding", "reason", "owner", "until"}


@dataclass(frozen=True, slots=True)
class Acceptance:
    """One accepted finding; ``until`` is the last day it holds."""

    finding: str
    reason: str
    owner: str
    until: date

    def expired(self, today: date) -> bool:
        """Whether it no longer holds."""
        return today > self.until


@dataclass(frozen=True, slots=True)
class Weighed:
    """A finding, and what somebody said about it, if anybody did."""

    finding: Finding
    acceptance: Acceptance | None
    expired: bool

    @property
    def open(self) -> bool:
        """Whether it stands: nobody accepted it, or no longer."""
        return self.acceptance is None or self.expired

    def as_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        held = self.acceptance
        return {
            "id": self.finding.id,
            "kind": self.finding.kind,
            "text": self.finding.text,
            "accepted": None
            if held is None
            else {
                "reason": held.reason,
                "owner": held.owner,
                "until": held.until.isoformat(),
                "expired": self.expired,
            },
        }


def read_accepted(path: Path) -> tuple[Acceptance, ...]:
    """Read a file of accepted findings.

    Raises:
        UsageError: unreadable, or an entry lacks a field, names an unknown one, or has no day.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        table = tomllib.loads(data.decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"accepted risks {path} cannot be read: {error}") from error
    if len(data) > MAX_BYTES:
        raise UsageError(f"accepted risks {path} is larger than {MAX_BYTES} bytes")
    entries = table.get("accepted")
    if set(table) - {"accepted"} or not isinstance(entries, list):
        raise UsageError(f"accepted risks {path} must hold [[accepted]] entries and nothing else")
    accepted = tuple(_entry(path, number, entry) for number, entry in enumerate(entries, 1))
    if len({one.finding for one in accepted}) != len(accepted):
        raise UsageError(f"accepted risks {path} accepts a finding twice")
    return accepted


def _entry(path: Path, number: int, entry: Any) -> Acceptance:
    where = f"accepted risks {path}, entry {number}"
    if not isinstance(entry, dict) or set(entry) != FIELDS:
        raise UsageError(f"{where} must state {', '.join(sorted(FIELDS))} and nothing else")
    for name in ("finding", "reason", "owner"):
        value = entry[name]
        if not isinstance(value, str) or not value.strip() or len(value) > MAX_WORDS:
            raise UsageError(f"{where}: {name} must be a text of 1 to {MAX_WORDS} characters")
    finding = entry["finding"]
    if len(finding) != ID_LENGTH or not set(finding) <= set("0123456789abcdef"):
        raise UsageError(f"{where}: finding must be the {ID_LENGTH} hex digits the audit prints")
    until = entry["until"]
    if not isinstance(until, date) or isinstance(until, datetime):
        raise UsageError(f"{where}: until must be a day, such as 2027-01-31, without quotes")
    return Acceptance(finding, entry["reason"].strip(), entry["owner"].strip(), until)


def weigh(result: Result, accepted: Sequence[Acceptance], today: date) -> tuple[Weighed, ...]:
    """Every finding of ``result`` with its acceptance, if any; none is left out."""
    by_id = {one.finding: one for one in accepted}
    return tuple(
        Weighed(
            finding,
            held := by_id.get(finding.id),
            held is not None and held.expired(today),
        )
        for finding in findings_of(result)
    )


def unmatched(weighed: Sequence[Weighed], accepted: Sequence[Acceptance]) -> tuple[Acceptance, ...]:
    """Acceptances of something that the result does not hold: another model, or stale."""
    known = {one.finding.id for one in weighed}
    return tuple(one for one in accepted if one.finding not in known)
