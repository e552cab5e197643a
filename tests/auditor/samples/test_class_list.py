"""Lists of class names as people keep them."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest

from adapters.contract import distinct_names
from auditor.errors import SamplesError
from auditor.samples.class_list import read_class_names

NAMES = ("tench, Tinca tinca", "crane", "café", "crane")


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(NAMES),
        "\ufeff" + "\r\n".join(NAMES) + "\r\n\r\n",
        "\n".join(f"{i}: {name}" for i, name in enumerate(NAMES)),
        "\n".join(f"{i},{name}" for i, name in enumerate(NAMES)),
        json.dumps(NAMES),
        json.dumps({str(i): name for i, name in enumerate(NAMES)}),
        unicodedata.normalize("NFD", "\n".join(NAMES)),
    ],
)
def test_every_form_of_a_list(tmp_path: Path, text: str) -> None:
    (tmp_path / "classes.txt").write_text(text, encoding="utf-8", newline="")
    assert read_class_names(tmp_path / "classes.txt") == NAMES


def test_the_index_of_imagenet(tmp_path: Path) -> None:
    table = {"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}
    (tmp_path / "index.json").write_text(json.dumps(table))
    assert read_class_names(tmp_path / "index.json") == ("n01440764 tench", "n01443537 goldfish")


def test_numbers_that_are_names_stay(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("1 euro\n2 euro\n5 euro\n")
    assert read_class_names(tmp_path / "classes.txt") == ("1 euro", "2 euro", "5 euro")


@pytest.mark.parametrize(
    "text", ['{"a": "b"}', "[1, 2]", "[]", '{"1": "a", "2": "b"}', "[[]]", "{"]
)
def test_json_of_another_form(tmp_path: Path, text: str) -> None:
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(SamplesError, match=r"JSON of another form: expected|begins like JSON"):
        read_class_names(tmp_path / "index.json")


def test_doubles_get_their_index() -> None:
    assert distinct_names(NAMES) == ["tench, Tinca tinca", "crane (1)", "café", "crane (3)"]
