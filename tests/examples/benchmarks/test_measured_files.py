"""The product's measured numbers are those that the committed data give, by one writer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from shutil import copy
from typing import Any

import pytest

from auditor.measured import FOLDER, NAMES
from auditor.probes.trigger_search.judge import logit
from auditor.workflows.profiles import load_profile
from examples.benchmarks import measured_files
from examples.benchmarks.by_source import run as classes
from examples.benchmarks.decision_rule.evidence import load_searches
from examples.benchmarks.held_out.tables import load_rows
from examples.benchmarks.per_source.run import DATA, null_of_pairs
from examples.benchmarks.profiles.run import make_profiles
from examples.benchmarks.small_pictures import audits, search, told
from examples.benchmarks.stored import ROOT, read
from examples.benchmarks.trigger_search.search import null_of


def held_out() -> None:
    rows = load_rows()
    scored = [measured_files.Audited.of_row(row) for row in rows]
    measured_files.write_rule_rates(measured_files.BY_SCORING, scored)


def trigger_null() -> None:
    free = load_searches()[1]
    measured_files.write_null(null_of(free), free)


def per_source() -> None:
    clean = [row for row in read(DATA) if row["attack"] == "clean"]
    measured_files.write_source_null(null_of_pairs(clean), clean)


def by_source() -> None:
    classes.write_measured(classes.grouped(read(classes.DATA)))


def small_pictures() -> None:
    audits.write_rates(read(audits.SEVENTH), read(audits.ROWS))


def small_null() -> None:
    search.write_null(read(search.ROWS))


def small_told_null() -> None:
    told.write_null(read(told.ROWS))


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copies of the product's files, which the writer takes for the product's."""
    for name in NAMES:
        copy(FOLDER / f"{name}.json", tmp_path)
    monkeypatch.setattr(measured_files, "FOLDER", tmp_path)
    return tmp_path


def document(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


WRITERS: list[tuple[Callable[[], None], tuple[str, ...]]] = [
    (held_out, ("decision_rates",)),
    (trigger_null, ("trigger_null",)),
    (per_source, ("per_source_null",)),
    (
        by_source,
        ("by_source_null", "by_source_rates", "photos_by_source_null", "photos_by_source_rates"),
    ),
    (
        small_pictures,
        (
            "small_label_rates",
            "trigger_error_rates",
            "trigger_error_rates_before",
            "search_queries",
        ),
    ),
    (small_null, ("small_label_null",)),
    (small_told_null, ("small_told_label_null",)),
]


@pytest.mark.parametrize(("write", "names"), WRITERS)
def test_the_files_are_those_that_the_committed_data_give(
    copies: Path, write: Callable[[], None], names: tuple[str, ...]
) -> None:
    for name in names:
        (copies / f"{name}.json").unlink()
    write()
    for name in names:
        written, shipped = document(copies, name), document(FOLDER, name)
        assert written["values"] == shipped["values"]
        shipped["provenance"]["date"] = written["provenance"]["date"]
        assert written == shipped


def test_numbers_that_did_not_change_keep_their_file(copies: Path) -> None:
    held_out()
    for name in ("decision_rates",):
        assert (copies / f"{name}.json").read_bytes() == (FOLDER / f"{name}.json").read_bytes()


def test_another_row_gives_another_rate(copies: Path) -> None:
    measured_files.write_trigger_clearing(load_rows()[:20])
    written, shipped = (document(place, "trigger_clearing") for place in (copies, FOLDER))
    assert written["values"] != shipped["values"]
    assert written["provenance"]["models"] < shipped["provenance"]["models"]


@pytest.mark.parametrize("name", NAMES)
def test_every_file_names_committed_data_and_a_benchmark_that_exists(name: str) -> None:
    made = document(FOLDER, name)["provenance"]
    assert all((ROOT / path).is_file() for path in made["data"])
    benchmark = made["command"].split()[3]
    assert (ROOT / "examples" / "benchmarks" / benchmark / "run.py").is_file()


def test_the_shipped_profiles_are_those_of_the_committed_scores() -> None:
    made = dict(make_profiles())
    assert len(made) == 6
    for name, profile in made.items():
        shipped = load_profile(*name.rsplit(".", 1))
        # The last digits of an interval depend on the library that computes it.
        for side, rate in profile.error_rates.items():
            held = shipped.error_rates[side]
            assert (rate is None) == (held is None)
            if rate is not None and held is not None:
                assert asdict(rate) == pytest.approx(asdict(held), abs=1e-9)
        assert replace(profile, provenance=shipped.provenance, error_rates=shipped.error_rates) == (
            shipped
        )


def test_a_null_summarises_runs_by_their_lower_ends() -> None:
    cell = measured_files.null_cell([0.2, 0.2, 0.5], 3, 0.6)
    assert cell.mean == pytest.approx((2 * logit(0.2) + logit(0.5)) / 3)
    assert (cell.models, cell.highest) == (3, 0.6)
