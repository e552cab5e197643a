from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.errors import TargetError
from adapters.target import read_description, read_target
from adapters.target.schema import SCHEMA_FILE, schema
from tests.adapters.target._descriptions import BAD, FULL, LEAST

NO_TEXTS = {"integer": "5", "number": "5.5", "boolean": "true"}
"""Kind of value in the schema -> a text that says one."""


@pytest.fixture(scope="module")
def jsonschema() -> Any:
    """Not imported above: it takes two seconds, and every worker reads this file."""
    return importlib.import_module("jsonschema")


@functools.cache
def generated() -> dict[str, Any]:
    """The schema as the classes say it: not made above, since every worker reads this file."""
    return schema()


def fields() -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every field of a description with the names that lead to it."""
    for name, field in generated()["properties"].items():
        refs = [part.get("$ref") for part in (field, *field.get("anyOf", ()))]
        tables = [generated()["$defs"][ref.rpartition("/")[2]] for ref in refs if ref]
        # The text of a table stands for that of a field that would say the same.
        yield (name,), {**(tables[0] if tables else {}), **field}
        for table in tables:
            yield from (((name, own), part) for own, part in table["properties"].items())


def test_the_shipped_schema_is_the_classes_own(jsonschema: Any) -> None:
    shipped = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    assert shipped == generated(), "run python -m adapters.target.schema"
    jsonschema.Draft202012Validator.check_schema(shipped)


def test_every_field_of_the_schema_says_what_it_is() -> None:
    found = dict(fields())
    assert len(found) > 60
    assert [name for name, field in found.items() if not field.get("description")] == []


def test_a_text_is_never_taken_for_a_number_or_a_truth_value() -> None:
    tried = 0
    for name, field in fields():
        kinds = {part.get("type") for part in (field, *field.get("anyOf", ()))}
        if "string" in kinds:  # a span of time is written either way
            continue
        for kind in kinds & set(NO_TEXTS):
            value: Any = NO_TEXTS[kind]
            for step in reversed(name):
                value = {step: value}
            tried += 1
            with pytest.raises(TargetError, match=f"{'.'.join(name)} is '"):
                read_target({**LEAST, **value})
    assert tried > 15


def test_the_schema_takes_what_the_reader_takes(jsonschema: Any, tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(FULL)
    for table in (LEAST, {"preset": "google-vision"}, read_description(tmp_path / "t.toml")):
        jsonschema.validate(table, generated())


@pytest.mark.parametrize("changes", [changes for changes, _ in BAD])
def test_the_schema_refuses_what_the_reader_refuses(
    jsonschema: Any, changes: dict[str, Any]
) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**LEAST, **changes}, generated())
