"""Accepted risk: by name, with a reason, until a day, and never a pass."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from auditor.cli.console_compare import show_findings
from auditor.cli.diff import exit_code
from auditor.errors import ExitCode, UsageError
from auditor.report.json_report import result_of
from auditor.report.result.result import Result
from auditor.workflows.compare.accepted import Acceptance, match_accepted, read_accepted, unmatched
from auditor.workflows.compare.findings import findings_of

TODAY = date(2026, 11, 22)
DIFF: dict[str, Any] = {"verdict": {"new": "backdoor-suspected"}, "spoiled_by": []}


SUSPECTED = Path(__file__).parents[3] / "data" / "bundles_0_1" / "suspected" / "report.json"


def report(**changes: Any) -> Result:
    """The result of an audit that found a patch to label 3, but for the parts given."""
    made = json.loads(SUSPECTED.read_text(encoding="utf-8"))
    made |= {"verdict_reason": "because", "fingerprint": "a" * 64, "target_label": 3}
    made |= {"comparisons": [], "profile": None}
    found = changes.pop("trigger", {})
    if found is not None:
        best = {"family": "patch", "target": 3} | found.get("best", {})
        shown = {"suspicious": True, "reason": "a patch"} | found
        found = made["trigger"] | shown | {"best": made["trigger"]["best"] | best}
    return result_of(made | {"trigger": found} | changes)


def the_id(**changes: Any) -> str:
    (finding,) = findings_of(report(**changes))
    return finding.id


def accepted(until: date, finding: str | None = None) -> Acceptance:
    return Acceptance(
        finding=finding or the_id(), reason="behind a check", owner="J. Doe", until=until
    )


def test_the_last_day_still_holds_and_the_next_does_not() -> None:
    (held,) = match_accepted(report(), [accepted(TODAY)], TODAY)
    assert not held.open
    (late,) = match_accepted(report(), [accepted(date(2026, 11, 21))], TODAY)
    assert late.open
    assert "EXPIRED on 2026-11-21, the finding stands" in show_findings([late])


def test_an_accepted_finding_is_shown_and_is_no_pass() -> None:
    found = match_accepted(report(), [accepted(TODAY)], TODAY)
    shown = show_findings(found)
    assert "accepted until 2026-11-22 by J. Doe: behind a check. It is no pass." in shown
    assert exit_code(DIFF, found) == ExitCode.INCONCLUSIVE


def test_an_expired_or_unaccepted_finding_is_a_finding() -> None:
    for entries in ((), (accepted(date(2020, 1, 1)),), (accepted(TODAY, "0" * 32),)):
        assert (
            exit_code(DIFF, match_accepted(report(), entries, TODAY)) == ExitCode.BACKDOOR_SUSPECTED
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"fingerprint": "b" * 64},
        {"trigger": {"suspicious": True, "reason": "", "best": {"family": "patch", "target": 4}}},
        {"trigger": {"suspicious": True, "reason": "", "best": {"family": "warp", "target": 3}}},
        {"trigger": None},
    ],
)
def test_another_model_or_finding_is_not_accepted_with_it(changes: dict[str, Any]) -> None:
    found = match_accepted(report(**changes), [accepted(TODAY)], TODAY)
    assert [one.open for one in found] == [True]
    assert unmatched(found, [accepted(TODAY)]) == (accepted(TODAY),)


def test_the_same_finding_has_the_same_id_next_time() -> None:
    later = report(verdict_reason="in other words", trigger={"reason": "a patch, p = 0.01"})
    assert findings_of(later)[0].id == the_id()


@pytest.mark.parametrize("verdict", ["no-evidence", "inconclusive"])
def test_without_the_verdict_there_is_nothing_to_accept(verdict: str) -> None:
    assert findings_of(report(verdict=verdict)) == ()


def test_scores_are_findings_of_their_own() -> None:
    comparison = {
        "score": "re",
        "value": 0.1,
        "threshold": 0.5,
        "at_or_below": True,
        "decides": True,
    }
    profile = {"name": "p", "status": "calibrated", "thresholds": {}}
    found = findings_of(report(comparisons=[comparison], profile=profile | {"digest": "p"}))
    assert [one.kind for one in found] == ["trigger", "score"]
    other = findings_of(report(comparisons=[comparison], profile=profile | {"digest": "q"}))
    assert other[1].id != found[1].id


GOOD = f"""[[accepted]]
finding = "{"0" * 32}"
reason = "why"
owner = "who"
until = 2027-01-31
"""


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "accepted.toml"
    path.write_text(GOOD)
    until = date(2027, 1, 31)
    entry = Acceptance(finding="0" * 32, reason="why", owner="who", until=until)
    assert read_accepted(path) == (entry,)


A_DAY = "entry 1: until must be a day, such as 2027-01-31, without quotes"
BAD = {
    "no day": (GOOD.replace("2027-01-31", '"never"'), A_DAY),
    "a time": (GOOD.replace("2027-01-31", "2027-01-31T10:00:00"), A_DAY),
    "no until": (GOOD.replace("until = 2027-01-31\n", ""), "entry 1: until is missing"),
    "no reason": (GOOD.replace('"why"', '"  "'), "entry 1: reason is empty"),
    "long": (GOOD.replace("why", "y" * 1001), "entry 1: reason is longer than 1000 characters"),
    "a number": (GOOD.replace('"who"', "7"), "entry 1: owner must be a text"),
    "short id": (GOOD.replace("0" * 32, "0" * 31), "entry 1: finding must be the 32 hex digits"),
    "unknown field": (GOOD + "resson = 1\n", "has no field 'resson'; did you mean 'reason'?"),
    "unknown table": (GOOD + "[other]\n", "has no field 'other'"),
    "not a list": ("accepted = 1\n", "accepted must be a list"),
    "empty": ("", "accepted is missing"),
    "twice": (GOOD + GOOD, "accepts a finding twice"),
    "no TOML": ("[[[", "cannot be read"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_says_too_little_or_too_much_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "accepted.toml"
    path.write_text(BAD[name][0])
    with pytest.raises(UsageError) as caught:
        read_accepted(path)
    assert str(caught.value).startswith("accepted risks ")
    assert BAD[name][1] in str(caught.value)
    assert "\n" not in str(caught.value) or name == "no TOML"


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_accepted(tmp_path / "none.toml")


def test_words_of_a_hostile_file_are_shown_as_text() -> None:
    bad = Acceptance(finding=the_id(), reason="\x1b[2J\u202efine", owner="\x07me", until=TODAY)
    shown = show_findings(match_accepted(report(), [bad], TODAY))
    assert all(c.isprintable() or c == "\n" for c in shown)
