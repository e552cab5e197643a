"""Source of every view: the one result, its pictures, and the record of the run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from auditor.report.json_report import report_parts
from auditor.report.result.result import Result
from auditor.report.wording.resume import resuming
from auditor.report.wording.text import visible

REPORT_NAME = "report.json"


@dataclass(frozen=True)
class ReportSource:
    """One audit's result, and the records that a view may show beside it; empty without any."""

    result: Result
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    """PNGs by the reference of a sample, or by a key of the trigger's pictures."""
    run: Mapping[str, Any] = field(default_factory=dict)
    """Content of ``run.json``: identity of the server, versions of the software."""
    profile: Mapping[str, Any] = field(default_factory=dict)
    """Content of ``profile.json``: the references judged by."""
    findings: Sequence[Mapping[str, Any]] = ()
    """Findings with their acceptances."""

    @property
    def resuming(self) -> str:
        """Command line that goes on with an audit cut short; empty if there is none."""
        words = self.run.get("command")
        if not self.result.partial or not isinstance(words, list):
            return ""
        # The record may be a stranger's.
        return resuming(self.result, [visible(str(word)[:400]) for word in words[:200]])

    @cached_property
    def digest(self) -> str:
        """SHA-256 of ``report.json``, in hex, which identifies the report."""
        state = hashlib.sha256()
        for part in report_parts(self.result.content):
            state.update(part)
        return state.hexdigest()
