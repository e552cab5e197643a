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
from typing import Any

from auditor.errors import UsageError
from auditor.report.result.result import Result
from auditor.workflows.compare.findings import Finding, findings_of

MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Acceptance:
    """One accepted finding; ``until`` is the last day it holds."""

    finding: str
    reason: str
    owner: str
    until: date

    def expired(self, today: date) -> bool:
        """True if it no longer holds."""
        return today > self.until


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
    # Commands that read no such file name this module too, and --help must stay quick.
    from auditor.workflows.compare.accepted_file import check_accepted  # noqa: PLC0415 - see above

    return tuple(Acceptance(**entry) for entry in check_accepted(path, table))


def match_accepted(
    result: Result, accepted: Sequence[Acceptance], today: date
) -> tuple[MatchedFinding, ...]:
    """Every finding of ``result`` with its acceptance, if any; none is left out."""
    by_id = {one.finding: one for one in accepted}
    return tuple(
        MatchedFinding(
            finding,
            held := by_id.get(finding.id),
            held is not None and held.expired(today),
        )
        for finding in findings_of(result)
    )


def unmatched(
    matched: Sequence[MatchedFinding], accepted: Sequence[Acceptance]
) -> tuple[Acceptance, ...]:
    """Acceptances of something that the result does not hold: another model, or stale."""
    known = {one.finding.id for one in matched}
    return tuple(one for one in accepted if one.finding not in known)
