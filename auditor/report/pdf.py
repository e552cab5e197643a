"""The HTML page as a PDF, by WeasyPrint: an extra."""

from __future__ import annotations

import importlib
import logging
import re
from collections.abc import Sequence
from typing import Any

from auditor.errors import AuditError, UsageError
from auditor.report.html.page import render_html
from auditor.report.source import ReportSource
from auditor.report.wording.frameworks import Framework
from auditor.report.wording.verdict import wording

MISSING = (
    "a PDF needs WeasyPrint, which is not installed: pip install 'xray-audit[pdf]' (it also needs "
    "the system library Pango), or print report.html from a browser"
)

TONES = {"suspected": "#9c2222", "none": "#0d5c69", "open": "#6b4a00"}
DRAWINGS = """\
.icon path, .icon circle, .icon rect { fill: none; stroke: TONE; stroke-width: 5; stroke-linejoin: round; stroke-linecap: round }
.icon text { fill: TONE; font-size: 38px; font-weight: 700; font-family: sans-serif }
.swatch text { font-size: 13px; font-weight: 600; font-family: sans-serif; text-anchor: middle }
.mark * { fill: none; stroke: #000; stroke-width: 2 }
.track { fill: #e6e6e6 } .fill { fill: #333 }
.hollow, .cross { fill: none; stroke: #000; stroke-width: 1.5 }
.axis { stroke: #444; stroke-width: 1 } .tick { fill: #444; font-size: 12px; font-family: sans-serif }
.dot { fill: #333; fill-opacity: .55 } .interval { stroke: #000; stroke-width: 2 }
.cap { stroke: #000; stroke-width: 1.5 } .mean { fill: #000 }
line.limit { stroke: #000; stroke-width: 1.5; stroke-dasharray: 5 3 }
text.limit { fill: #000; font-size: 13px; font-weight: 600; font-family: sans-serif }
.hatch { stroke: #888; stroke-width: 1; fill: none }
"""  # noqa: E501 - a style sheet
"""Styles of ``report.css`` for drawings: WeasyPrint gives an SVG no style from outside it."""


def load_weasyprint() -> Any:
    """The library, imported only where a PDF is asked for.

    Raises:
        UsageError: it or its system libraries are missing.
    """
    try:
        return importlib.import_module("weasyprint")
    except (ImportError, OSError) as error:  # it loads Pango while it is imported
        raise UsageError(MISSING) from error


def render_pdf(source: ReportSource, frameworks: Sequence[Framework] = ()) -> bytes:
    """The page of :func:`render_html` on A4, tagged for screen readers (PDF/UA-1).

    Nothing is fetched: whatever is not inside the page is refused.

    Raises:
        UsageError: WeasyPrint or its system libraries are missing.
        AuditError: it failed.
    """
    weasyprint = load_weasyprint()
    tone = TONES[wording(source.result).tone]
    styled = f"\\g<0><style>{DRAWINGS.replace('TONE', tone)}</style>"
    page = re.sub(r"<svg [^>]*>", styled, render_html(source, frameworks))
    logging.getLogger("weasyprint").setLevel(logging.CRITICAL)
    logging.getLogger("fontTools").setLevel(logging.CRITICAL)
    try:
        document = weasyprint.HTML(string=page, url_fetcher=_only_inline(weasyprint))
        data: bytes = document.write_pdf(
            pdf_variant="pdf/ua-1", pdf_identifier=source.digest[:32].encode("ascii")
        )
    except Exception as error:
        raise AuditError(f"WeasyPrint could not make the PDF: {str(error)[:200]}") from error
    return data


def _only_inline(weasyprint: Any) -> Any:
    return weasyprint.urls.URLFetcher(allowed_protocols={"data"}, allow_redirects=False)
