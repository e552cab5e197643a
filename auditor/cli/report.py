"""``xray-audit report``: views of a finished audit, made again without the network."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.cli import options
from auditor.errors import AuditError, UsageError

if TYPE_CHECKING:
    from auditor.report.source import ReportSource
    from auditor.report.views import ViewName, ViewSettings

ViewFolder = Annotated[
    Path | None,
    typer.Option("--to", help="Folder for the views, or - to print one. Default: BUNDLE/views."),
]
SarifLocation = Annotated[
    str,
    typer.Option(
        help="File of your repository that a SARIF result points at. Default: report.json."
    ),
]


@options.grouped
def report(
    bundle: options.Bundle,
    views: options.ViewOptions,
    to: ViewFolder = None,
    location: SarifLocation = "",
    accepted: options.AcceptedFile = None,
) -> None:
    """Make views of a finished audit again: no network, no model, the same bytes."""
    from auditor.evidence.bundle import load_bundle
    from auditor.evidence.layout import VIEWS
    from auditor.report.source import ReportSource
    from auditor.report.views import ViewName, view_names, view_settings
    from auditor.workflows.compare.accepted import match_accepted, read_accepted

    names = view_names(views.format or ())
    if to == Path("-") and views.format == [ViewName.SUMMARY]:
        names = (ViewName.SUMMARY,)
    _refuse_unused(names, views, location)
    settings = view_settings(views.mapped, location)
    entries = () if accepted is None else read_accepted(accepted)
    held = load_bundle(bundle)
    matched = match_accepted(held.result, entries, datetime.now(UTC).date()) if entries else ()
    findings = [one.as_dict() for one in matched]
    source = ReportSource(held.result, held.pictures, held.run, held.profile, findings)
    if to == Path("-"):
        _print(names, source, settings)
        return
    if to is None and not bundle.is_dir():
        raise UsageError(f"{bundle} is no folder: say with --to where the views go")
    # Beside the files that the evidence's head lists, so that what was handed over stays as it is.
    _write(names, source, settings, to or bundle / VIEWS)


def _refuse_unused(names: tuple[ViewName, ...], views: options.ViewOptions, location: str) -> None:
    from auditor.report.views import ViewName

    if location and ViewName.SARIF not in names:
        raise UsageError("--location is for --format sarif, which was not asked for")
    if views.mapped and set(names) <= {ViewName.JSON, ViewName.SARIF, ViewName.JUNIT}:
        raise UsageError(
            "--framework has a place in html, markdown, pdf and cyclonedx; none was asked for"
        )


def _print(names: tuple[ViewName, ...], source: ReportSource, settings: ViewSettings) -> None:
    from auditor.report.views import render

    if len(names) != 1:
        raise UsageError("--to - prints one view: name one with --format")
    sys.stdout.buffer.write(render(names[0], source, settings))
    sys.stdout.buffer.flush()


def _write(
    names: tuple[ViewName, ...], source: ReportSource, settings: ViewSettings, folder: Path
) -> None:
    from auditor.report.views import write_views

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in write_views(source, names, settings, folder):
            typer.echo(str(path))
    except OSError as error:
        raise AuditError(f"the views cannot be written to {folder}: {error.strerror}") from error
