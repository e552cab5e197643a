"""The page in a real browser: it shows, it complains about nothing, it fetches nothing."""

from __future__ import annotations

import io
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from auditor.reports.frameworks import load_all
from auditor.reports.html_report import render_html
from auditor.reports.source import ReportSource

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium installed"),
]


def _rendered(report: dict[str, Any], pictures: dict[str, bytes] | None = None) -> str:
    return render_html(ReportSource(report, pictures or {}), load_all())


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
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _look(url: str, folder: Path, *options: str) -> tuple[np.ndarray[Any, Any], str]:
    """Screenshot of ``url`` as ``(h, w, 3)`` pixels, and what the console said."""
    assert BROWSER is not None
    shot = folder / "shot.png"
    done = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--enable-logging=stderr",
            f"--user-data-dir={folder / 'profile'}",
            f"--screenshot={shot}",
            *options,
            url,
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=100,
    )
    with Image.open(io.BytesIO(shot.read_bytes())) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    return pixels, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


def _page(report: dict[str, Any], pictures: Callable[[dict[str, Any]], dict[str, bytes]]) -> str:
    return _rendered(report, pictures(report))


def test_it_shows_and_fetches_nothing(
    report: dict[str, Any],
    sample_pictures: Callable[[dict[str, Any]], dict[str, bytes]],
    tmp_path: Path,
) -> None:
    page = _page(report, sample_pictures)
    with _served(page.encode("utf-8")) as (address, asked):
        pixels, console = _look(f"{address}/report.html", tmp_path, "--window-size=1200,3000")
    assert asked == ["/report.html"]
    assert console == ""
    # Paper, text, label maps and the charts below them: no third of the page is blank.
    for third in np.array_split(pixels, 3):
        assert len(np.unique(third.reshape(-1, 3), axis=0)) > 50
    target = np.array([0x11, 0x77, 0x33])
    assert (np.abs(pixels - target).sum(axis=2) < 6).mean() > 0.02


def test_the_policy_stops_what_escaping_might_miss(report: dict[str, Any], tmp_path: Path) -> None:
    with _served(b"") as (elsewhere, asked):
        planted = (
            f'<img src="{elsewhere}/image"><script src="{elsewhere}/script"></script>'
            f'<link rel="stylesheet" href="{elsewhere}/style"><iframe src="{elsewhere}/frame">'
            "</iframe><script>document.body.remove()</script>"
            f"<style>body{{background:url({elsewhere}/css)}}</style>"
        )
        page = _rendered(report).replace("<main>", f"<main>{planted}")
        (tmp_path / "report.html").write_text(page, encoding="utf-8")
        pixels, console = _look((tmp_path / "report.html").as_uri(), tmp_path)
    assert asked == []
    assert "Content Security Policy" in console
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50


def test_it_follows_the_dark_scheme_and_narrow_windows(
    report: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    path.write_text(_rendered(report), encoding="utf-8")
    light, _ = _look(path.as_uri(), tmp_path, "--window-size=500,1200")
    dark, _ = _look(
        path.as_uri(),
        tmp_path,
        "--window-size=500,1200",
        "--blink-settings=preferredColorScheme=0",
    )
    assert np.median(light) > 230
    assert np.median(dark) < 40
    # Nothing runs off the right edge: the page keeps its margin.
    assert (light[:, -8:] == light[0, -1]).all()
