"""Source of every view: the one result, its pictures, and the record of the run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from auditor.report.json_report import report_bytes
from auditor.report.result.result import Result

REPORT_NAME = "report.json"


@dataclass(frozen=True)
class ReportSource:
    """One audit's result.

    Attributes:
        result: the result.
        pictures: PNGs by the reference of a sample, or by a key of the trigger's pictures; empty
            in a copy without private images.
        run: the content of ``run.json``: who answered, with which versions; empty where unknown.
        profile: the content of ``profile.json``: the references judged by; empty without one.
        findings: the findings with their acceptances; empty if none were given.
    """

    result: Result
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    profile: Mapping[str, Any] = field(default_factory=dict)
    findings: Sequence[Mapping[str, Any]] = ()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of ``report.json``, in hex: what identifies the report."""
        return hashlib.sha256(report_bytes(self.result.content)).hexdigest()
