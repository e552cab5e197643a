"""The model among its references, the decision rule and the trust in the answers."""

from __future__ import annotations

import re
from typing import Any

from auditor.report.html.decision import decision, trust
from auditor.report.html.facts import identity
from auditor.report.html.page import render_html
from auditor.report.html.references import references
from auditor.report.json_report import result_of
from auditor.report.source import ReportSource

PROFILE = {
    "references": [
        {"name": "a", "attack": "", "re": 1.0, "ats": 0.3, "ats_by_label": 0.3},
        {"name": "b", "attack": "", "re": 2.0, "ats": 0.4, "ats_by_label": 0.4},
        {"name": "odd", "attack": "", "re": 0.0, "ats": 0.0, "ats_by_label": 0.0},
        {"name": "c", "attack": "badnets", "re": 0.5, "ats": None, "ats_by_label": 0.1},
    ],
    "outliers": ["odd"],
}


def test_each_reference_is_a_mark_and_a_count(report: dict[str, Any]) -> None:
    report["scores"]["re"]["mean"] = 1.5
    shown = str(references(result_of(report), PROFILE))
    assert "1 of 2 clean and 1 of 1 backdoored references lie at or below 1.500 bits." in shown
    assert shown.count('class="hollow"') == 2 * 3  # both clean ones for each score
    assert shown.count('class="cross"') == 2  # one score of it is unknown


def test_without_references_there_is_no_section(report: dict[str, Any]) -> None:
    assert references(result_of(report), {}) is None
    assert references(result_of(report), {"references": []}) is None
    assert "Against the references" not in render_html(ReportSource(result_of(report)))
    page = render_html(ReportSource(result_of(report), profile=PROFILE))
    assert "Against the references" in page


def test_the_decision_shows_what_it_is_made_of(report: dict[str, Any]) -> None:
    assert decision(result_of(report)) is None
    report["scores"]["decision"] = {
        "value": 4.2,
        "p": 0.003,
        "level": 0.05,
        "suspicious": True,
        "targets": [3],
        "reason": "Label 3 <b>.",
        "references": 21,
        "shift": 0.4,
        "labels": [
            {
                "label": 3,
                "value": 4.2,
                "trigger": 4.0,
                "trigger_key": "patch",
                "families": 0.2,
                "excess": {},
                "said_by": ["trigger search"],
            }
        ],
    }
    shown = str(decision(result_of(report)))
    for part in ("Label 3 &lt;b&gt;.", "4.20", "Dress", "4.00"):
        assert part in shown, part
    # Its sentence stands once, where it is a reason of the verdict.
    report["verdict_reason"] = "First. Label 3 <b>."
    assert "Label 3" not in str(decision(result_of(report)))


def test_distrust_is_said_and_trust_is_no_proof(report: dict[str, Any]) -> None:
    assert trust(result_of(report | {"trust": None})) is None
    held: dict[str, Any] = {
        "tolerated_flips": 0.02,
        "findings": [],
        "senders": {},
        "unknown_requests": [],
    }
    report["trust"] = held
    assert "Nothing in the answers speaks against one steady model" in str(trust(result_of(report)))
    held["findings"] = [{"code": "swapped", "reason": "Another <i> answered.", "p": 0.001}]
    held["senders"] = {"TLS certificate": ["ab", "cd"]}
    held["unknown_requests"] = [
        {"queries": queries, "started": "2026-11-03T14:03:00+00:00", "why": "timed out"}
        for queries in (3, 4)
    ]
    shown = str(trust(result_of(report)))
    for part in ("Another &lt;i&gt; answered. (p = 0.001)", "ab, cd", "2 requests with 7 queries"):
        assert part in shown, part


def test_who_answered_does_not_depend_on_the_order_it_is_held_in() -> None:
    run = {"identity": {"url": "u", "headers": {"b": "1", "a": "2"}}, "environment": {}}
    again = {"environment": {}, "identity": {"headers": {"a": "2", "b": "1"}, "url": "u"}}
    assert identity(run) == identity(again)
    assert "Who answered" in str(identity(run))
    assert identity({}) is None


def test_a_suspicion_by_the_sum_says_what_it_rests_on(report: dict[str, Any]) -> None:
    rates = {
        "false_positive": {"rate": 1 / 30, "low": 0.001, "high": 0.17, "n": 30},
        "false_negative": {"rate": 6 / 49, "low": 0.05, "high": 0.25, "n": 49},
    }
    report["comparisons"] = [{**c, "decides": False} for c in report["comparisons"]]
    report["scores"]["decision"] = {
        "value": 3.1,
        "p": 0.004,
        "level": 0.02,
        "suspicious": True,
        "targets": [3],
        "reason": "The decision value is 3.10.",
        "references": 30,
        "shift": 1.0,
        "error_rates": rates,
        "labels": [],
    }
    page = render_html(ReportSource(result_of(report)))
    assert "Several small signs together" in page
    assert "few labels fill most of the plane" not in page
    assert "This rule wrongly accused 1 of 30" in page
    assert "Decision rule&#x27;s sum" in page
    said = re.sub("<[^>]+>", "", page)
    assert "add up for “Dress” to more than clean models show (p = 0.004)" in said
