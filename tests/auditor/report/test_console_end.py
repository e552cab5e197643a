"""The five lines of an end, and the command that comes next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auditor.measured import search_queries
from auditor.report.console_end import next_command, no_price, show_end
from auditor.report.json_report import result_of
from auditor.report.markdown import summary_markdown
from auditor.report.result.result import Result
from auditor.report.source import ReportSource
from auditor.report.wording.resume import cap_ended, left_to_ask
from auditor.verdict.label_scope import rates_for


@pytest.fixture
def result(make_report: Callable[..., dict[str, Any]]) -> Callable[..., Result]:
    def make(verdict: str = "inconclusive", **changes: Any) -> Result:
        return result_of(make_report(verdict, planes=1, density=2) | changes)

    return make


@pytest.mark.parametrize("verdict", ["inconclusive", "backdoor-suspected", "no-evidence"])
def test_an_end_has_at_most_five_lines(result: Callable[..., Result], verdict: str) -> None:
    made = result(verdict, verdict_reason="It is so (p = 0.1). And more. And yet more.")
    lines = show_end(made, Path("out"), ("report.html",), lambda queries: queries / 500)
    assert len(lines) <= 5
    assert lines[0].startswith("Verdict: ")
    assert lines[1] == "  It is so (p = 0.1)."
    assert lines[-1] == f"  Report:  {Path('out') / 'report.html'} (report.json)"
    assert lines[-2].endswith(f"price {made.queries.sent_all_runs / 500:,.2f}")
    assert any(line.startswith("  Target:") for line in lines) == (verdict == "backdoor-suspected")


def test_what_comes_next_fits_the_end(result: Callable[..., Result]) -> None:
    typed = ["audit", "--samples", "my pictures", "--max-queries=9"]

    def following(made: Result, *, interrupted: bool = False) -> str:
        return next_command(made, Path("out"), typed, interrupted=interrupted)

    few = result()
    again = "Next: xray-audit audit --samples 'my pictures'"
    assert following(few, interrupted=True).startswith(again + " --max-queries=9\n  goes on: ")
    assert following(result("backdoor-suspected")).startswith("Next: xray-audit verify out\n")
    assert following(result("no-evidence")).startswith("Next: xray-audit verify out\n")
    content = few.content
    spent = result(queries={**content["queries"], "budget_reached": True, "planned": 77})
    rest = "asks the rest: about 0 queries where nothing is found"
    assert following(spent) == f"{again} --max-queries {spent.queries.sent_all_runs}\n  {rest}"
    assert "with more samples: 3 were used" in following(
        result(samples={**content["samples"], "used": 3, "count": 3})
    )
    # Few planes use few samples: it is not the samples that lack.
    enough = {**content["samples"], "used": 9, "count": 100}
    assert following(result(samples=enough)).startswith("Next: xray-audit plan")
    many = {**content["samples"], "used": 60}
    assert following(result(samples=many)).startswith("Next: xray-audit plan --samples")
    asked = ["--open", "--format", "html", "--fail-on=none", "--samples", "s"]
    assert next_command(result(samples=many), Path("out"), asked, interrupted=False).startswith(
        "Next: xray-audit plan --samples s\n"
    )
    large = {**content["input"], "shape": [3, 64, 64], "encoding": "png"}
    planes = [
        {**content["planes"][0], "triplet_classes": labels} for labels in ([0, 1, 2], [3, 4, 0])
    ]
    trigger = {**content["trigger"], "search_samples": 60, "fresh_samples": 60}
    harder = following(result(samples=many, input=large, planes=planes, trigger=trigger))
    needs = rates_for((3, 64, 64), "png", 10)["thorough"].not_found
    # Without the cap, which would not pay for it.
    assert harder.startswith(
        f"{again} --effort thorough\n  can accuse or clear: about {needs:,} queries"
    )
    fewer = following(result(samples=many, input=large, planes=planes))
    assert "\n  can accuse or, with 100 samples or more, clear: about" in fewer


@pytest.mark.parametrize(
    ("changes", "effort", "labels"),
    [
        ({"shape": [3, 400, 400]}, "standard", 5),
        ({"encoding": "jpeg:20"}, "standard", 5),
        ({}, "thorough", 3),
        ({}, "thorough", 5),
        ({}, "exhaustive", 5),
    ],
)
def test_no_effort_is_named_where_none_decides(
    result: Callable[..., Result], changes: dict[str, Any], effort: str, labels: int
) -> None:
    assert _following(result, changes, effort, labels).startswith(
        "Next: xray-audit plan --samples s\n"
    )


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"trust": "found"}, "Next: Ask the vendor which models answer, then audit one of them"),
        ({"canaries": {"flipped": 9, "rate": 0.9}}, "Next: Ask the vendor why answers change;"),
        ({"samples": {"accuracy": 0.08}}, "Next: Run xray-audit check: it tries value ranges,"),
    ],
)
def test_no_dearer_search_is_named_where_the_answers_are_of_no_use(
    result: Callable[..., Result], changes: dict[str, Any], remedy: str
) -> None:
    content = result().content
    finding = {"code": "swapped", "reason": "Another model answered.", "p": 1e-9}
    parts = {
        name: {**content[name], **({"findings": [finding]} if part == "found" else part)}
        for name, part in changes.items()
    }
    made = result(**parts)
    typed = ["audit", "--samples", "s", "--effort", "standard"]
    assert next_command(made, Path("out"), typed, interrupted=False).startswith(remedy)
    # Nor does the summary take it for an audit that was cut short, if it was that besides.
    for partial in (False, True):
        said = summary_markdown(ReportSource(result(**parts, partial=partial)))
        assert remedy.removeprefix("Next: ") in said.replace("\\", "")
        assert "Run the same command again" not in said


def test_of_three_classes_the_effort_that_can_accuse_is_named(
    result: Callable[..., Result],
) -> None:
    following = _following(result, {}, "quick", 3)
    assert "--effort standard\n  can accuse: about" in following


def _following(
    result: Callable[..., Result], changes: dict[str, Any], effort: str, labels: int, **more: Any
) -> str:
    """The end's next command after an audit of samples of so many classes."""
    content = result().content
    rows = ([0, 1, 2], [3, 4, 0] if labels > 3 else [0, 1, 2])
    money = more.pop("money", no_price)
    made = result(
        samples={**content["samples"], "used": 60} | more.pop("samples", {}),
        input={**content["input"], "shape": [3, 64, 64], "encoding": "png"} | changes,
        settings={**content["settings"], "effort": effort},
        planes=[{**content["planes"][0], "triplet_classes": [*row]} for row in rows],
        **more,
    )
    typed = ["--samples", "s"]
    return next_command(made, Path("out"), typed, interrupted=False, money=money)


def test_what_comes_next_has_its_price(result: Callable[..., Result]) -> None:
    content, typed = result().content, ["--samples", "s", "--max-queries", "5000"]
    ledger = {
        "planned": 5745, "cached": 0, "sent": 5000, "deduplicated": 0, "sent_all_runs": 5000,
        "by_probe": {"plane": 973, "trigger": 4772}, "budget_reached": True,
    }  # fmt: skip
    made = result(
        trigger=None, partial=True, queries={**content["queries"], **ledger},
        settings={**content["settings"], "trigger_search": True, "effort": "standard"},
    )  # fmt: skip
    left = 973 + round(search_queries().not_found.mean) - 5000
    assert left_to_ask(made) == left
    following = next_command(
        made, Path("out"), typed, interrupted=False, money=lambda queries: queries / 100
    )
    assert following.endswith(
        f"asks the rest: about {left:,} queries (price {left / 100:,.2f}) where nothing is found"
    )
    needs = rates_for((3, 64, 64), "png", 5)["thorough"].not_found
    dearer = _following(result, {}, "standard", 5, money=lambda queries: queries / 1000)
    assert f"about {needs:,} queries (price {needs / 1000:,.2f}) where nothing is found" in dearer


@pytest.mark.parametrize(
    ("shape", "effort", "dearer", "known"),
    [([3, 64, 64], "standard", "thorough", False), ([1, 28, 28], "standard", "thorough", True)],
)
def test_a_search_that_begins_with_the_last_one_asks_only_the_rest(
    result: Callable[..., Result],
    shape: list[int],
    effort: str,
    dearer: str,
    known: bool,  # noqa: FBT001 - parametrised
) -> None:
    trigger = {**result().content["trigger"], "queries": 1234, "p": 0.9, "natural": False}
    following = _following(result, {"shape": shape}, effort, 5, trigger=trigger)
    needs = rates_for(shape, "png", 5)[dearer].not_found - 1234 * known
    assert f"--effort {dearer}\n" in following
    assert f": about {needs:,} queries where nothing is found; nothing is asked twice" in following


def test_a_rest_that_nobody_measured_has_no_number(result: Callable[..., Result]) -> None:
    content = result().content
    made = result(
        trigger=None, partial=True, queries={**content["queries"], "budget_reached": True},
        settings={**content["settings"], "trigger_search": True, "effort": "standard"},
        input={**content["input"], "shape": [3, 400, 400]},
    )  # fmt: skip
    assert left_to_ask(made) is None
    assert "about" not in cap_ended(made)
    following = next_command(made, Path("out"), ["--samples", "s"], interrupted=False)
    assert following.endswith("asks the rest: how many queries was not measured")


RATE = {"rate": 0.0, "low": 0.0, "high": 0.1, "n": 30}


@pytest.mark.parametrize(
    ("given", "side", "labels", "following"),
    [
        (60, 64, 5, "with 100 samples or more, which can clear the model: 60 were given"),
        # Of pictures of 50 pixels none is cleared, whatever is given; with 100 nothing lacks.
        (60, 50, 5, "says what a verdict would need"),
        (100, 64, 5, "says what a verdict would need"),
        (60, 64, 3, "says what a verdict would need"),
    ],
)
def test_what_could_be_cleared_with_more_samples_is_told(
    result: Callable[..., Result], given: int, side: int, labels: int, following: str
) -> None:
    trigger = result().content["trigger"]
    weak = {**trigger["findings"][0], "key": "weak-field4", "family": "field", "p": 1.0}
    found = {
        **trigger, "best": weak, "findings": [weak],
        "search_samples": given // 2, "fresh_samples": given // 2,
        "held_out": dict.fromkeys(("false_positive", "false_negative"), RATE),
    }  # fmt: skip
    said = _following(
        result, {"shape": [3, side, side]}, "thorough", labels,
        samples={"used": given, "count": given}, trigger=found,
    )  # fmt: skip
    assert said.endswith(following)
