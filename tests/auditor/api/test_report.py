"""A report as tables and figures, read back from any bundle, and progress as events."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import auditor
from adapters.synthetic import nearest_prototype, synthetic_prototypes
from auditor import AuditReport, audit, audit_async, load
from auditor.api import frames
from auditor.errors import AuditError, UsageError
from auditor.evidence.packing import pack
from auditor.samples.samples import Samples

SHAPE = (1, 4, 4)
LABELS = nearest_prototype(synthetic_prototypes(1, 5, SHAPE))
QUICK: dict[str, Any] = {"planes": 4, "canaries": 5, "trigger_search": False, "name": "known"}
TABLES = {"samples": 0, "probes": 4, "search": 0, "costs": 8}


def label_of(images: NDArray[np.float32]) -> NDArray[np.int64]:
    return LABELS(images)


@pytest.fixture
def report(samples: Samples, tmp_path: Path) -> AuditReport:
    return audit(label_of, samples, output=tmp_path / "out", progress=False, **QUICK)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without either library of data frames."""
    monkeypatch.setitem(sys.modules, "polars", None)
    monkeypatch.setitem(sys.modules, "pandas", None)


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_a_dictionary_of_equal_columns(report: AuditReport, table: Any) -> None:
    columns = report.to_frame(table)
    assert isinstance(columns, dict)
    lengths = {len(column) for column in columns.values()}
    assert len(lengths) <= 1
    assert max(lengths, default=0) >= TABLES[table]


@pytest.mark.usefixtures("bare")
def test_tables_hold_the_numbers_of_the_report(report: AuditReport) -> None:
    costs = report.to_frame("costs")
    by_name = dict(zip(costs["of"], costs["queries"], strict=True))
    assert by_name["all: sent"] == report.data["queries"]["sent"]
    probes = report.to_frame()
    assert np.mean(probes["re"]) == pytest.approx(report.scores["re"])
    assert probes["plane"] == [0, 1, 2, 3]


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_an_installed_library_makes_the_frame(
    report: AuditReport, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    module = ModuleType(library)
    module.DataFrame = lambda columns: (library, sorted(columns))  # type: ignore[attr-defined]  # a stand-in
    monkeypatch.setitem(sys.modules, "polars", module if library == "polars" else None)
    monkeypatch.setitem(sys.modules, "pandas", module)
    assert report.to_frame("costs") == (library, ["of", "queries"])


def test_an_unknown_table_or_figure_is_named(report: AuditReport) -> None:
    with pytest.raises(UsageError, match="there is no table 'rows': choose from samples, probes"):
        report.to_frame("rows")  # type: ignore[arg-type]  # what is tested
    with pytest.raises(UsageError, match="there is no figure 'x': choose from planes, trigger"):
        report.figure("x")  # type: ignore[arg-type]  # what is tested


# ---- figures -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> AuditReport:
    """An audit that found a trigger."""
    return audit(
        str(assets / "backdoored.onnx"), str(assets / "fashion-mnist-samples.npz"),
        output=tmp_path_factory.mktemp("found"), value_range=(0, 1), progress=False,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["planes", "trigger", "power"])
def test_a_figure_is_drawn(found: AuditReport, tmp_path: Path, name: Any) -> None:
    pytest.importorskip("matplotlib")
    figure = found.figure(name)
    (axes,) = figure.axes
    assert axes.get_xlabel()
    assert axes.patches
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_drawn_is_said(report: AuditReport, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(UsageError, match="no finding to draw"):
        report.figure("trigger")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UsageError, match="pip install matplotlib"):
        report.figure("planes")


def test_the_search_is_a_table_too(found: AuditReport) -> None:
    rows = frames.table_rows(found.result, "search")
    assert (rows[0]["kind"], rows[0]["label"]) == ("patch", "dress")
    assert rows[0]["hits"] <= rows[0]["samples"]


def test_a_notebook_shows_the_trigger_and_stays_small(found: AuditReport) -> None:
    html = found._repr_html_()
    assert html.count("data:image/png;base64,") == 2
    for said in ("Backdoor suspected", "as it is", "with the trigger", "How sure", "Next"):
        assert said in html
    assert len(html) < 40_000
    assert load(found.output)._repr_html_() == html


# ---- bundles read back ---------------------------------------------------------------------------


def test_a_bundle_is_read_back_into_the_same_object(report: AuditReport, tmp_path: Path) -> None:
    again = load(report.output)
    assert (again.verdict, again.reason, again.exit_code) == (
        report.verdict, report.reason, report.exit_code,
    )  # fmt: skip
    assert again.data == report.data
    assert again.page == report.page
    assert again.scores == report.scores
    pack(report.output, tmp_path / "b.zip", hand_over=False)
    packed = auditor.load(str(tmp_path / "b.zip"))
    assert packed.data == report.data
    assert packed.page == report.page
    alone = load(report.output / "report.json")
    assert alone.data == report.data
    assert alone.page.startswith("<!DOCTYPE html>")
    assert "Backdoor audit" in alone._repr_html_()


def test_what_is_no_bundle_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="missing"):
        load(tmp_path / "missing")
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(AuditError):
        load(tmp_path / "report.json")


# ---- progress ------------------------------------------------------------------------------------


def test_a_function_gets_every_event(samples: Samples, tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []
    audit(label_of, samples, output=tmp_path / "o", progress=events.append, **QUICK)
    assert {"phase", "end"} <= {one["event"] for one in events}
    json.dumps(events)
    assert events[-1]["labels"] == events[-1]["at_most"]


def test_the_same_without_blocking(samples: Samples, tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []
    pending = audit_async(label_of, samples, output=tmp_path / "o", progress=events.append, **QUICK)
    assert asyncio.run(pending).verdict == "inconclusive"
    assert events
