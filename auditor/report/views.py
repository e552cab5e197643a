"""Every view of a result: its name and its file; what draws it is loaded with the first view."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from auditor.errors import AuditError, UsageError, did_you_mean
from auditor.report.files import write_atomic

if TYPE_CHECKING:
    from auditor.report.source import ReportSource
    from auditor.report.wording.frameworks import Framework


class ViewName(StrEnum):
    """Views, as choices."""

    JSON = "json"
    HTML = "html"
    SUMMARY = "summary"
    SUMMARY_PAGE = "summary-html"
    MARKDOWN = "markdown"
    SARIF = "sarif"
    JUNIT = "junit"
    PDF = "pdf"
    CYCLONEDX = "cyclonedx"


ALL = "all"
"""Name of all frameworks together."""


@dataclass(frozen=True)
class ViewSettings:
    """Choices of a reader."""

    frameworks: tuple[Framework, ...] = ()
    """Frameworks whose clauses the audit is mapped to; without any an attestation maps to all."""
    location: str = ""
    """File of the reader's repository that SARIF results point at; empty for the report itself."""


def view_settings(frameworks: Iterable[str] = (), location: str = "") -> ViewSettings:
    """Settings for the frameworks of these names; ``all`` names every one.

    Raises:
        UsageError: there is no such framework.
    """
    names = [word.lower() for word in _words(frameworks)]
    if not names:
        return ViewSettings(location=location)
    load_all = import_module("auditor.report.wording.frameworks").load_all
    return ViewSettings(load_all(() if ALL in names else names), location)


def _words(given: Iterable[str]) -> list[str]:
    """The words of texts that may each hold several, separated by commas."""
    words = [word.strip() for text in given for word in text.split(",")]
    return [word for word in words if word]


def view_names(given: Iterable[str], default: ViewName = ViewName.HTML) -> tuple[ViewName, ...]:
    """The views of ``given``, each of which may hold several names, separated by commas.

    ``summary`` is one view in two files: with it comes its page.

    Raises:
        UsageError: there is no such view, or its extra is not installed. It is raised before an
            audit asks its first query, not after its last.
    """
    named = [_view(word) for word in _words(given)]
    if ViewName.SUMMARY in named:
        named.insert(named.index(ViewName.SUMMARY) + 1, ViewName.SUMMARY_PAGE)
    chosen = tuple(dict.fromkeys(named)) or (default,)
    if ViewName.PDF in chosen:
        import_module("auditor.report.pdf").load_weasyprint()
    return chosen


def _view(word: str) -> ViewName:
    try:
        return ViewName(word.lower())
    except ValueError:
        known = ", ".join(ViewName)
        hint = did_you_mean(word[:40], ViewName)
        raise UsageError(f"there is no view {word[:40]!r}: choose from {known}{hint}") from None


FILES: dict[ViewName, str] = {
    ViewName.JSON: "report.json",
    ViewName.HTML: "report.html",
    ViewName.SUMMARY: "summary.md",
    ViewName.SUMMARY_PAGE: "summary.html",
    ViewName.MARKDOWN: "report.md",
    ViewName.SARIF: "report.sarif",
    ViewName.JUNIT: "report.junit.xml",
    ViewName.PDF: "result.pdf",
    ViewName.CYCLONEDX: "report.cdx.json",
}
"""Each view's file name."""


def view_files(given: Iterable[str]) -> tuple[str, ...]:
    """The files of the views of ``given``, in that order; see :func:`view_names`."""
    return tuple(FILES[name] for name in view_names(given))


VIEW_FILES = tuple(file for name, file in FILES.items() if name != ViewName.JSON)
"""Files that an audit may write beside ``report.json``."""


def render(name: ViewName, source: ReportSource, settings: ViewSettings) -> bytes:
    """One view; equal arguments give equal bytes.

    Raises:
        AuditError: the report does not have the shape that its schema describes, or the view's
            extra is not installed.
    """
    try:
        drawn: bytes = import_module("auditor.report.renderers").draw(name, source, settings)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError) as error:
        # A reader gets a sentence, whichever program made the file.
        raise AuditError(
            f"the report cannot be shown as {name}: it is not as report.schema.json describes "
            f"({type(error).__name__}: {str(error)[:120]})"
        ) from error
    return drawn


def render_all(
    source: ReportSource, names: Sequence[ViewName], settings: ViewSettings
) -> dict[str, bytes]:
    """Each view beside ``report.json``, by its file name.

    Raises:
        AuditError: a view cannot be made.
    """
    return {FILES[name]: render(name, source, settings) for name in names if name != ViewName.JSON}


def write_views(
    source: ReportSource, names: Sequence[ViewName], settings: ViewSettings, folder: Path
) -> list[Path]:
    """Write each view to its file in ``folder``, whole or not at all; the paths, in order.

    Raises:
        AuditError: a view cannot be made. Nothing is written then.
        OSError: the folder cannot be written.
    """
    made = {FILES[name]: render(name, source, settings) for name in dict.fromkeys(names)}
    for file, data in made.items():
        write_atomic(folder / file, data)
    return [folder / file for file in made]
