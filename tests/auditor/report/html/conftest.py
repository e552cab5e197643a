"""A browser for the page's tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.auditor.report.html._browser import BROWSER


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless Chromium."""
    driver = pytest.importorskip("playwright.sync_api")
    with driver.sync_playwright() as started:
        # Without a sandbox of its own, as containers allow none.
        browser = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()
