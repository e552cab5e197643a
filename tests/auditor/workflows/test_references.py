"""Lists of reference models: read as documented, refused in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from auditor.errors import UsageError
from auditor.workflows.references import read_references


def written(folder: Path, data: Any) -> Path:
    path = folder / "references.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def test_a_list_names_files_beside_it_and_endpoints(tmp_path: Path) -> None:
    url = "http://host.invalid/m"
    entries = [{"name": "a", "model": "a.onnx"}, {"name": "b", "endpoint": url, "attack": "wanet"}]
    one, two = read_references(written(tmp_path, {"references": entries}))
    assert (one.name, one.file(tmp_path), one.url, one.attack) == (
        "a",
        tmp_path / "a.onnx",
        None,
        "",
    )
    assert (two.name, two.file(tmp_path), two.url, two.attack) == ("b", None, url, "wanet")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("{", "cannot be read: "),
        ("version https://git-lfs.github.com/spec/v1", "cannot be read: it is a Git LFS pointer"),
        ("[" * 100_000, "cannot be read: "),
        ([], "must be a table"),
        ({}, "references is missing"),
        ({"references": 7}, "references must be a list"),
        ({"references": ["a.onnx"]}, "entry 1: references must be a table"),
        ({"references": [{"model": "a.onnx"}]}, "entry 1: name is missing"),
        ({"references": [{"name": 7, "model": "a.onnx"}]}, "entry 1: name must be a text"),
        ({"references": [{"name": "a/b", "model": "x"}]}, "entry 1: 'a/b' is no usable name"),
        ({"references": [{"name": "a"}]}, "entry 1: a needs either model or endpoint"),
        (
            {
                "references": [
                    {"name": "a", "model": "x"},
                    {"name": "b", "model": "x", "endpoint": "y"},
                ]
            },
            "entry 2: b needs either model or endpoint",
        ),
        (
            {"references": [{"name": "a", "model": "x", "atack": "badnets"}]},
            "entry 1 has no field 'atack'; did you mean 'attack'?",
        ),
        ({"references": [{"name": "a", "model": "x"}] * 2}, "two entries have the name 'a'"),
        ({"references": [], "more": 1}, "it has no field 'more'"),
    ],
)
def test_a_list_that_cannot_be_used_is_one_sentence(tmp_path: Path, data: Any, words: str) -> None:
    path = written(tmp_path, data)
    with pytest.raises(UsageError) as caught:
        read_references(path)
    assert str(caught.value).startswith(f"reference list {path}")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "pydantic" not in str(caught.value)
