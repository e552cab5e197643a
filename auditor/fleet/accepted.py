"""Accepted findings beside the audits of a fleet; they change no verdict and no exit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from auditor.report.wording.accepted import accepted_lines
from auditor.workflows.compare.accepted import Acceptance

Row = Mapping[str, Any]


def with_accepted(
    rows: Mapping[str, Row], entries: Sequence[Acceptance], today: date
) -> dict[str, Row]:
    """The rows, each with a sentence for every finding if one of them was accepted."""
    held = {
        one.finding: {
            **one.model_dump(mode="json", exclude={"finding"}),
            "expired": one.expired(today),
        }
        for one in entries
    }
    made: dict[str, Row] = {}
    for name, row in rows.items():
        found = [{**one, "accepted": held.get(one["id"])} for one in row.get("findings", ())]
        made[name] = {**row, "accepted": accepted_lines(found)}
    return made
