"""The digest of the code that a bundle names."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor.evidence import records


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two small packages that stand for the installed ones."""
    for name in (
        "auditor/rule.py",
        "auditor/measured/null.json",
        "auditor/engine/schema.sql",
        "auditor/py.typed",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n", encoding="utf-8")
    (tmp_path / "adapters").mkdir()
    monkeypatch.setattr("importlib.resources.files", tmp_path.joinpath)
    return tmp_path / "auditor"


def code() -> str:
    found: str = records.tool.__wrapped__()["code"]
    return found


@pytest.mark.parametrize("name", ["rule.py", "measured/null.json", "engine/schema.sql"])
def test_other_code_or_data_that_results_follow_from_is_another_tool(
    package: Path, name: str
) -> None:
    before = code()
    (package / name).write_text("[]\n", encoding="utf-8")
    assert code() != before


@pytest.mark.parametrize("name", ["measured/more.json", "more.py"])
def test_a_new_file_of_them_is_another_tool(package: Path, name: str) -> None:
    before = code()
    (package / name).write_text("", encoding="utf-8")
    assert code() != before


def test_files_that_decide_nothing_leave_the_tool_as_it_is(package: Path) -> None:
    before = code()
    (package / "py.typed").write_text("changed", encoding="utf-8")
    assert code() == before
