"""The renderer of every view, apart from the names: most commands draw none."""

from __future__ import annotations

from collections.abc import Callable

from auditor.measured import of_earlier_search
from auditor.plan.digest import STATED, searched_before
from auditor.report.cyclonedx import render_cyclonedx
from auditor.report.html.page import render_html, render_summary
from auditor.report.json_report import report_bytes
from auditor.report.junit import render_junit
from auditor.report.markdown import render_markdown, summary_markdown
from auditor.report.pdf import render_pdf
from auditor.report.sarif import render_sarif
from auditor.report.source import ReportSource
from auditor.report.views import ViewName, ViewSettings
from auditor.report.wording.frameworks import load_all

_RENDERERS: dict[ViewName, Callable[[ReportSource, ViewSettings], bytes]] = {
    ViewName.JSON: lambda source, _: report_bytes(source.result.content),
    ViewName.HTML: lambda source, chosen: render_html(source, chosen.frameworks).encode(),
    ViewName.SUMMARY: lambda source, _: summary_markdown(source).encode(),
    ViewName.SUMMARY_PAGE: lambda source, _: render_summary(source).encode(),
    ViewName.MARKDOWN: lambda source, chosen: render_markdown(source, chosen.frameworks).encode(),
    ViewName.SARIF: lambda source, chosen: render_sarif(source, chosen.location).encode(),
    ViewName.JUNIT: lambda source, _: render_junit(source).encode(),
    ViewName.PDF: lambda source, chosen: render_pdf(source, chosen.frameworks),
    ViewName.CYCLONEDX: lambda source, chosen: render_cyclonedx(
        source, chosen.frameworks or load_all()
    ).encode(),
}


def draw(name: ViewName, source: ReportSource, settings: ViewSettings) -> bytes:
    """One view, with the rates that plans of the audit's version are judged by."""
    version = source.result.settings.plan_version or STATED - 1
    with of_earlier_search(**searched_before(version)):
        return _RENDERERS[name](source, settings)
