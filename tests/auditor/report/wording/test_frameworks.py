"""Framework data and what is made of it: evidence, gaps, dates; never conformity."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from auditor.report.html.page import render_html
from auditor.report.json_report import result_of
from auditor.report.source import ReportSource
from auditor.report.wording.frameworks import (
    CHECKED,
    PRESENT,
    FrameworkName,
    framework_view,
    load_all,
    load_framework,
    outcome_note,
)

MakeReport = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("name", list(FrameworkName))
def test_every_clause_is_complete_dated_and_honest(name: str) -> None:
    framework = load_framework(name)
    assert framework.id == name
    assert date.fromisoformat(framework.as_of) <= date(2026, 12, 31)
    assert framework.source
    assert len({clause.id for clause in framework.clauses}) == len(framework.clauses) >= 3
    for clause in framework.clauses:
        assert clause.title
        assert clause.gives
        assert clause.open
        assert clause.checked in CHECKED
        assert set(clause.needs) <= set(PRESENT)
        said = f"{clause.title} {clause.gives} {clause.open}".lower()
        assert not re.search(r"complian|conform|certif|fulfil|satisf", said), clause.id


def test_iso_clauses_are_marked_as_unverified(report: dict[str, Any]) -> None:
    framework = load_framework("iso-42001")
    assert {clause.checked for clause in framework.clauses} == {"unverified"}
    page = render_html(ReportSource(result_of(report)), (framework,))
    assert page.count("UNVERIFIED: text not read") == len(framework.clauses)


def test_what_an_audit_lacks_is_no_evidence(make_report: MakeReport) -> None:
    report = make_report("inconclusive", planes=0, profile=False)
    report |= {"trigger": None, "canaries": None}
    found = {
        e.clause.id: e for e in framework_view(load_framework("mitre-atlas"), result_of(report))
    }
    trigger = found["AML.T0043.004"]
    assert trigger.supports == ""
    assert trigger.missing == "Nothing from this audit: no trigger search was finished."
    assert "no input was asked twice" in found["AML.T0109"].missing
    whole = {
        e.clause.id: e
        for e in framework_view(load_framework("mitre-atlas"), result_of(make_report()))
    }
    assert whole["AML.T0043.004"].supports


def test_the_outcome_colours_all_of_it(make_report: MakeReport) -> None:
    notes = {
        v: outcome_note(result_of(make_report(v))) for v in ("backdoor-suspected", "inconclusive")
    }
    assert "evidence against the model" in notes["backdoor-suspected"]
    assert "not of what it would have found" in notes["inconclusive"]


def test_a_chosen_framework_is_the_only_one_shown(report: dict[str, Any]) -> None:
    page = render_html(ReportSource(result_of(report)), load_all(["owasp-ml"]))
    assert "ML02:2023" in page
    assert "AML.M0008" not in page
    assert '<section id="frameworks"' not in render_html(ReportSource(result_of(report)))
