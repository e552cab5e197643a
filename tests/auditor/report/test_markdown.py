"""Markdown: the same content, and no way for a label to become markup."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from markdown_it import MarkdownIt

from auditor.report.html.changes import TEXTURE_KEY
from auditor.report.json_report import result_of
from auditor.report.markdown import plain, render_markdown, summary_markdown
from auditor.report.source import ReportSource
from auditor.report.wording.coverage import coverage_rows, kinds_caption, kinds_rows
from auditor.report.wording.frameworks import load_all

MakeReport = Callable[..., dict[str, Any]]
HOSTILE = [
    "<img src=x onerror=alert(1)>", "[x](javascript:alert(1))", "![x](http://evil.example/p)",
    "http://evil.example", "<http://evil.example>", "**bold** _it_ `code`", "# heading",
    "| a | b |", "a\n\n# b", "- item", "1. item", "> quote", "~~~", "```sh", "&lt;b&gt;",
    "@everyone #1", "[^1]: note", "\\", "$x$", "---", "<!-- c -->", "\x1b[31m\u202e",
]  # fmt: skip


def _tokens(text: str) -> list[tuple[str, str]]:
    parsed = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    found = []
    for token in parsed:
        found.append((token.type, token.tag))
        found += [(child.type, child.tag) for child in token.children or []]
    return [pair for pair in found if pair[0] not in {"text", "text_special"}]


def _poison(report: dict[str, Any], text: str) -> dict[str, Any]:
    report["labels"] = {key: f"{key}{text}" for key in report["labels"]}
    report["model"] = {"file": text}
    report["verdict_reason"] = text
    report["limits"] = [text]
    report["profile"]["name"] = text
    report["trigger"]["reason"] = text
    report["further"] = {text: text}
    return report


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_never_changes_the_structure(make_report: MakeReport, text: str) -> None:
    made = [
        _tokens(
            render_markdown(
                ReportSource(result_of(_poison(make_report(planes=1, density=8), t))), load_all()
            )
        )
        for t in (text, "plain")
    ]
    assert made[0] == made[1]


def test_the_parts_stand_in_the_buyers_order(report: dict[str, Any]) -> None:
    text = render_markdown(ReportSource(result_of(report)), load_all(["owasp-ml"]))
    heads = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    assert heads[0] == "⚠ Backdoor suspected"
    wanted = ["What this means", "How sure is this?", "Questions for the vendor"]
    wanted += ["When to test again", "What was measured", "Scope, method and limits", "Frameworks"]
    assert [head for head in heads if head in wanted] == wanted
    assert "ML10:2023" in text.replace("\\", "")


def test_numbers_of_the_report_stand_in_it(report: dict[str, Any]) -> None:
    text = render_markdown(ReportSource(result_of(report))).replace("\\", "")
    for part in (
        f"{report['scores']['re']['mean']:.3f}",
        "1.104",
        "0% to 25%",
        report["fingerprint"],
        report["plan_digest"],
        "9 of 46 = 19.6%",
    ):
        assert part in text, part


@pytest.mark.parametrize("suspicious", [True, False])
def test_the_summary_names_the_picture_of_a_found_trigger(
    report: dict[str, Any], *, suspicious: bool
) -> None:
    report["trigger"]["suspicious"] = suspicious
    source = ReportSource(result_of(report), {TEXTURE_KEY: b"png"})
    assert ("trigger.png" in summary_markdown(source)) is suspicious
    assert "trigger.png" not in summary_markdown(ReportSource(result_of(report)))


def test_what_was_looked_for_and_is_found_at_this_effort_stands_in_markdown_too(
    make_report: MakeReport,
) -> None:
    report = make_report("inconclusive", profile=False)
    report["settings"]["effort"] = "thorough"
    report["input"]["shape"] = [1, 64, 64]
    report["trigger"]["findings"][0] |= {"family": "field", "key": "weak-field4", "place": None}
    rate = {"rate": 0.1, "low": 0.0, "high": 0.2, "n": 40}
    report["trigger"]["held_out"] = {"false_positive": rate, "false_negative": rate}
    result = result_of(report)
    text = render_markdown(ReportSource(result))
    rows = [*coverage_rows(result), *kinds_rows(result)]
    assert len(rows) > 10
    for row in rows:
        assert f"| {' | '.join(map(plain, row))} |" in text
    assert plain(kinds_caption(result)) in text
