"""Every view of every result: whole, equal when made again, and a sentence when it cannot be."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auditor.errors import AuditError, UsageError
from auditor.report.json_report import result_of
from auditor.report.source import ReportSource
from auditor.report.views import (
    FILES,
    ViewName,
    render,
    render_all,
    view_names,
    view_settings,
    write_views,
)

MakeReport = Callable[..., dict[str, Any]]
DATA = Path(__file__).parents[2] / "data"
TEXT_VIEWS = [name for name in ViewName if name != ViewName.PDF]
VERDICTS = ["backdoor-suspected", "no-evidence", "inconclusive"]


@pytest.mark.parametrize("view", TEXT_VIEWS)
@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_view_made_again_is_the_same_bytes(
    make_report: MakeReport, view: ViewName, verdict: str
) -> None:
    report = make_report(verdict, planes=2, density=8)
    once = render(view, ReportSource(result_of(report)), view_settings())
    again = render(view, ReportSource(result_of(copy.deepcopy(report))), view_settings())
    assert once == again
    assert once.endswith(b"\n")


def test_rates_are_those_that_plans_of_the_audits_version_are_judged_by() -> None:
    report = json.loads((DATA / "bundle_plan_12" / "report.json").read_bytes())

    def page(version: int | None) -> bytes:
        of_version = {} if version is None else {"plan_version": version}
        stated = report | {"settings": report["settings"] | of_version}
        return render(ViewName.MARKDOWN, ReportSource(result_of(stated)), view_settings())

    # Reports tell the version of their plan since 14.
    assert b"| a patch at any place | 3 of 6" in page(None)
    assert b"| a patch at any place | 3 of 6" in page(13)
    assert b"| a patch at any place | 16 of 20" in page(12)


@pytest.mark.parametrize("view", TEXT_VIEWS)
def test_views_tolerate_what_an_audit_may_lack(make_report: MakeReport, view: ViewName) -> None:
    report = make_report("inconclusive", planes=0, profile=False)
    report |= {"partial": True, "canaries": None, "trigger": None, "scores": {"shares": None}}
    report["samples"] |= {"accuracy": None, "wrong": []}
    assert render(view, ReportSource(result_of(report)), view_settings())


@pytest.mark.parametrize("view", [v for v in TEXT_VIEWS if v != ViewName.JSON])
def test_a_report_of_another_shape_is_a_sentence(report: dict[str, Any], view: ViewName) -> None:
    with pytest.raises(AuditError, match=r"not as report\.schema\.json describes"):
        render(view, ReportSource(result_of({"schema_version": "1.0"})), view_settings())
    for key, value in report.items():
        wrong: list[Any] = [None, 3, [{}], [value]]
        for broken in wrong:
            # Either the view does without the part, or it says so in a sentence.
            with contextlib.suppress(AuditError):
                render(
                    view,
                    ReportSource(result_of({**report, key: broken})),
                    view_settings(["owasp-ml"]),
                )


def test_names_come_one_by_one_or_together() -> None:
    assert view_names(["html,sarif", "junit"]) == ("html", "sarif", "junit")
    assert view_names([" SARIF ", "sarif"]) == ("sarif",)
    assert view_names([]) == ("html",)
    assert view_names(["summary,html"]) == ("summary", "summary-html", "html")
    assert view_names(["summary-html"]) == ("summary-html",)
    with pytest.raises(UsageError, match="no view 'pdff': choose from json, html"):
        view_names(["html", "pdff"])


def test_frameworks_are_chosen_by_name() -> None:
    assert view_settings().frameworks == ()
    assert len(view_settings(["all"]).frameworks) == 5
    assert [f.id for f in view_settings(["owasp-ml,mitre-atlas"]).frameworks] == [
        "owasp-ml",
        "mitre-atlas",
    ]
    with pytest.raises(UsageError, match="no framework 'soc2': choose from eu-ai-act"):
        view_settings(["soc2"])


def test_a_missing_weasyprint_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(UsageError, match=r"pip install 'xray-audit\[pdf\]'"):
        view_names(["pdf"])


def test_files_are_written_whole_or_not_at_all(report: dict[str, Any], tmp_path: Path) -> None:
    source, names = ReportSource(result_of(report)), [ViewName.SARIF, ViewName.JSON, ViewName.SARIF]
    paths = write_views(source, names, view_settings(), tmp_path)
    assert [path.name for path in paths] == ["report.sarif", "report.json"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.json", "report.sarif"]
    with pytest.raises(FileNotFoundError):
        write_views(source, names, view_settings(), tmp_path / "absent")


def test_an_audit_writes_the_json_itself(report: dict[str, Any]) -> None:
    made = render_all(
        ReportSource(result_of(report)), [ViewName.JSON, ViewName.HTML], view_settings()
    )
    assert list(made) == ["report.html"]
    assert len(set(FILES.values())) == len(ViewName)


@pytest.fixture
def pdf_source(make_report: MakeReport) -> ReportSource:
    pytest.importorskip("weasyprint", reason="the extra pdf is not installed")
    return ReportSource(result_of(make_report("no-evidence", planes=1, density=8)))


@pytest.mark.slow
def test_a_pdf_is_tagged_and_every_page_names_its_report(pdf_source: ReportSource) -> None:
    pypdf = pytest.importorskip("pypdf")
    data = render(ViewName.PDF, pdf_source, view_settings(["owasp-ml"]))
    pdf = pypdf.PdfReader(io.BytesIO(data))
    assert pdf.trailer["/Root"]["/MarkInfo"]["/Marked"]
    pages = [page.extract_text() for page in pdf.pages]
    assert all(pdf_source.digest[:16] in page for page in pages)
    text = " ".join(pages).replace("\n", " ")
    assert "No evidence of a backdoor" in text
    assert "ML10:2023" in text


@pytest.mark.slow
def test_a_pdf_is_the_same_in_every_process(pdf_source: ReportSource, tmp_path: Path) -> None:
    write_views(pdf_source, [ViewName.JSON, ViewName.PDF], view_settings(["owasp-ml"]), tmp_path)
    code = (
        "import json, sys; from pathlib import Path\n"
        "from auditor.report.json_report import result_of\n"
        "from auditor.report.source import ReportSource as S\n"
        "from auditor.report.views import render, view_settings, ViewName\n"
        "s = S(result_of(json.loads(Path(sys.argv[1]).read_text(encoding='utf-8'))))\n"
        "sys.stdout.buffer.write(render(ViewName.PDF, s, view_settings(['owasp-ml'])))"
    )
    again = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "report.json")], check=True, capture_output=True
    )
    assert again.stdout == (tmp_path / FILES[ViewName.PDF]).read_bytes()
