"""One clear sentence in the place of pydantic's list of errors."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from pydantic import ValidationError

from auditor.errors import did_you_mean

_KINDS = {
    "missing": "is missing",
    "string_type": "must be a text",
    "string_too_short": "is empty",
    "string_too_long": "is longer than {max_length} characters",
    "tuple_type": "must be a list",
    "model_type": "must be a table",
    "date_type": "must be a day, such as 2027-01-31, without quotes",
}
"""Kind of error -> the end of the sentence that starts with the field's name."""


def first_mistake(error: ValidationError, item: str, known: Collection[str] = ()) -> str:
    """The first mistake, its place and the remedy.

    ``item`` is the name of a list's entry; ``known`` are the fields, to suggest one.
    """
    first = error.errors(include_url=False, include_input=False)[0]
    place = _place(first["loc"], item)
    cause = first.get("ctx", {}).get("error")
    if cause is not None:  # a sentence of our own
        return f"{place}{': ' if place else ''}{cause}"
    name, kind = _last_name(first["loc"]), first["type"]
    if kind == "extra_forbidden":
        return f"{place or 'it'} has no field {name!r}{did_you_mean(name, known)}"
    usual = first["msg"][:1].lower() + first["msg"][1:]
    text = _KINDS[kind].format(**first.get("ctx", {})) if kind in _KINDS else usual
    return f"{place}{': ' if place and name else ''}{name} {text}".strip()


def _place(steps: Sequence[Any], item: str) -> str:
    number = next((step + 1 for step in steps if isinstance(step, int)), None)
    return "" if number is None else f"{item} {number}"


def _last_name(steps: Sequence[Any]) -> str:
    return next((step for step in reversed(steps) if isinstance(step, str)), "")
