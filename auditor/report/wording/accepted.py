"""Sentences on accepted findings: beside the finding, and never as a pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from auditor.report.wording.text import safe_text

TITLE = "Accepted risk"


def accepted_lines(findings: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each finding, accepted or not; none if nothing was accepted.

    Args:
        findings: ``id``, ``kind`` and ``accepted`` (``reason``, ``owner``, ``until`` and
            ``expired``, or None) of each.
    """
    accepted = any(finding["accepted"] for finding in findings)
    return [_line(finding) for finding in findings] if accepted else []


def _line(finding: Mapping[str, Any]) -> str:
    held = finding["accepted"]
    name = f"Finding {safe_text(finding['id'], 40)} ({safe_text(finding['kind'], 20)})"
    if held is None:
        return f"{name} stands: nobody accepted it."
    who = f"{safe_text(held['owner'], 200)}: {safe_text(held['reason'], 600)}"
    if held["expired"]:
        return f"{name} stands: its acceptance expired on {safe_text(held['until'], 20)}. ({who})"
    return (
        f"{name} is accepted until {safe_text(held['until'], 20)} by {who} "
        "This is no pass: the verdict stands."
    )
