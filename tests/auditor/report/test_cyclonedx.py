"""The CycloneDX attestation: valid by its schema, and saying what the verdict says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from auditor.report.cyclonedx import render_cyclonedx
from auditor.report.json_report import result_of
from auditor.report.source import ReportSource
from auditor.report.wording.frameworks import load_all

MakeReport = Callable[..., dict[str, Any]]
VERDICTS = ["backdoor-suspected", "no-evidence", "inconclusive"]


def _bom(report: dict[str, Any], *names: str) -> dict[str, Any]:
    frameworks = load_all(names) if names else ()
    bom: dict[str, Any] = json.loads(render_cyclonedx(ReportSource(result_of(report)), frameworks))
    return bom


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("names", [(), ("eu-ai-act", "iso-42001")])
def test_it_is_valid(make_report: MakeReport, verdict: str, names: tuple[str, ...]) -> None:
    pytest.importorskip("cyclonedx", reason="cyclonedx-python-lib is missing")
    validation = pytest.importorskip("cyclonedx.validation.json")
    schema = pytest.importorskip("cyclonedx.schema")
    report = make_report(verdict, planes=1, density=8)
    report["model"] = {"file": "<b>\x1b\u202e" + "x" * 5000}
    text = render_cyclonedx(ReportSource(result_of(report)), load_all(names) if names else ())
    validator = validation.JsonStrictValidator(schema.SchemaVersion.V1_7)
    assert validator.validate_str(text) is None


@pytest.mark.parametrize("verdict", VERDICTS)
def test_every_reference_leads_somewhere(make_report: MakeReport, verdict: str) -> None:
    bom = _bom(make_report(verdict), "mitre-atlas")
    said = bom["declarations"]
    refs = [bom["metadata"]["component"]["bom-ref"]]
    refs += [item["bom-ref"] for key in ("assessors", "claims", "evidence") for item in said[key]]
    refs += [item["bom-ref"] for item in said["targets"]["components"]]
    refs += [r["bom-ref"] for s in bom["definitions"]["standards"] for r in s["requirements"]]
    assert len(refs) == len(set(refs))
    (claim,) = said["claims"]
    (attestation,) = said["attestations"]
    used = [claim["target"], *claim["evidence"], *claim["counterEvidence"], attestation["assessor"]]
    used += [ref for row in attestation["map"] for ref in (row["requirement"], *row["claims"])]
    assert set(used) <= set(refs)


def test_evidence_for_and_against_stand_on_their_sides(make_report: MakeReport) -> None:
    report = make_report("backdoor-suspected")
    report["trigger"] |= {"suspicious": True, "p": 0.001}
    report["comparisons"][0]["at_or_below"] = False
    (claim,) = _bom(report)["declarations"]["claims"]
    assert "evidence-trigger-search" in claim["evidence"]
    assert "evidence-score-re" in claim["counterEvidence"]
    assert any(ref.startswith("evidence-risk") for ref in claim["counterEvidence"])


def test_confidence_is_what_the_error_rate_leaves(make_report: MakeReport) -> None:
    report = make_report("no-evidence")
    report["trigger"] = None
    first = _bom(report, "owasp-ml")["declarations"]["attestations"][0]["map"][0]
    assert first["confidence"]["score"] == pytest.approx(1 - 0.3236, abs=1e-4)
    assert "score" not in first["conformance"]
    assert "Leaves open" in first["conformance"]["rationale"]
    open_ = _bom(make_report("inconclusive"), "owasp-ml")["declarations"]["attestations"][0]
    assert "score" not in open_["map"][0]["confidence"]


def test_only_relying_on_nothing_found_expires(make_report: MakeReport) -> None:
    kept = _bom(make_report("no-evidence"))["declarations"]["evidence"]
    assert {item["expires"] for item in kept} == {"2027-11-03T14:05:47Z"}
    for verdict in ("backdoor-suspected", "inconclusive"):
        held = _bom(make_report(verdict))["declarations"]["evidence"]
        assert not any("expires" in item for item in held)


def test_it_never_claims_conformity(make_report: MakeReport) -> None:
    text = json.dumps(_bom(make_report("no-evidence"), "eu-ai-act", "iso-42001")).lower()
    assert "compliant with" not in text
    assert "shows conformity with none" in text
