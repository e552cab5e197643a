"""Target descriptions from TOML tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.errors import TargetError
from adapters.target import Target
from adapters.target_file import read_target_file, target_from_table

LEAST: dict[str, Any] = {"kind": "http", "location": "http://host.invalid/x"}


def test_a_minimal_table_is_a_target_with_every_default() -> None:
    assert target_from_table(LEAST, {}) == Target("http", "http://host.invalid/x")


def test_a_full_file(tmp_path: Path) -> None:
    path = tmp_path / "target.toml"
    path.write_text(
        """
        [target]
        kind = "http"
        location = "http://host.invalid/x"
        value_range = [0, 255]
        shape = [3, 32, 32]
        classes = ["cat", "dog"]
        [target.http]
        headers = {X-Tenant = "me", X-Number = 5}
        throttle_statuses = [429, 529]
        [target.http.request]
        body = "raw"
        value = "base64"
        [target.http.reply]
        path = "outputs.0"
        """
    )
    target = target_from_table(read_target_file(path), {})
    assert (target.value_range, target.shape) == ((0.0, 255.0), (3, 32, 32))
    assert target.classes == ("cat", "dog")
    assert target.http.headers == {"X-Tenant": "me", "X-Number": "5"}
    assert target.http.throttle_statuses == (429, 529)
    assert (target.http.request.body, target.http.reply.path) == ("raw", "outputs.0")


def test_overrides_win_field_by_field() -> None:
    table = {**LEAST, "batch": 3, "http": {"timeout_s": 9.0, "reply": {"path": "a"}}}
    target = target_from_table(table, {"access": "image", "http": {"timeout_s": 2.0}})
    assert (target.access, target.batch) == ("image", 3)
    assert (target.http.timeout_s, target.http.reply.path) == (2.0, "a")


def test_the_given_tables_stay_as_they_are() -> None:
    table: dict[str, Any] = {**LEAST, "http": {"reply": {"path": "a"}}}
    target_from_table(table, {"http": {"protocol": "v2"}})
    assert table == {**LEAST, "http": {"reply": {"path": "a"}}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": 5}, "target.kind is 5, it must be of type str"),
        ({"acces": "float"}, "target has no field 'acces'; it has access, batch"),
        ({"access": "both"}, "target.access is 'both', it must be one of float, image"),
        ({"access": ["float"]}, "target.access is"),
        ({"value_range": 5}, "target.value_range is 5, it must be a list"),
        ({"value_range": [0.0]}, "target.value_range is .*, it must hold 2 values"),
        ({"value_range": [0, 1, 2]}, "it must hold 2 values"),
        ({"value_range": ["a", "b"]}, "target.value_range is 'a', it must be of type float"),
        ({"shape": [3, 32]}, "target.shape is .*, it must hold 3 values"),
        ({"shape": [3, 32, 1.5]}, "target.shape is 1.5, it must be of type int"),
        ({"batch": True}, "target.batch is True, it must be of type int"),
        ({"batch": 0}, "batch is 0, it must be at least 1"),
        ({"threads": -2}, "threads is -2, it must be at least 1"),
        ({"trust_model_file": 1}, "it must be of type bool"),
        ({"http": 5}, "http is 5, it must be a table"),
        ({"http": {"timeout": 5}}, "http has no field 'timeout'"),
        ({"http": {"timeout_s": 0}}, "the timeout is 0.0 s, it must be above 0"),
        ({"http": {"max_reply_bytes": 0}}, "http.max_reply_bytes is 0"),
        ({"http": {"headers": ["a"]}}, "http.headers is .*, it must be a table"),
        ({"http": {"request": "raw"}}, "http.request is 'raw', it must be a table"),
        ({"http": {"request": {"body": "xml"}}}, "http.request.body is 'xml', it must be one of"),
        ({"http": {"reply": {"kind": []}}}, "http.reply.kind is"),
    ],
)
def test_a_bad_field_is_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(TargetError, match=words):
        target_from_table({**LEAST, **changes}, {})


@pytest.mark.parametrize("field", ["kind", "location"])
def test_a_missing_field_is_named(field: str) -> None:
    table = {name: value for name, value in LEAST.items() if name != field}
    with pytest.raises(TargetError, match=f"lacks '{field}'"):
        target_from_table(table, {})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"kind = ", "is not TOML"),
        (b"\xff", "is not TOML"),
        (b"target = 5", r"\[target\] is not a table"),
        (b"[target]\nkind = 'http'\n[http]\ntimeout_s = 1\n", r"'http' stands outside \[target\]"),
    ],
)
def test_a_bad_file(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "t.toml").write_bytes(content)
    with pytest.raises(TargetError, match=words):
        read_target_file(tmp_path / "t.toml")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="cannot be read: No such file"):
        read_target_file(tmp_path / "gone.toml")
    with pytest.raises(TargetError, match="cannot be read: Is a directory"):
        read_target_file(tmp_path)
