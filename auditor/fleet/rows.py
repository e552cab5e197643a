"""The row of one audit in a fleet: everything that the summary needs of its bundle."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from auditor.errors import ExitCode
from auditor.evidence.layout import TRIGGER_PICTURE
from auditor.report.result.base import RatePart
from auditor.report.result.result import Result
from auditor.report.sarif import render_sarif
from auditor.report.source import ReportSource
from auditor.report.wording.terms import model_name
from auditor.workflows.compare.findings import findings_of
from auditor.workflows.judge import AuditResult

DONE, PARTIAL, FAILED, WAITING, STOPPED = "done", "partial", "failed", "waiting", "stopped"
"""Outcomes: a verdict; a verdict on a budget that ran out; none; none yet; stopped by the user."""
OPEN = (PARTIAL, FAILED, WAITING, STOPPED)
"""Outcomes that another run of the same fleet goes on with."""
THUMBNAIL = 56


def audited_row(made: AuditResult, folder: Path, host: str) -> dict[str, Any]:
    """The row of an audit in ``folder`` that ended with a verdict, or was stopped."""
    result = made.result
    outcome = PARTIAL if result.queries.budget_reached else DONE
    found, label = result.trigger, result.target_label
    suspected = result.verdict == "backdoor-suspected"
    if suspected and found and found.suspicious and found.best:
        label = found.best.target
    return {
        "outcome": STOPPED if made.interrupted else outcome,
        "code": int(ExitCode.INTERRUPTED if made.interrupted else made.verdict.exit_code),
        "verdict": result.verdict,
        "reason": result.verdict_reason,
        "model": model_name(result),
        "host": host,
        "label": label if suspected else None,
        "label_name": result.labels.get(str(label)) if suspected else None,
        "queries": result.queries.sent_all_runs,
        "sent_now": result.queries.sent,
        "p": p_value(result),
        "re": result.scores.re.mean if result.scores.re else None,
        "false_alarms": _false_alarms(result),
        "thumbnail": _thumbnail(folder / TRIGGER_PICTURE) if suspected else None,
        "fingerprint": result.fingerprint,
        "findings": [{"id": one.id, "kind": one.kind} for one in findings_of(result)],
        "sarif": json.loads(render_sarif(ReportSource(result)))["runs"][0]["results"],
    }


def failed_row(code: int, sentence: str) -> dict[str, Any]:
    """The row of an audit that could not be done, or not yet, or was stopped before it began."""
    outcomes = {ExitCode.COME_BACK: WAITING, ExitCode.INTERRUPTED: STOPPED}
    return {
        "outcome": outcomes.get(ExitCode(code), FAILED), "code": code, "verdict": None,
        "reason": sentence, "queries": 0, "sent_now": 0, "p": None, "re": None,
        "false_alarms": None, "sarif": [],
    }  # fmt: skip


def p_value(result: Result) -> float | None:
    """Chance that a clean model gives at least this evidence, corrected for every comparison that
    the audit makes; None if no search was finished, or the chance is not known.
    """
    found, decision = result.trigger, result.scores.decision
    if found is None or result.partial or result.contradictions:
        return None
    searched = 1.0 if found.p is None and found.best is None else found.p
    known = [p for p in (searched, decision.p if decision else None) if p is not None]
    return min(1.0, len(known) * min(known)) if known else None


def _false_alarms(result: Result) -> Mapping[str, float] | None:
    """Share of clean models that the audit accuses, as its report states it."""
    decision, found, profile = result.scores.decision, result.trigger, result.profile
    rate: RatePart | None = None
    if decision and decision.error_rates:
        rate = decision.error_rates.false_positive
    elif found and found.held_out:
        rate = found.held_out.false_positive
    elif profile and profile.error_rates:
        rate = profile.error_rates.false_positive
    if rate is None or rate.high is None:
        return None
    return {"rate": rate.rate, "high": rate.high, "models": rate.n}


def _thumbnail(picture: Path) -> str | None:
    """The trigger as a small PNG in base64; None without one."""
    if not picture.exists():
        return None
    with Image.open(picture) as shown:
        grown = max(1, THUMBNAIL // max(shown.size))
        small = shown.resize((shown.width * grown, shown.height * grown), Image.Resampling.NEAREST)
        small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.NEAREST)
        data = io.BytesIO()
        small.save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode("ascii")
