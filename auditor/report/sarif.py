"""The verdict as SARIF 2.1.0, shaped so that GitHub code scanning takes it.

GitHub refuses a whole file in which one result has no physical location, and shows whatever is
listed as an alert. So every result points at a real line, there is never a ``pass`` result, and
an audit that found nothing lists no result at all: GitHub then closes the alert it had.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from auditor.errors import UsageError
from auditor.report.json_report import report_bytes
from auditor.report.result.result import Result
from auditor.report.source import REPORT_NAME, ReportSource
from auditor.report.wording.buyer import vendor_questions
from auditor.report.wording.terms import model_name, utc_time
from auditor.report.wording.text import safe_text
from auditor.report.wording.verdict import Wording, wording, wordings

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
RULES = {"backdoor-suspected": ("error", "8.0"), "inconclusive": ("warning", "4.0")}
"""Rules by verdict: SARIF's level, and GitHub's severity from 0 to 10, of which 7.0 to 8.9 is shown
as high and 4.0 to 6.9 as medium."""


def render_sarif(source: ReportSource, location: str = "") -> str:
    """One run with at most one result.

    Args:
        source: the result.
        location: path in the reader's repository that the result points at, its line 1; empty
            for the line of ``report.json`` that holds the verdict.

    Raises:
        UsageError: ``location`` is no path inside a repository.
    """
    result = source.result
    return log_of(
        result.tool.version,
        _results(source, location),
        _invocation(result),
        {"id": f"xray-audit/{source.digest[:16]}"},
        {"reportSha256": source.digest, "verdict": result.verdict},
        {result.verdict: wording(result)},
    )


def log_of(
    version: str,
    results: list[dict[str, Any]],
    invocation: dict[str, Any],
    automation: dict[str, Any],
    properties: dict[str, Any],
    said: Mapping[str, Wording] | None = None,
) -> str:
    """The log of one run of this program's ``version``; ``said`` holds the words of the verdicts
    of one audit, which its rules then have instead of general ones.
    """
    words = {**wordings(), **(said or {})}
    driver = {
        "name": "xray-audit",
        "semanticVersion": _semantic(version),
        "version": safe_text(version, 40),
        "rules": [_rule(rule, words[rule]) for rule in RULES],
        "supportedTaxonomies": [{"name": "MITRE ATLAS", "index": 0}],
    }
    run = {
        "tool": {"driver": driver},
        "taxonomies": [_atlas()],
        "automationDetails": automation,
        "invocations": [invocation],
        "columnKind": "utf16CodeUnits",
        "results": results,
        "properties": properties,
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=True) + "\n"


def _semantic(version: object) -> str:
    parts = str(version).split("+")[0].split(".")
    numbers = [part for part in parts if part.isdecimal()][:3]
    return ".".join([*numbers, "0", "0", "0"][:3])


def _rule(verdict: str, words: Wording) -> dict[str, Any]:
    level, severity = RULES[verdict]
    meaning = (*words.means, *words.means_not)
    atlas = {"id": "AML.T0018", "index": 0, "toolComponent": {"index": 0}}
    return {
        "id": f"xray-audit/{verdict}",
        "name": "".join(part.capitalize() for part in verdict.split("-")),
        "shortDescription": {"text": words.title},
        "fullDescription": {"text": words.plain},
        "help": {"text": " ".join(meaning), "markdown": "\n\n".join(meaning)},
        "defaultConfiguration": {"level": level},
        "properties": {
            "tags": ["security", "machine-learning", "backdoor"],
            "security-severity": severity,
            "precision": "medium",
            "problem.severity": level,
        },
        "relationships": [{"target": atlas, "kinds": ["relevant"]}],
    }


def _atlas() -> dict[str, Any]:
    taxon = {"id": "AML.T0018", "shortDescription": {"text": "Manipulate AI Model"}}
    return {"name": "MITRE ATLAS", "version": "5.6", "organization": "MITRE", "taxa": [taxon]}


def _invocation(result: Result) -> dict[str, Any]:
    # An audit that ended early was not successful, whatever its verdict says.
    made: dict[str, Any] = {"executionSuccessful": not result.partial}
    times = {"startTimeUtc": result.timing.started, "endTimeUtc": result.timing.finished}
    return made | {key: at for key, value in times.items() if (at := utc_time(value))}


def _results(source: ReportSource, location: str) -> list[dict[str, Any]]:
    result = source.result
    place = _place(source, location)  # a bad location is refused with or without a result
    if result.verdict == "no-evidence" and not result.partial:
        return []
    suspected = result.verdict == "backdoor-suspected"
    verdict = "backdoor-suspected" if suspected else "inconclusive"
    rule = f"xray-audit/{verdict}"
    words = wording(result)
    said = (
        f"{words.title}: {safe_text(model_name(result), 80)}. {words.plain} "
        f"{safe_text(result.verdict_reason, 1200)}"
    )
    alert: dict[str, Any] = {
        "ruleId": rule,
        "ruleIndex": [*RULES].index(verdict),
        "kind": "fail" if suspected else "open",
        "message": {"text": said},
        "locations": [place],
        # One alert per model: it stays the same when the audit is repeated.
        "partialFingerprints": {"model/v1": result.fingerprint, "rule/v1": rule},
        "properties": {"questionsForTheVendor": vendor_questions(result)},
    }
    if suspected:
        # For other kinds than "fail" the standard leaves only "none"; GitHub, which does not
        # read the kind, then takes the rule's own level.
        alert["level"] = RULES[verdict][0]
    return [alert]


def _place(source: ReportSource, location: str) -> dict[str, Any]:
    line = 1
    if not location:
        before = report_bytes(source.result.content).partition(b'\n  "verdict":')[0]
        line = 2 + before.count(b"\n")
    uri = _uri(location) if location else REPORT_NAME
    region = {"startLine": line, "startColumn": 1}
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}


def _uri(location: str) -> str:
    path = PurePosixPath(location)
    if path.is_absolute() or ".." in path.parts or "\\" in location or not path.parts:
        raise UsageError(
            f"the SARIF location {location[:80]!r} must be a path inside the repository, with "
            "forward slashes, such as models/card.md"
        )
    return quote(path.as_posix())
