"""Reading the files of measured numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from auditor.errors import AuditError

T = TypeVar("T")


def read_numbers(folder: Path, name: str, kind: type[T], part: str = "values") -> T:
    """One part of a file of measured numbers.

    Args:
        folder: folder of the file.
        name: its name without the suffix.
        kind: type of the part.
        part: ``values`` or ``provenance``.

    Raises:
        AuditError: the file is missing or damaged.
    """
    # Imported here: neither ``--help`` nor an import of the package reads a file.
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415

    path = folder / f"{name}.json"
    document = _document(path)
    try:
        # JSON text again: a strict reader takes a list for a tuple in JSON only.
        return TypeAdapter(kind).validate_json(json.dumps(document[part]))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, (part, *first["loc"])))
        raise _damaged(path, f"{place}: {first['msg']}") from None


def _document(path: Path) -> dict[str, Any]:
    """The file's two parts."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _damaged(path, error.strerror or "cannot be read") from None
    except (ValueError, RecursionError):
        raise _damaged(path, "not JSON") from None
    if not isinstance(document, dict) or document.keys() != {"provenance", "values"}:
        raise _damaged(path, "not the two parts provenance and values")
    return document


def _damaged(path: Path, fault: str) -> AuditError:
    return AuditError(
        f"the measured numbers in {path} cannot be used ({fault}); install xray-audit again"
    )
