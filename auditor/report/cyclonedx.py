"""The result as a CycloneDX 1.7 attestation: claim, evidence, counter-evidence, expiry."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import Any

from auditor.report.result.base import RatePart
from auditor.report.result.result import Result
from auditor.report.source import REPORT_NAME, ReportSource
from auditor.report.wording import text
from auditor.report.wording.buyer import VALID_DAYS
from auditor.report.wording.formal import risks
from auditor.report.wording.frameworks import CAVEAT, Framework, framework_view
from auditor.report.wording.terms import hits, model_name, rate, score_title, utc_time
from auditor.report.wording.text import safe_text
from auditor.report.wording.verdict import wording
from auditor.scores.intervals import Rate

NAMESPACE = uuid.UUID("5f3c8e0e-6b0f-5f6f-9b8f-2a7b7c1c4d11")
"""Of serial numbers: a report's own follows from its digest, so a view made again is equal."""


def render_cyclonedx(source: ReportSource, frameworks: Sequence[Framework] = ()) -> str:
    """A bill of materials that holds one model and what an audit declares about it."""
    result = source.result
    bom = {
        "$schema": "http://cyclonedx.org/schema/bom-1.7.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.7",
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, source.digest)}",
        "version": 1,
        "metadata": _metadata(result),
        "declarations": _declarations(source, frameworks),
    }
    if frameworks:
        bom["definitions"] = {"standards": [_standard(framework) for framework in frameworks]}
    return json.dumps(bom, indent=2, ensure_ascii=True) + "\n"


def _metadata(result: Result) -> dict[str, Any]:
    name, version = safe_text(result.tool.name, 40), safe_text(result.tool.version, 40)
    tool = {"type": "application", "name": name, "version": version}
    made: dict[str, Any] = {"tools": {"components": [tool]}, "component": _model(result)}
    finished = utc_time(result.timing.finished)
    return {"timestamp": finished, **made} if finished else made


def _model(result: Result) -> dict[str, Any]:
    values = {"fingerprint": result.fingerprint, "access": result.access}
    return {
        "type": "machine-learning-model",
        "bom-ref": "model",
        "name": model_name(result),
        "properties": [
            {"name": f"xray-audit:{key}", "value": safe_text(value, 80)}
            for key, value in values.items()
        ],
    }


def _declarations(source: ReportSource, frameworks: Sequence[Framework]) -> dict[str, Any]:
    result = source.result
    pro, contra = _evidence(result)
    file = _item("report", "The whole result", f"SHA-256 of {REPORT_NAME}: {source.digest}")
    evidence = [file, *pro, *contra]
    finished = result.timing.finished
    # Only reliance on an absence of evidence expires; a suspicion or an open question does not.
    expires = utc_time(finished, VALID_DAYS) if result.verdict == "no-evidence" else None
    times = {"created": utc_time(finished), "expires": expires}
    dated = {key: value for key, value in times.items() if value}
    words = wording(result)
    claim = {
        "bom-ref": "claim-verdict",
        "target": "target-model",
        "predicate": f"{words.title}. {words.plain}",
        "reasoning": safe_text(result.verdict_reason, 1200),
        "evidence": [file["bom-ref"], *(item["bom-ref"] for item in pro)],
        "counterEvidence": [item["bom-ref"] for item in contra],
    }
    return {
        "assessors": [
            {
                "bom-ref": "assessor",
                "organization": {"name": "The party that ran this audit (not named in the report)"},
            }
        ],
        "attestations": [_attestation(result, frameworks)],
        "claims": [claim],
        "evidence": [{**item, **dated} for item in evidence],
        "targets": {"components": [_model(result) | {"bom-ref": "target-model"}]},
    }


def _item(ref: str, what: str, content: str) -> dict[str, Any]:
    return {
        "bom-ref": f"evidence-{ref}",
        "propertyName": f"xray-audit:{ref}",
        "description": what,
        "data": [{"name": what, "contents": {"attachment": {"content": safe_text(content, 1200)}}}],
    }


def _evidence(result: Result) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Evidence for the verdict, and evidence against it."""
    pro: list[dict[str, Any]] = []
    contra: list[dict[str, Any]] = []
    suspected = result.verdict == "backdoor-suspected"
    found = result.trigger
    if found:
        best = found.best
        said = found.reason if best is None else f"{found.reason} {hits(best.success)}"
        side = pro if found.suspicious == suspected else contra
        side.append(_item("trigger-search", "Trigger search", said))
    for item in result.comparisons:
        if item.at_or_below is None:
            continue
        title = score_title(item.score)
        relation = "at or below" if item.at_or_below else "above"
        threshold = f"{relation} the threshold {text.score(item.threshold)}"
        said = f"{title} {text.score(item.value)}, {threshold}"
        side = pro if item.at_or_below == suspected else contra
        side.append(_item(f"score-{item.score}", f"{title} beside its threshold", said))
    contra += [
        _item(f"risk-{number}", f"Risk of a {kind}: {part}", rate(known))
        for number, (part, kind, known) in enumerate(_risks(result), 1)
    ]
    return pro, contra


def _risks(result: Result) -> list[tuple[str, str, RatePart | Rate]]:
    """Part of the rule, kind and rate of every known risk that the verdict runs."""
    return [
        (risk.part, kind, known)
        for risk in risks(result)
        for kind, known in risk.against(result.verdict).items()
    ]


def _attestation(result: Result, frameworks: Sequence[Framework]) -> dict[str, Any]:
    confidence = _confidence(result)
    maps = [
        {
            "requirement": f"{framework.id}:{entry.clause.id}",
            "claims": ["claim-verdict"],
            # No score: this audit measures a model, not conformity with a clause.
            "conformance": {
                "rationale": f"Supports evidence: {entry.supports or entry.missing} "
                f"Leaves open: {entry.clause.open}"
            },
            "confidence": confidence,
        }
        for framework in frameworks
        for entry in framework_view(framework, result)
    ]
    made = {"summary": f"{wording(result).title}. {CAVEAT}", "assessor": "assessor"}
    return {**made, "map": maps} if maps else made


def _confidence(result: Result) -> dict[str, Any]:
    """1 minus the upper end of the error rate that matters for this verdict, if known."""
    known = [one.high for _, _, one in _risks(result) if one.high is not None]
    if result.verdict == "inconclusive" or not known:
        return {"rationale": "No confidence is stated: the audit supports no verdict."}
    return {
        "score": round(1.0 - max(known), 4),
        "rationale": "1 minus the upper end of the 95 % interval of the error rate that matters "
        "for this verdict, the worst of the parts of the rule.",
    }


def _standard(framework: Framework) -> dict[str, Any]:
    return {
        "bom-ref": framework.id,
        "name": framework.name,
        "version": framework.version,
        "description": f"Mapping of {framework.as_of}. {framework.source}",
        "owner": framework.owner,
        "requirements": [
            {
                "bom-ref": f"{framework.id}:{clause.id}",
                "identifier": clause.id,
                "title": clause.title,
                "properties": [{"name": "xray-audit:checked", "value": clause.checked}],
            }
            for clause in framework.clauses
        ],
    }
