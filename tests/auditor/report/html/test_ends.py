"""The five ends of an audit in a real browser: the first screen answers, and nothing is cut."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from auditor.report.html.changes import (
    SHOWN,
    TEXTURE_KEY,
    changed_key,
    clean_key,
    kind_key,
)
from auditor.report.html.first import SHORT
from auditor.report.html.page import render_html, render_summary
from auditor.report.json_report import result_of
from auditor.report.source import ReportSource
from tests.auditor.report.html._browser import MARKS, opened, violations

pytestmark = MARKS
MakeReport = Callable[..., dict[str, Any]]
ENDS = ("patch", "pattern", "nothing", "inconclusive", "interrupted")
SCREENS = ((1280, 720), (390, 844))
PHOTO = 224


def _photo(seed: int) -> bytes:
    """A picture as hard to compress as a photograph."""
    rng = np.random.default_rng(seed)
    smooth = np.kron(rng.integers(40, 200, (14, 14, 3)), np.ones((16, 16, 1)))
    grain = rng.normal(0, 6, smooth.shape)
    buffer = io.BytesIO()
    Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _pictures() -> dict[str, bytes]:
    pairs = {
        key(n): _photo(2 * n + part) for n in range(SHOWN)
        for part, key in enumerate((clean_key, changed_key))
    }  # fmt: skip
    return {**pairs, TEXTURE_KEY: _photo(90), kind_key("weak-field4"): _photo(91)}


def _end(make_report: MakeReport, end: str) -> dict[str, Any]:
    verdict = {"patch": "backdoor-suspected", "pattern": "backdoor-suspected"}
    verdict["nothing"] = "no-evidence"
    report = make_report(verdict.get(end, "inconclusive"), profile=end == "nothing")
    trigger = report["trigger"]
    report["input"]["shape"] = [3, PHOTO, PHOTO]
    trigger["shown"] = {"clean_labels": [0, 1, 2, 4, 5], "changed_labels": [3] * 5}
    trigger["suspicious"] = end in {"patch", "pattern"}
    trigger["p"] = 0.0012 if trigger["suspicious"] else 0.8
    if end == "pattern":
        pattern = {"family": "field", "key": "weak-field4", "size": 4, "strength": 9.0}
        trigger["best"] |= {**pattern, "place": None}
        trigger["findings"] = [{**trigger["best"], "texture": None}]
    if end == "interrupted":
        report |= {"trigger": None, "partial": True, "canaries": None}
        report["planes"] = report["planes"][:2]
    return report


@pytest.fixture
def page_of(make_report: MakeReport, tmp_path: Path) -> Callable[..., Path]:
    """Writes the page of an end."""

    def write(end: str, render: Callable[[ReportSource], str] = render_html) -> Path:
        # The longest command that the first screen shows.
        typed = ["--samples", "pictures", "--model", "m" * (SHORT - 38)]
        run = {"command": typed if end == "interrupted" else []}
        source = ReportSource(result_of(_end(make_report, end)), _pictures(), run)
        assert len(source.resuming) == (SHORT if end == "interrupted" else 0)
        path = tmp_path / f"{end}.html"
        path.write_text(render(source), encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(("width", "height"), SCREENS)
def test_the_first_screen_holds_every_answer(
    chromium: Any, page_of: Callable[..., Path], end: str, width: int, height: int
) -> None:
    path = page_of(end)
    for scheme in ("light", "dark"):
        with opened(chromium, path, width, scheme, height) as (tab, seen):
            bottoms = tab.evaluate(
                "[...document.querySelectorAll('h1, .lede, .reason, .proof, .brief, .box')]"
                ".map(one => one.getBoundingClientRect().bottom)"
            )
            assert len(bottoms) >= 5
            assert max(bottoms) <= height
            assert tab.evaluate("document.documentElement.scrollWidth") == width
            below = tab.evaluate("document.querySelector('main').getBoundingClientRect().top")
            assert below >= height
        assert seen == []


@pytest.mark.parametrize("end", ENDS)
def test_pictures_are_shown_as_they_are(
    chromium: Any, page_of: Callable[..., Path], end: str
) -> None:
    with opened(chromium, page_of(end), scheme="dark") as (tab, _):
        shown = tab.evaluate(
            "[...document.images].map(one => [getComputedStyle(one).imageRendering, "
            "getComputedStyle(one).filter, getComputedStyle(one).opacity, "
            "one.naturalWidth > 0 && (one.alt !== '' || one.width === 36)])"
        )
    assert len(shown) >= 2
    assert {tuple(one) for one in shown} == {("pixelated", "none", "1", True)}


@pytest.mark.parametrize("end", ENDS)
def test_axe_finds_nothing_open_or_folded(
    chromium: Any, page_of: Callable[..., Path], end: str
) -> None:
    path = page_of(end)
    for scheme in ("light", "dark"):
        with opened(chromium, path, 390, scheme, 844, bypass_csp=True) as (tab, _):
            tab.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
            assert tab.evaluate("document.documentElement.scrollWidth") == 390
            assert violations(tab) == []


@pytest.mark.parametrize("end", ENDS)
def test_photographs_keep_the_page_short_and_small(page_of: Callable[..., Path], end: str) -> None:
    page = page_of(end).read_text(encoding="utf-8")
    assert len(page.encode()) < 1_500_000
    words = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL).split()
    assert 900 < len(words) < 2400


@pytest.mark.parametrize("end", ENDS)
def test_the_summary_is_the_first_screen_alone(
    chromium: Any, page_of: Callable[..., Path], end: str
) -> None:
    path = page_of(end, render_summary)
    with opened(chromium, path) as (tab, seen):
        printed = tab.pdf(prefer_css_page_size=True)
    assert seen == []
    pypdf = pytest.importorskip("pypdf")
    (page,) = pypdf.PdfReader(io.BytesIO(printed)).pages
    assert "Not covered" in page.extract_text()
