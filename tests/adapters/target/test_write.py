from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from adapters.target import preset_names, preset_table, read_description, read_target, target_text
from tests.adapters.target._descriptions import FULL, LEAST

ODD: dict[str, Any] = {
    "name": 'quotes " and \\ and \n lines, \x7f, \u202e, é',
    "url": "http://host.invalid/x",
    "headers": {"X-With.Dot": "a", "": "empty", "é": "1"},
    "input": {"range": [-1.5, 1e-7], "shape": [3, 2, 1]},
    "response": {"rename": {"LABEL 0": "cat"}, "classes": []},
    "retry": {"respect_retry_after": False},
}


def read_back(table: dict[str, Any], folder: Path) -> dict[str, Any]:
    path = folder / "target.toml"
    path.write_text(target_text(table, ("two\nlines",)), encoding="utf-8")
    return read_description(path)


@pytest.mark.parametrize("table", [LEAST, ODD, tomllib.loads(FULL)["target"]])
def test_what_is_written_reads_back_equal(table: dict[str, Any], tmp_path: Path) -> None:
    again = read_back(table, tmp_path)
    assert again == table
    assert read_target(again) == read_target(table)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_reads_back_equal(name: str, tmp_path: Path) -> None:
    table = {**LEAST, **preset_table([name])}
    assert read_back(table, tmp_path) == table
