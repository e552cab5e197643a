"""The result of the Python API: a report that shows itself and knows its exit code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from auditor.api.frames import FigureName, TableName, as_frame, draw, table_rows
from auditor.errors import AuditError, ExitCode
from auditor.evidence.bundle import load_bundle, read_report
from auditor.evidence.layout import PAGE
from auditor.report.console import show_result
from auditor.report.files import write_atomic
from auditor.report.html.page import render_html
from auditor.report.json_report import plain, write_json
from auditor.report.notebook import notebook_html
from auditor.report.result.result import Result
from auditor.report.source import ReportSource
from auditor.workflows.judge import AuditResult

CODES = {
    "backdoor-suspected": ExitCode.BACKDOOR_SUSPECTED,
    "no-evidence": ExitCode.NO_EVIDENCE,
}


@dataclass(frozen=True, repr=False)
class AuditReport:
    """The result of one audit.

    In a notebook it displays itself; ``print`` shows the same text as the command line.

    Attributes:
        verdict: ``backdoor-suspected``, ``no-evidence`` or ``inconclusive``.
        reason: reason of the verdict, in sentences.
        exit_code: exit code of ``xray-audit``: 0, 1, 3, or 130 if it was interrupted.
        result: the typed result.
        output: folder with the labels, ``plan.json``, ``report.json`` and ``report.html``.
        page: the content of ``report.html``.
        pictures: PNGs that it shows, by their keys; empty if they were withheld.
    """

    verdict: str
    reason: str
    exit_code: ExitCode
    result: Result
    output: Path
    page: str = field(repr=False)
    pictures: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, result: AuditResult, output: Path) -> AuditReport:
        """The report of ``result``, whose files were just written to ``output``.

        Raises:
            AuditError: the files were removed meanwhile.
        """
        try:
            page = (output / "report.html").read_text(encoding="utf-8")
        except OSError as error:
            raise AuditError(f"the report in {output} cannot be read: {error.strerror}") from error
        code = ExitCode.INTERRUPTED if result.interrupted else result.verdict.exit_code
        found = result.result
        return cls(
            found.verdict, found.verdict_reason, code, found, output, page, result.pictures
        )  # fmt: skip

    @classmethod
    def at(cls, path: Path) -> AuditReport:
        """The report of the bundle at ``path``; see :func:`load`."""
        page, pictures = "", dict[str, bytes]()
        if path.is_file() and path.suffix != ".zip":
            found = read_report(path)
        else:
            held = load_bundle(path)
            found, pictures = held.result, dict(held.pictures)
            if PAGE in held.files:
                page = held.files.get(PAGE).decode("utf-8", errors="replace")
            else:
                page = render_html(ReportSource(found, held.pictures, held.run, held.profile))
        return cls(
            found.verdict,
            found.verdict_reason,
            CODES.get(found.verdict, ExitCode.INCONCLUSIVE),
            found,
            path,
            page or render_html(ReportSource(found)),
            pictures,
        )

    def to_frame(self, table: TableName = "probes") -> Any:
        """One table of the audit: a polars or else a pandas data frame, or a dictionary of columns
        if neither is installed.

        Args:
            table: ``samples`` (those labelled differently from their class), ``probes`` (planes and
                their scores), ``search`` (the best changes found) or ``costs`` (queries).

        Raises:
            UsageError: there is no such table.
        """
        return as_frame(table_rows(self.result, table))

    def figure(self, name: FigureName = "trigger") -> Any:
        """A matplotlib figure of the audit; it shows itself in a notebook, and has ``savefig``.

        Args:
            name: ``planes`` (their entropy), ``trigger`` (success of each change found) or
                ``power`` (error rates measured on models of known state).

        Raises:
            UsageError: there is no such figure, matplotlib is missing, or nothing to draw.
        """
        return draw(self.result, name)

    @property
    def data(self) -> dict[str, Any]:
        """The content of ``report.json``."""
        return plain(self.result.content)

    @property
    def scores(self) -> dict[str, float]:
        """Mean of each plane score, by name (``re``, ``ats``, ``ats_by_label``); empty if no
        plane is complete.
        """
        scores = self.result.scores
        found = {"re": scores.re, "ats": scores.ats, "ats_by_label": scores.ats_by_label}
        return {
            name: estimate.mean
            for name, estimate in found.items()
            if estimate is not None and estimate.mean is not None
        }

    @property
    def target_label(self) -> str | None:
        """Name of the label that a backdoor would aim at, if there is one; None if unknown."""
        index = self.result.target_label
        return None if index is None else self.result.labels[str(index)]

    def save(self, path: str | Path) -> Path:
        """Write the report to ``path`` and return it.

        Args:
            path: a ``.json`` or ``.html`` file, or a folder for both; made if missing.

        Raises:
            AuditError: it cannot be written.
        """
        path = Path(path)
        single = path.suffix in {".json", ".html"}
        files = [path] if single else [path / "report.json", path / "report.html"]
        try:
            files[0].parent.mkdir(parents=True, exist_ok=True)
            for file in files:
                if file.suffix == ".json":
                    write_json(self.result.content, file)
                else:
                    write_atomic(file, self.page.encode("utf-8"))
        except OSError as error:
            raise AuditError(f"{path} cannot be written: {error.strerror}") from error
        return path

    def __str__(self) -> str:
        return show_result(self.result, self.output)

    def __repr__(self) -> str:
        return f"AuditReport({self.verdict!r}, exit_code={int(self.exit_code)}, {self.output})"

    def _repr_html_(self) -> str:
        page = self.output / PAGE
        source = ReportSource(self.result, self.pictures)
        return notebook_html(source, page if page.is_file() else None)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ARG002, FBT001 - IPython's hook
        printer.text(str(self))


def load(path: str | Path) -> AuditReport:
    """The report of a finished audit, with everything but the live run.

    Args:
        path: the bundle (a folder or a ``.zip``), or its ``report.json`` alone. Reading proves
            nothing: ``xray-audit verify`` does.

    Raises:
        UsageError: there is nothing at ``path``.
        EvidenceError: it is no bundle, or damaged.
        AuditError: it is no report.
    """
    return AuditReport.at(Path(path))


class AuditInterrupted(KeyboardInterrupt):
    """An audit was interrupted; everything that was answered is kept.

    A KeyboardInterrupt, so that a loop over models stops as it should.

    Attributes:
        report: the report so far, or None if it was stopped at once.
    """

    def __init__(self, message: str, report: AuditReport | None) -> None:
        super().__init__(message)
        self.report = report
