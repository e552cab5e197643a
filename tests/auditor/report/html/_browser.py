"""The system's Chromium, driven through Playwright, whose own browsers are not needed.

The accessibility rules are axe-core's, as axe-playwright-python carries them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources, util
from pathlib import Path
from typing import Any

import pytest

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
MISSING = [name for name in ("playwright", "axe_playwright_python") if not util.find_spec(name)]

MARKS = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium installed"),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    # Playwright's own loop leaves its sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@contextmanager
def opened(
    chromium: Any,
    page: str | Path,
    width: int = 1100,
    scheme: str = "light",
    height: int = 900,
    **options: Any,
) -> Iterator[tuple[Any, list[str]]]:
    """The page in a window of its own, and all it complained about, asked for or popped up."""
    context = chromium.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, **options
    )
    seen: list[str] = []
    tab = context.new_page()

    def popped_up(dialog: Any) -> None:
        seen.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def asked_for(request: Any) -> None:
        if not request.url.startswith(("data:", "file:")):
            seen.append(f"request: {request.url}")

    tab.on("console", lambda message: seen.append(f"console: {message.text}"))
    tab.on("pageerror", lambda error: seen.append(f"error: {error}"))
    tab.on("dialog", popped_up)
    tab.on("request", asked_for)
    try:
        if isinstance(page, Path):
            tab.goto(page.as_uri())
        else:
            tab.set_content(page, wait_until="load")
        yield tab, seen
    finally:
        context.close()


def violations(tab: Any) -> list[tuple[str, list[str]]]:
    """Rules of axe that the page breaks, each with where; the page must allow its script."""
    tab.evaluate((resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    found = tab.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    assert len(found["passes"]) > 20
    return [(v["id"], [node["html"][:200] for node in v["nodes"]]) for v in found["violations"]]
