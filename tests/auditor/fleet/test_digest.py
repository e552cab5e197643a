"""Changed entries are seen by their digest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from auditor.cli.fleet import fleet_options
from auditor.fleet.digest import Digests
from auditor.fleet.file import read_fleet

TEXT = 'samples = "s/"\n[[audit]]\nmodel = "m.onnx"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "1.png").write_bytes(b"one")
    (tmp_path / "m.onnx").write_bytes(b"model")
    return tmp_path


def digest(folder: Path, more: str = "", known: Digests | None = None) -> str:
    (folder / "fleet.toml").write_text(f"[defaults]\n{more}{TEXT}", encoding="utf-8")
    (entry,) = read_fleet(folder / "fleet.toml", fleet_options()).entries
    return (known or Digests()).of(entry)


def test_an_equal_entry_has_an_equal_digest(folder: Path) -> None:
    before = digest(folder)
    os.utime(folder / "m.onnx", (1, 1))
    assert digest(folder) == before
    assert digest(folder, "threads = 3\nrate = 5.0\n") == before


@pytest.mark.parametrize("name", ["m.onnx", "s/1.png", "s/2.png"])
def test_another_model_or_sample_is_another_audit(folder: Path, name: str) -> None:
    before = digest(folder)
    (folder / name).write_bytes(b"other")
    assert digest(folder) != before


def test_another_setting_is_another_audit(folder: Path) -> None:
    assert digest(folder, "planes = 3\n") != digest(folder)


def test_a_file_that_was_not_touched_is_not_read_again(folder: Path) -> None:
    known = Digests()
    before = digest(folder, known=known)
    held = {path: [*state[:2], "0" * 64] for path, state in known.files.items()}
    assert digest(folder, known=Digests(held)) != before
