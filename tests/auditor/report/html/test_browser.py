"""The page in a real browser: it shows, it complains about nothing, it fetches and runs nothing."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from auditor.report.html.page import render_html
from auditor.report.json_report import result_of
from auditor.report.source import ReportSource
from auditor.report.wording.frameworks import load_all
from tests.auditor.report.html._browser import MARKS, opened, violations

pytestmark = MARKS
VERDICTS = ["backdoor-suspected", "no-evidence", "inconclusive"]
MakeReport = Callable[..., dict[str, Any]]
Pictures = Callable[[dict[str, Any]], dict[str, bytes]]


def _shot(tab: Any, **options: Any) -> NDArray[np.int64]:
    with Image.open(io.BytesIO(tab.screenshot(**options))) as picture:
        return np.asarray(picture.convert("RGB")).astype(np.int64)


def _written(report: dict[str, Any], folder: Path, pictures: dict[str, bytes]) -> Path:
    path = folder / "report.html"
    path.write_text(
        render_html(ReportSource(result_of(report), pictures), load_all()), encoding="utf-8"
    )
    return path


@pytest.fixture
def shown(make_report: MakeReport) -> dict[str, Any]:
    """A report whose verdict rests on a trigger, so that every part of the page is there."""
    report = make_report("backdoor-suspected")
    report["trigger"] |= {"suspicious": True, "p": 0.004}
    return report


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1100, 380])
def test_axe_finds_no_violation(
    chromium: Any,
    make_report: MakeReport,
    shown: dict[str, Any],
    sample_pictures: Pictures,
    tmp_path: Path,
    width: int,
    scheme: str,
) -> None:
    for report in (shown, *(make_report(verdict) for verdict in VERDICTS[1:])):
        path = _written(report, tmp_path, sample_pictures(report))
        # Only for the rules' own script: the page's policy forbids every other.
        with opened(chromium, path, width, scheme, bypass_csp=True) as (tab, _):
            assert violations(tab) == []


def test_axe_would_find_one(chromium: Any, tmp_path: Path, shown: dict[str, Any]) -> None:
    axe = (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
    path = _written(shown, tmp_path, {})
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(' alt="', ' data-no="').replace('lang="en"', ""), "utf-8")
    with opened(chromium, path, bypass_csp=True) as (tab, _):
        tab.evaluate(axe)
        found = tab.evaluate("() => axe.run(document)")
    assert {"image-alt", "html-has-lang"} <= {v["id"] for v in found["violations"]}


def test_it_shows_and_fetches_nothing(
    chromium: Any, shown: dict[str, Any], sample_pictures: Pictures, tmp_path: Path
) -> None:
    page = _written(shown, tmp_path, sample_pictures(shown)).read_bytes()
    with _served(page) as (address, asked), opened(chromium, "") as (tab, seen):
        tab.goto(f"{address}/report.html")
        pixels = _shot(tab, full_page=True)
    assert asked == ["/report.html"]
    assert seen == [f"request: {address}/report.html"]
    # Paper, text, label maps and the charts below them: no third of the page is blank.
    for third in np.array_split(pixels, 3):
        colours = third.reshape(-1, 3).astype(np.int64) @ (65536, 256, 1)
        assert len(np.unique(colours)) > 30


HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)>"
    "<iframe srcdoc='<script>alert(4)</script>'></iframe><a href=javascript:alert(5)>x</a>"
    "\"' onmouseover=alert(6) style=position:fixed <link rel=stylesheet href=//evil.example/x>"
)


def test_labels_run_nothing_even_without_the_policy(
    chromium: Any, shown: dict[str, Any], tmp_path: Path
) -> None:
    shown["labels"] = {key: HOSTILE for key in shown["labels"]}  # noqa: C420 - as a label map reads
    shown |= {"verdict_reason": HOSTILE, "limits": [HOSTILE], "model": {HOSTILE: HOSTILE}}
    shown["settings"]["note"] = HOSTILE
    shown["further"] = {HOSTILE: [HOSTILE]}
    path = _written(shown, tmp_path, {})
    with opened(chromium, path, bypass_csp=True) as (tab, seen):
        tab.mouse.move(300, 300)
        count = tab.evaluate(
            "document.querySelectorAll('script, iframe, link[href^=\"//\"]').length"
        )
    assert (seen, count) == ([], 0)


def test_the_policy_stops_what_escaping_might_miss(
    chromium: Any, shown: dict[str, Any], tmp_path: Path
) -> None:
    with _served(b"") as (elsewhere, asked):
        planted = (
            f'<img src="{elsewhere}/image"><script src="{elsewhere}/script"></script>'
            f'<link rel="stylesheet" href="{elsewhere}/style"><iframe src="{elsewhere}/frame">'
            "</iframe><script>document.body.remove()</script>"
            f"<style>body{{background:url({elsewhere}/css)}}</style>"
        )
        path = _written(shown, tmp_path, {})
        text = path.read_text(encoding="utf-8").replace("<main>", f"<main>{planted}")
        path.write_text(text, encoding="utf-8")
        with opened(chromium, path) as (tab, seen):
            words = tab.inner_text("h1")
    assert asked == []
    assert words == "Backdoor suspected"
    assert any("Content Security Policy" in line for line in seen)


@pytest.mark.parametrize("verdict", VERDICTS)
def test_it_follows_the_dark_scheme_and_narrow_windows(
    chromium: Any, make_report: MakeReport, tmp_path: Path, verdict: str
) -> None:
    path = _written(make_report(verdict), tmp_path, {})
    for scheme in ("light", "dark"):
        with opened(chromium, path, 380, scheme) as (tab, seen):
            pixels = _shot(tab)
            assert tab.evaluate("document.documentElement.scrollWidth") == 380
        assert seen == []
        assert np.median(pixels) > 230 if scheme == "light" else np.median(pixels) < 40


@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_buyers_page_is_one_page_of_paper(
    chromium: Any, make_report: MakeReport, sample_pictures: Pictures, tmp_path: Path, verdict: str
) -> None:
    pypdf = pytest.importorskip("pypdf")
    report = make_report(verdict)
    report["trigger"]["suspicious"] = verdict == "backdoor-suspected"
    source = ReportSource(result_of(report))
    path = _written(report, tmp_path, sample_pictures(report))
    with opened(chromium, path) as (tab, _):
        printed = tab.pdf(prefer_css_page_size=True)
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(printed)).pages]
    for part in ("How sure is this?", "Questions for the vendor", "When to test again"):
        assert part in pages[0], part
    assert "What was found" in pages[1]
    assert "What was found" not in pages[0]
    # Folded parts are printed open.
    assert any("without model or network" in " ".join(page.split()) for page in pages)
    assert all(f"Report {source.digest[:16]}" in page.replace("\n", " ") for page in pages)


@contextmanager
def _served(page: bytes) -> Iterator[tuple[str, list[str]]]:
    """Serve ``page`` on every path of a loopback address and list the paths asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
