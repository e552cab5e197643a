"""The HTML page as a PDF, by WeasyPrint: an extra."""

from __future__ import annotations

import importlib
import logging
import re
from collections.abc import Sequence
from importlib import resources
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

PLAIN = ".plain { columns: auto; }"
"""Facts stand in one column: to balance two, WeasyPrint lays every fact out again and again, which
took five sixths of its time."""

TONES = {"suspected": "#9c2222", "none": "#0d5c69", "open": "#6b4a00"}


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
    # The drawings' part of report.css once more: WeasyPrint gives an SVG no style from outside it.
    style = (resources.files(__package__) / "html" / "drawings.css").read_text(encoding="utf-8")
    style = style.replace("TONE", TONES[wording(source.result).tone])
    page = render_html(source, frameworks).replace("</style>", f"{PLAIN}</style>", 1)
    page = re.sub(r"<svg [^>]*>", rf"\g<0><style>{style}</style>", page)
    logging.getLogger("weasyprint").setLevel(logging.CRITICAL)
    logging.getLogger("fontTools").setLevel(logging.CRITICAL)
    try:
        fetcher = weasyprint.urls.URLFetcher(allowed_protocols={"data"}, allow_redirects=False)
        document = weasyprint.HTML(string=page, url_fetcher=fetcher)
        data: bytes = document.write_pdf(
            pdf_variant="pdf/ua-1", pdf_identifier=source.digest[:32].encode("ascii")
        )
    except Exception as error:
        raise AuditError(f"WeasyPrint could not make the PDF: {str(error)[:200]}") from error
    return data
