"""The product's measured numbers are those that the committed data give, by one writer."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from auditor.measured import decision as measured
from auditor.measured import decision_jpeg as measured_jpeg
from auditor.measured import per_source_null as source_null
from auditor.measured import queries as measured_queries
from auditor.measured import trigger_error_rates as error_rates
from auditor.measured import trigger_null as null
from auditor.measured import unusual_labels as apart
from auditor.measured.decision import RULE, WITH_REFERENCES
from auditor.probes.trigger_search.settings import TriggerSettings
from auditor.workflows.profiles import load_profile
from examples.benchmarks import measured_source
from examples.benchmarks.decision_rule.evidence import load_searches
from examples.benchmarks.held_out.tables import load_rows
from examples.benchmarks.per_source.run import DATA, null_of_pairs
from examples.benchmarks.profiles.run import make_profiles
from examples.benchmarks.queries.verdict import development_searches
from examples.benchmarks.stored import read
from examples.benchmarks.trigger_search.search import null_of

MODULES = (measured, measured_jpeg, apart, null, source_null, error_rates, measured_queries)


def _numbers(source: str) -> str:
    """The code of a generated module: everything but its docstring."""
    tree = ast.parse(source)
    return ast.unparse(ast.Module(tree.body[1:], []))


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copies of the generated modules, which the writer takes for the product's."""
    for module in MODULES:
        assert module.__file__ is not None
        path = tmp_path / Path(module.__file__).name
        path.write_text(Path(module.__file__).read_text(encoding="utf-8"), encoding="utf-8")
        monkeypatch.setattr(module, "__file__", str(path))
    return tmp_path


def _same(module: ModuleType, before: str) -> None:
    assert module.__file__ is not None
    after = Path(module.__file__).read_text(encoding="utf-8")
    assert _numbers(after) == _numbers(before)


def _text(module: ModuleType) -> str:
    assert module.__file__ is not None
    return Path(module.__file__).read_text(encoding="utf-8")


@pytest.mark.usefixtures("copies")
def test_the_error_rates_are_those_of_the_held_out_rows() -> None:
    rows = load_rows()
    before = _text(measured), _text(error_rates)
    audits = [measured_source.Audited.of_row(row) for row in rows]
    measured_source.write_rule(measured_source.BY_SCORING, RULE, WITH_REFERENCES.null, audits)
    measured_source.write_trigger_rates(rows)
    _same(measured, before[0])
    _same(error_rates, before[1])


@pytest.mark.usefixtures("copies")
def test_the_nulls_are_those_of_the_searches_of_clean_models() -> None:
    before = _text(null), _text(source_null)
    free = load_searches()[1]
    measured_source.write_null(null_of(free), free)
    measured_source.write_source_null(null_of_pairs(read(DATA)))
    _same(null, before[0])
    _same(source_null, before[1])


@pytest.mark.usefixtures("copies")
def test_the_queries_of_a_search_are_those_of_the_development_searches() -> None:
    before = _text(measured_queries)
    measured_source.write_queries(TriggerSettings().budget, development_searches())
    _same(measured_queries, before)


@pytest.mark.usefixtures("copies")
def test_another_row_gives_another_rate() -> None:
    before = _text(error_rates)
    measured_source.write_trigger_rates(load_rows()[:20])
    assert _numbers(_text(error_rates)) != _numbers(before)


def test_the_shipped_profiles_are_those_of_the_committed_scores() -> None:
    made = dict(make_profiles())
    assert len(made) == 6
    for name, profile in made.items():
        shipped = load_profile(*name.rsplit(".", 1))
        assert replace(profile, provenance=shipped.provenance) == shipped
