"""A fleet's summary as JUnit XML and as SARIF."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from auditor import __version__
from auditor.fleet.rows import FAILED
from auditor.report.sarif import log_of
from auditor.report.wording.text import safe_text

Row = Mapping[str, Any]


def junit(audits: Sequence[Row]) -> str:
    """One suite, a case an audit: ``failure`` is a suspicion, ``error`` an audit that could not
    decide or could not be done.
    """
    kinds = [_kind(audit) for audit in audits]
    totals = (
        f'tests="{len(audits)}" failures="{kinds.count("failure")}" '
        f'errors="{kinds.count("error")}" skipped="0" '
        f'time="{sum(audit["seconds"] for audit in audits):.3f}"'
    )
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuites {totals}>",
        f'  <testsuite name="xray-audit fleet" {totals}>',
    ]
    for audit, kind in zip(audits, kinds, strict=True):
        said = quoteattr(
            safe_text(f"{audit['verdict'] or audit['outcome']}: {audit['reason']}", 1200)
        )
        head = (
            f'    <testcase classname="xray-audit" name={quoteattr(audit["name"])} '
            f'time="{audit["seconds"]:.3f}"'
        )
        lines.append(f"{head}><{kind} message={said}/></testcase>" if kind else f"{head}/>")
    return "\n".join([*lines, "  </testsuite>", "</testsuites>"]) + "\n"


def _kind(audit: Row) -> str:
    if audit["verdict"] == "no-evidence" and audit["outcome"] != FAILED:
        return ""
    return "failure" if audit["verdict"] == "backdoor-suspected" else "error"


def sarif(rows: Mapping[str, Row]) -> str:
    """One run with the result of every audit, each at its own report; audits that could not be
    done are notifications.
    """
    results = []
    for name, row in rows.items():
        for result in row["sarif"]:
            made = json.loads(json.dumps(result))
            for place in made["locations"]:
                artifact = place["physicalLocation"]["artifactLocation"]
                artifact["uri"] = f"{name}/{artifact['uri']}"
            made["partialFingerprints"]["audit/v1"] = name
            results.append(made)
    failed = [
        {"level": "error", "message": {"text": safe_text(f"{name}: {row['reason']}", 1200)}}
        for name, row in rows.items()
        if row["outcome"] == FAILED
    ]
    invocation: dict[str, Any] = {"executionSuccessful": not failed}
    if failed:
        invocation["toolExecutionNotifications"] = failed
    return log_of(__version__, results, invocation, {"id": "xray-audit/fleet"}, {})
