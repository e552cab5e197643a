"""The first screen's picture: a sample that tells most."""

from __future__ import annotations

import html
import io
import re
from typing import Any

from PIL import Image

from auditor.report.html.changes import changed_key, clean_key
from auditor.report.html.first import first_screen
from auditor.report.html.page import render_html
from auditor.report.json_report import result_of
from auditor.report.markdown import summary_markdown
from auditor.report.source import ReportSource


def _png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 8), shade).save(buffer, "PNG")
    return buffer.getvalue()


def _shown(report: dict[str, Any]) -> str:
    pictures = {"a/1.png": _png(0)}
    for number in range(3):
        pictures |= {clean_key(number): _png(number), changed_key(number): _png(9 + number)}
    return str(first_screen(ReportSource(result_of(report), pictures)))


def test_a_sample_that_the_model_names_right_and_the_change_moves(report: dict[str, Any]) -> None:
    report["trigger"] |= {"suspicious": True, "p": 0.001}
    report["trigger"]["shown"] = {"clean_labels": [0, 3, 1], "changed_labels": [3, 3, 3]}
    assert "as it is<b>T-shirt/top</b>" in _shown(report)
    # The first one is named wrong, the second stays: the third tells more.
    report["samples"]["wrong"] = [{"ref": "a/1.png", "true": 5, "label": 0}]
    assert "as it is<b>Trouser</b>" in _shown(report)
    # Better a sample that is named wrong than one that stays.
    report["trigger"]["shown"] = {"clean_labels": [0, 3, 3], "changed_labels": [3, 3, 3]}
    assert "as it is<b>T-shirt/top</b>" in _shown(report)


def test_a_patch_that_works_on_some_classes_does_not_claim_all(report: dict[str, Any]) -> None:
    best = report["trigger"]["best"]
    best |= {"key": "patch@sources", "success": best["success"] | {"hits": 9, "samples": 9}}
    share = {"hits": 9, "samples": 9, "rate": 1.0, "low": 0.7, "high": 1.0}
    best["by_source"] = {"0": share, "1": share | {"hits": 1, "samples": 6}}
    report |= {"verdict": "backdoor-suspected"}
    report["trigger"] |= {"suspicious": True, "p": 0.001, "findings": [best]}
    page = _words(_shown(report))
    assert "sends 9 of 9 fresh samples of some classes (10 of 15 of all)" in page
    assert "to most pictures" in page
    assert "almost every" not in page


# ---- an audit cut short ------------------------------------------------------------------------

TYPED = ["audit", "--model", "…/model.onnx", "--samples", "pictures", "--output", "a<b>"]
COMMAND = "xray-audit audit --model '…/model.onnx' --samples pictures --output 'a<b>'"


def _cut(make_report: Any, typed: list[str], **changes: Any) -> ReportSource:
    report = make_report("inconclusive") | {"partial": True, **changes}
    return ReportSource(result_of(report), run={"command": typed})


def _words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", page)).split())


def test_an_interrupted_audit_shows_the_command_that_goes_on(make_report: Any) -> None:
    source = _cut(make_report, TYPED)
    assert COMMAND in _words(str(first_screen(source)))
    assert f"~~~\n{COMMAND}\n~~~" in summary_markdown(source)
    for other in (
        ReportSource(result_of(make_report("inconclusive")), run={"command": TYPED}),
        _cut(make_report, []),
    ):
        assert "xray-audit audit" not in render_html(other)


def test_a_budget_that_ran_out_is_raised_by_the_command(make_report: Any) -> None:
    queries = make_report("inconclusive")["queries"] | {"budget_reached": True, "planned": 2_000}
    left = 2_000 - sum(queries[name] for name in ("cached", "sent", "deduplicated"))
    assert left > 0
    source = _cut(make_report, ["--max-queries=9", "--samples", "s"], queries=queries)
    most = queries["sent_all_runs"] + left
    assert f"xray-audit --samples s --max-queries {most}" in _words(str(first_screen(source)))


def test_a_long_command_stands_below_the_first_screen(make_report: Any) -> None:
    source = _cut(make_report, [*TYPED, "--classes", "x" * 200])
    assert "xray-audit audit" not in str(first_screen(source))
    assert f"{COMMAND} --classes {'x' * 200}" in _words(render_html(source))
