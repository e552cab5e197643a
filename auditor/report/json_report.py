"""``report.json``: the source of every other view."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from adapters import strict_json
from auditor.errors import AuditError
from auditor.report.files import write_atomic
from auditor.report.result.result import Result
from auditor.report.wording.text import safe_text

SCHEMA_VERSION = "1.0"
"""Version of the report's shape. A reader accepts every minor version of the same major."""

SCHEMA_FILE = "report.schema.json"
MAX_BYTES = 512 * 1024 * 1024
"""Larger files are refused unread: they are no report of ours."""

_NOT_ASCII = re.compile(r"[\x7f-\U0010ffff]")


def write_json(content: Mapping[str, Any], path: Path) -> None:
    """Write the content of a report to ``path``, whole or not at all.

    Keys keep the order given and floats are written as their shortest exact form, so one
    report always gives the same bytes and reading it back loses nothing.

    Raises:
        OSError: the file cannot be written.
        ValueError: the report holds NaN or an infinity.
    """
    write_atomic(path, report_parts(content))


def report_bytes(content: Mapping[str, Any]) -> bytes:
    """The bytes that :func:`write_json` writes.

    Raises:
        ValueError: the report holds NaN or an infinity.
    """
    return b"".join(report_parts(content))


def plain(content: Mapping[str, Any]) -> dict[str, Any]:
    """``content`` in the types of JSON alone: an audit's own labels are arrays until then."""
    return dict(json.loads(report_bytes(content)))


def report_parts(content: Mapping[str, Any]) -> Iterator[bytes]:
    """The same in parts, so that a million labels are never held as text."""
    for part in _layout(content, ""):
        yield part.encode("utf-8")
    yield b"\n"


def read_result(path: Path) -> Result:
    """Read a report that :func:`write_json` wrote.

    Raises:
        AuditError: missing, unreadable, not a report, or of another major schema version.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise AuditError(f"{path} is larger than {MAX_BYTES} bytes, it is no audit report")
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise AuditError(f"there is no report at {path}") from error
    except OSError as error:
        raise AuditError(f"the report {path} cannot be read: {error}") from error
    return parse_result(data, str(path))


def parse_result(data: bytes, name: str) -> Result:
    """The result in ``data``; ``name`` says where it comes from.

    Raises:
        AuditError: damaged, not a report, or of another major schema version.
    """
    try:
        content = strict_json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise AuditError(f"the report {name} cannot be read: it is not UTF-8 text") from error
    except strict_json.StrictJsonError as error:
        raise AuditError(f"the report {name} is damaged: it {error}") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if not isinstance(version, str):
        raise AuditError(f"{name} is not an audit report: it states no schema_version")
    if version.partition(".")[0] != SCHEMA_VERSION.partition(".")[0]:
        raise AuditError(
            f"{name} has schema version {version[:20]!r}, this program reads {SCHEMA_VERSION}: "
            "use the version of xray-audit that wrote it"
        )
    return result_of(content, name)


def result_of(content: Mapping[str, Any], name: str = "the report") -> Result:
    """The result that parsed ``content`` holds; keys that a later minor version added are kept.

    Raises:
        AuditError: a name or a type is not as the schema describes.
    """
    try:
        return Result.of(content, later=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = safe_text(".".join(str(step) for step in first["loc"]), 100)
        why = first["msg"].removeprefix("Value error, ")
        raise AuditError(
            f"{name} is not a report as this version reads it: {place} is not as "
            f"{SCHEMA_FILE} describes ({safe_text(why[:1].lower() + why[1:], 120)})"
        ) from None


def load_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of ``report.json``."""
    schema: dict[str, Any] = json.loads((resources.files(__package__) / SCHEMA_FILE).read_bytes())
    return schema


def _layout(value: Any, indent: str) -> Iterator[str]:
    """Parts of JSON with one line per key and per row of numbers: a label map stays readable and a
    diff short, where plain indentation would spend a line on every grid node.
    """
    inner = indent + "  "
    value = value.tolist() if isinstance(value, np.ndarray) else value
    if isinstance(value, Mapping) and value:
        if odd := [key for key in value if not isinstance(key, str)]:
            raise TypeError(f"report key {odd[0]!r} is not a string")
        yield "{"
        for number, (key, one) in enumerate(value.items()):
            yield f"{',' if number else ''}\n{inner}{_scalar(key)}: "
            yield from _layout(one, inner)
        yield f"\n{indent}}}"
    elif isinstance(value, list | tuple) and any(isinstance(v, dict | list | tuple) for v in value):
        yield "["
        for number, one in enumerate(value):
            yield f"{',' if number else ''}\n{inner}"
            yield from _layout(one, inner)
        yield f"\n{indent}]"
    else:
        yield _scalar(value)


def _scalar(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text if text.isascii() and "\x7f" not in text else _NOT_ASCII.sub(_spell, text)


def _spell(match: re.Match[str]) -> str:
    """Escape what a terminal would obey or a reader could not see; keep letters as they are."""
    character = match.group()
    if unicodedata.category(character)[0] not in "CZ":
        return character
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
