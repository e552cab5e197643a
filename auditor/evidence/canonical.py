"""JSON that has one spelling on the way out and is distrusted on the way in."""

from __future__ import annotations

import hashlib
from typing import Any

from adapters import strict_json
from auditor.errors import EvidenceError


def sha256(data: bytes) -> str:
    """Hex SHA-256."""
    return hashlib.sha256(data).hexdigest()


_COSTS = {b",": 0.35e-6, b":": 2e-6, b"[": 1.2e-6, b"{": 1.2e-6, b'"': 0.1e-6}
"""Seconds of reading that each of these characters leads to, about."""
MOST_SECONDS = 1.5
"""Longest reading of one object: hundreds of thousands of samples, or millions of labels."""


def refuse_unbearable(data: bytes, name: str, most: float = MOST_SECONDS) -> None:
    """Refuse JSON that takes more than about ``most`` seconds to read, before it is read.

    Raises:
        EvidenceError: it does.
    """
    if sum(data.count(character) * cost for character, cost in _COSTS.items()) > most:
        raise EvidenceError(f"{name} holds more values than any that is written")


def parse_object(data: bytes, name: str, most: float = MOST_SECONDS) -> dict[str, Any]:
    """Read a JSON object from an author who may be hostile; its size was limited before.

    Args:
        data: UTF-8 text.
        name: of its file, for the message.
        most: seconds that reading it may take, see :func:`refuse_unbearable`.

    Raises:
        EvidenceError: no JSON object, nested too deep, a number out of range, a key given twice,
            or too much of all.
    """
    refuse_unbearable(data, name, most)
    try:
        value = strict_json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise EvidenceError(f"{name} is not sound JSON: {str(error)[:200]}") from None
    except strict_json.StrictJsonError as error:
        raise EvidenceError(f"{name} is not sound JSON: it {error}") from None
    if not isinstance(value, dict):
        raise EvidenceError(f"{name} does not hold a JSON object")
    return value
