"""JSON that has one spelling on the way out and is distrusted on the way in."""

from __future__ import annotations

import hashlib
from typing import Any

from adapters import strict_json
from auditor.errors import EvidenceError


def sha256(data: bytes) -> str:
    """Hex SHA-256."""
    return hashlib.sha256(data).hexdigest()


def parse_object(data: bytes, name: str) -> dict[str, Any]:
    """Read a JSON object from an author who may be hostile; its size was limited before.

    Args:
        data: UTF-8 text.
        name: of its file, for the message.

    Raises:
        EvidenceError: no JSON object, nested too deep, a number out of range, or a key given twice.
    """
    try:
        value = strict_json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise EvidenceError(f"{name} is not sound JSON: {str(error)[:200]}") from None
    except strict_json.StrictJsonError as error:
        raise EvidenceError(f"{name} is not sound JSON: it {error}") from None
    if not isinstance(value, dict):
        raise EvidenceError(f"{name} does not hold a JSON object")
    return value
