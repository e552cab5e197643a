"""What the terminal shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from auditor.report.console import show_check, show_price, show_result
from auditor.report.json_report import result_of
from auditor.report.result.result import Result
from auditor.report.wording.cap import Cap

HOSTILE = "cat\x1b[2J\u202e" + "x" * 500


MakeResult = Callable[..., Result]


@pytest.fixture
def result(make_report: Callable[..., dict[str, Any]]) -> MakeResult:
    """Results of a small audit, but for the parts given."""

    def make(**changes: Any) -> Result:
        score = {"mean": 0.5, "low": 0.4, "high": 0.6, "n": 20}
        made = make_report("inconclusive", planes=1, density=2)
        made["comparisons"] = made["comparisons"][:1]
        made["comparisons"][0]["threshold"] = 0.873
        made["queries"] |= dict.fromkeys(
            ("planned", "sent", "cached", "deduplicated", "retried", "unknown"), 1234
        )
        made |= {
            "verdict_reason": "The reason.",
            "scores": {"re": score, "ats": score, "ats_by_label": score, "shares": [0.2, 0.8]},
            "labels": {"0": "dog", "1": HOSTILE},
            "target_label": 1,
        }
        if "trigger" in changes:
            changes["trigger"] = made["trigger"] | changes["trigger"]
        return result_of(made | changes)

    return make


def test_verdict_reason_scores_and_place(result: MakeResult) -> None:
    text = show_result(result(), Path("out"))
    assert text.startswith("Verdict: INCONCLUSIVE\n  The reason.\n")
    assert "RE (bits):    0.500  (95 % interval 0.400 to 0.600, 20 planes)" in text
    assert text.count("threshold 0.873") == 1
    assert "label 1 (cat" in text
    assert "80%: the target, if there is one" in text
    assert "1,234 planned" in text
    found = {"suspicious": True}
    assert "if there is one" not in show_result(result(trigger=found), Path("out"))
    assert str(Path("out") / "report.html") in text


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["report.html"], "report.html and report.json"),
        (["report.sarif", "report.md"], "report.sarif, report.md and report.json"),
        (["report.json"], "report.json"),
    ],
)
def test_it_names_the_views_there_are(result: MakeResult, files: list[str], said: str) -> None:
    line = show_result(result(), Path("out"), files).splitlines()[-1]
    assert line == f"  Report:  {Path('out') / said}"


def test_a_hostile_label_cannot_write_to_the_terminal(result: MakeResult) -> None:
    text = show_result(result(), Path("out"))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert max(len(line) for line in text.splitlines()) < 200


def test_one_plane_has_no_interval(result: MakeResult) -> None:
    score = {"mean": 0.5, "low": None, "high": None, "n": 1}
    scores = {"re": score, "ats": score, "ats_by_label": score, "shares": [0.2, 0.8]}
    assert "interval" not in show_result(result(scores=scores), Path("out"))


def test_what_was_not_asked_is_said(result: MakeResult) -> None:
    left_out = {"because": "suspected", "planes": 28, "family_queries": 1120}
    text = show_result(result(not_asked=left_out), Path("out"))
    assert "could not change the verdict: 28 planes and 1,120 disturbed samples (--ask-all)" in text
    left_out = {"because": "decided", "planes": 0, "family_queries": 800}
    text = show_result(result(not_asked=left_out), Path("out"))
    assert "could not change the verdict: 800 disturbed samples (--ask-all)" in text
    assert "Not asked" not in show_result(result(not_asked=None), Path("out"))
    # A report of an earlier release may claim it of an audit that was cut off.
    text = show_result(result(not_asked=left_out, partial=True), Path("out"))
    assert "Not asked before the audit was cut off: 800 disturbed samples" in text
    assert "could not change" not in text


def test_without_a_plane_there_are_no_scores(result: MakeResult) -> None:
    text = show_result(result(planes=[], target_label=None, scores={"shares": None}), Path("out"))
    assert "RE" not in text.replace("Report", "")


def cost(queries: int, seconds: float | None = None, money: float | None = None) -> dict[str, Any]:
    return {
        "queries": queries,
        "requests": queries // 60,
        "bytes_sent": queries * 10_000,
        "seconds": seconds,
        "money": money,
        "tokens": None,
    }


def price(**changes: Any) -> dict[str, Any]:
    return {
        "queries": 200_157,
        "trigger_queries_most": 9000,
        "second_look_queries_most": 250,
        "expected": cost(206_157),
        "expected_found": cost(203_000),
        "worst": cost(209_407),
        "rests_on": "searches of reference models",
        "decides": "A trigger can be found and named.",
        "queries_per_second": None,
        "rate_from": "unknown; run xray-audit check first",
        "efforts": (),
        **changes,
    }


def test_a_price_without_a_rate() -> None:
    text = show_price(price())
    queries = next(line for line in text.splitlines() if line.startswith("Queries"))
    assert queries.split() == ["Queries", "206,157", "203,000", "209,407"]
    assert "2,061.6 MB" in text
    assert "Time: unknown; run xray-audit check first." in text
    assert "Expected from searches of reference models." in text
    assert "A trigger can be found and named." in text
    assert "Price" not in text
    assert text.endswith("Nothing was sent.")


def test_a_price_with_everything() -> None:
    costs = {name: cost(1000, 600.0, 1234.5) for name in ("expected", "worst")}
    text = show_price(
        price(**costs, expected_found=None, queries_per_second=333.6, rate_from="--rate")
    )
    assert "10.0 min" in text
    assert "334 queries/s (--rate)" in text
    assert text.count("1,234.50") == 2
    assert "is found" not in text


def test_a_price_says_what_a_cap_leaves_and_a_second_search_asks() -> None:
    row = {"found": 4, "of": 9, "suspects": True, "clears": False}
    efforts = [
        {**row, "effort": "quick", "cost": cost(900), "within": True},
        {**row, "effort": "standard", "cost": cost(900), "within": True},
        {**row, "effort": "thorough", "cost": cost(9000), "within": False},
        {**row, "effort": "exhaustive", "cost": cost(9001), "measured_at": "thorough"},
    ]
    text = show_price(
        price(
            **dict.fromkeys(("expected", "expected_found", "worst"), cost(1000, money=50.0)),
            second_search_queries_most=400, efforts=efforts,
            known_words="The folder holds some.",
            cap=asdict(Cap(1000, 0, None, 9000, 9999, accuses=True, clears=False)),
        )
    )  # fmt: skip
    assert "a second search confirms it: up to 400 of the queries at most, price 20.00." in text
    assert "The folder holds some.\nThe cap of 1,000 queries does not pay" in text
    assert "4 of 9  suspected (over the cap)\n" in text
    assert text.count("over the cap") == 1
    assert "quick and standard ask the same of such pictures.\n" in text
    assert text.count("was measured at") == 1
    assert "exhaustive was measured at thorough, which it begins with.\n" in text
    assert "second search" not in show_price(price())


def test_efforts_whose_labels_are_all_known_do_not_ask_the_same() -> None:
    row = {"found": 4, "of": 9, "suspects": True, "clears": False, "within": True}
    known = [{**row, "effort": name, "cost": cost(0)} for name in ("standard", "thorough")]
    assert "ask the same" not in show_price(price(efforts=known))


def test_a_check_names_its_problems_and_no_control_characters() -> None:
    found = {
        "input": {
            "encoding": "float32",
            "shape": (3, 32, 32),
            "low": (0.0,),
            "high": (255.0,),
            "origin": "given",
            "access": "float",
        },
        "classes_matched_by": "class names",
        "labels_seen": [HOSTILE] * 20,
        "label_count": None,
        "accuracy": {"rate": 0.25, "n": 30},
        "flips": 2,
        "repeats": 10,
        "seconds_per_request": {1: 0.01, 4: 0.02},
        "best_batch": 4,
        "queries_per_second": 200.0,
        "queries": 44,
        "problems": ["One.", "Two."],
        "decides": "A trigger can be found.",
        "notes": [HOSTILE],
        "rate_headers": {"ratelimit": HOSTILE},
        "example": {
            "sample": "a/1.png",
            "truth": HOSTILE,
            "label": HOSTILE,
            "request": "POST http://h/x",
            "reply": "HTTP 200",
        },
        "asked": [f"GET /v2: {HOSTILE}"],
        "tried": [HOSTILE],
        "alternatives": [
            {"words": "0 to 1", "hits": 2, "asked": 6},
            {"words": "0 to 255", "hits": None, "asked": 6},
        ],
    }
    text = show_check(found)
    assert "number unknown, 20 seen" in text
    assert "25% of 30 samples (classes matched by class names)" in text
    assert "1: 10.0 ms, 4: 20.0 ms" in text
    assert text.endswith("PROBLEM: One.\nPROBLEM: Two.\nDecides:     A trigger can be found.")
    assert "\x1b" not in text
