"""One way from a table to a target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.errors import TargetError
from adapters.target.read import read_description, read_target, refuse_described_secrets

URL = "http://host.invalid/predict"


def test_a_url_stays_what_was_stated() -> None:
    target = read_target({"url": URL, "input": {"range": [0, 1]}}, source="t.toml")
    assert (target.kind, target.location, target.source) == ("http", URL, "t.toml")
    assert target.value_range == (0.0, 1.0)
    assert not target.trust_model_file


def test_only_the_caller_vouches() -> None:
    assert read_target({"model": "m.onnx"}, vouched=True).trust_model_file
    with pytest.raises(TargetError, match="trust_model_file"):
        read_target({"model": "m.onnx", "trust_model_file": True})


@pytest.mark.parametrize(
    ("place", "stated", "access"),
    [
        ("inputs.npz", {}, "float"),
        ("folder", {}, "image"),
        ("folder", {"access": "float"}, "float"),
    ],
)
def test_a_target_by_files_takes_its_access_from_the_place(
    place: str, stated: dict[str, Any], access: str
) -> None:
    given = {"shape": [1, 4, 5], "range": [0, 255]}
    table = {"input_file": place, "labels_file": "l.csv", "input": given, **stated}
    target = read_target({**table, "response": {"classes": ["a", "b"]}})
    assert (target.kind, target.location, target.access) == ("files", place, access)
    assert (target.shape, target.value_range) == ((1, 4, 5), (0.0, 255.0))
    assert (target.labels_file, target.classes) == ("l.csv", ("a", "b"))


def test_a_description_cannot_ask_by_files(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text('input_file = "/anywhere"\n')
    with pytest.raises(TargetError, match="has no field 'input_file'"):
        read_target(read_description(path), source=str(path))


def test_a_mistake_names_the_file_it_stands_in() -> None:
    with pytest.raises(TargetError, match=r"^t\.toml: .*acces.*did you mean 'access'"):
        read_target({"url": URL, "acces": "image"}, source="t.toml")
    with pytest.raises(TargetError, match=r"^[^:]*acces"):
        read_target({"url": URL, "acces": "image"})


def test_a_secret_in_a_description_is_refused_and_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text(f'url = "{URL}"\nheaders.Authorization = "Bearer hunter2"\n')
    with pytest.raises(TargetError, match="looks like a secret") as caught:
        read_description(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(TargetError, match=r"^settings: url holds"):
        refuse_described_secrets({"url": f"{URL}?token=hunter2"}, "settings")
