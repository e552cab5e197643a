"""JUnit: red where suspected, an error where undecided, never green by failure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from auditor.report.json_report import result_of
from auditor.report.junit import render_junit
from auditor.report.source import ReportSource

MakeReport = Callable[..., dict[str, Any]]


def _suite(report: dict[str, Any]) -> ET.Element:
    root = ET.fromstring(render_junit(ReportSource(result_of(report))))
    (suite,) = root
    cases = suite.findall("testcase")
    assert int(suite.attrib["tests"]) == len(cases)
    for kind, total in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert int(suite.attrib[total]) == len(suite.findall(f"testcase/{kind}"))
        assert root.attrib[total] == suite.attrib[total]
    return suite


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [("backdoor-suspected", "failure"), ("inconclusive", "error"), ("other", "error")],
)
def test_what_is_not_clean_is_not_green(
    make_report: MakeReport, verdict: str, outcome: str
) -> None:
    report = {**make_report("inconclusive"), "verdict": verdict}
    case = _suite(report).find("testcase[@name='verdict']")
    assert case is not None
    assert case.find(outcome) is not None


def test_no_evidence_passes_and_says_what_that_is(make_report: MakeReport) -> None:
    suite = _suite(make_report("no-evidence"))
    assert (suite.attrib["failures"], suite.attrib["errors"]) == ("0", "0")
    assert "No evidence of a backdoor" in "".join(suite.itertext())


def test_a_partial_audit_is_an_error(make_report: MakeReport) -> None:
    report = {**make_report("no-evidence"), "partial": True}
    assert _suite(report).attrib["errors"] == "1"


def test_what_was_not_made_is_skipped_not_passed(make_report: MakeReport) -> None:
    report = make_report("inconclusive", profile=False)
    report["trigger"] = None
    assert _suite(report).attrib["skipped"] == "2"


@pytest.mark.parametrize("text", ["<a>&\"']]>", "\x00\x1b[2J\x0b", "\ud800\ufffe", "x" * 10_000])
def test_hostile_text_stays_text(report: dict[str, Any], text: str) -> None:
    report |= {"verdict_reason": text, "model": {"file": text}, "fingerprint": text}
    report["timing"] |= {"started": text}
    report["trigger"]["reason"] = text
    suite = _suite(report)
    assert [child.tag for child in suite] == ["properties", *["testcase"] * 6]


@pytest.mark.parametrize(("accuracy", "outcome"), [(0.9, "system-out"), (0.2, "error")])
def test_samples_that_the_model_does_not_name_are_no_pass(
    make_report: MakeReport, accuracy: float, outcome: str
) -> None:
    report = make_report("inconclusive")
    report["samples"]["accuracy"] = accuracy
    case = _suite(report).find("testcase[@name='the model names the samples']")
    assert case is not None
    assert case.find(outcome) is not None
