"""The trigger search of a report, from its outcome."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from auditor.measured import ErrorRates, trigger_error_rates
from auditor.plan.adaptive import TriggerOutcome
from auditor.probes.trigger_search.result import TriggerFinding
from auditor.probes.trigger_search.verify import Interval
from auditor.report.wording.reasons import sentence
from auditor.scores.intervals import binomial_rate
from auditor.verdict.verdict import TriggerEvidence


def trigger_part(
    outcome: TriggerOutcome | None, evidence: TriggerEvidence | None, *, known: bool
) -> dict[str, Any] | None:
    """The search as the report has it; None if none was finished."""
    if outcome is None or evidence is None:
        return None
    result = outcome.result
    return {
        "suspicious": evidence.suspicious,
        "natural": evidence.natural,
        "p": result.p,
        "reason": sentence(evidence.reason),
        "queries": result.queries,
        "queries_by_stage": dict(result.spent),
        "looks": result.verifications,
        "looks_paid": result.comparisons,
        "search_samples": result.search_images,
        "fresh_samples": result.validation_images,
        "best": None if result.best is None else _finding_part(result.best),
        "findings": [_finding_part(finding, texture=False) for finding in result.findings],
        "shown": {
            "clean_labels": [int(label) for label in result.preview_clean_labels],
            "changed_labels": [int(label) for label in outcome.preview_labels],
        },
        "held_out": rates_part(trigger_error_rates()) if known else None,
    }


def rates_part(rates: ErrorRates) -> dict[str, Any]:
    """Error rates on held-out models, with their exact intervals."""
    return {
        "false_positive": asdict(binomial_rate(rates.false_alarms, rates.clean)),
        "false_negative": asdict(binomial_rate(rates.missed, rates.backdoored)),
    }


def _finding_part(finding: TriggerFinding, *, texture: bool = True) -> dict[str, Any]:
    held = finding.texture if texture else None
    return {
        "family": finding.kind,
        "key": finding.key,
        "target": finding.target,
        "size": finding.size,
        "strength": finding.strength,
        "place": None if finding.place is None else [int(value) for value in finding.place],
        "success": _interval_part(finding.success),
        "changed": _interval_part(finding.changed),
        "by_source": {str(k): _interval_part(v) for k, v in sorted(finding.by_source.items())},
        "searched": finding.searched,
        "p": finding.p,
        "texture": None if held is None else np.asarray(held).tolist(),
    }


def _interval_part(interval: Interval) -> dict[str, Any]:
    return {
        "hits": interval.hits,
        "samples": interval.images,
        "rate": interval.rate,
        "low": interval.low,
        "high": interval.high,
    }
