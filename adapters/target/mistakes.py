"""A mistake in a target description as one sentence: the field, its value and what it must be."""

from __future__ import annotations

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.target.kinds import Exact, SpanOfTime

_QUOTED = re.compile(r"'([^']*)'")
_MUST_BE = {
    "bool_type": "true or false",
    "dataclass_type": "a table",
    "dict_type": "a table",
    "float_type": "a number",
    "int_type": "a whole number",
    "string_type": "a text",
    "tuple_type": "a list",
}
"""Pydantic's name of an error -> what the value must be."""


def sentence(cls: type[Any], errors: Sequence[Mapping[str, Any]]) -> str:
    """The first of pydantic's ``errors`` on reading the dataclass ``cls``, in words."""
    error = errors[0]
    steps = tuple(step for step in error["loc"] if isinstance(step, str))
    if error["type"] == "unexpected_keyword_argument":
        return _unknown(cls, steps)
    found = f"{'.'.join(steps)} is {error['input']!r}"
    if error["type"] == "finite_number":
        return f"{found}, which is not finite: name a number"
    return f"{found}, it must {_remedy(cls, steps, errors)}"


def _remedy(cls: type[Any], steps: tuple[str, ...], errors: Sequence[Mapping[str, Any]]) -> str:
    """The end of the sentence "... it must ..."."""
    kind, context = errors[0]["type"], errors[0].get("ctx", {})
    if kind == "literal_error":
        known = _QUOTED.findall(context["expected"])
        close = difflib.get_close_matches(str(errors[0]["input"]), known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return f"be one of {', '.join(known)}{hint}"
    if kind == "too_long":
        return f"hold {context['max_length']} values"
    if kind == "missing":  # of a list: its last place is named last
        places = [
            error["loc"][-1] for error in errors if error["loc"][:-1] == errors[0]["loc"][:-1]
        ]
        return f"hold {places[-1] + 1} values"
    if kind == "float_type" and any(isinstance(part, SpanOfTime) for part in _parts(cls, steps)):
        return "be a number of seconds or a span of time such as 5m"
    if kind in _MUST_BE:
        return f"be {_MUST_BE[kind]}"
    return f"be {_bounds(_kind_at(cls, steps))}"


def _unknown(cls: type[Any], steps: tuple[str, ...]) -> str:
    *table, name = steps
    known = sorted(field.name for field in dataclasses.fields(_kind_at(cls, tuple(table))))
    where = f"[{'.'.join(table)}]" if table else "the target description"
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}? It" if close else "it"
    return f"{where} has no field {name!r}; {hint} has {', '.join(known)}"


def _kind_at(cls: type[Any], steps: tuple[str, ...]) -> Any:
    """The type of the field that ``steps`` lead to from ``cls``, without "or None"."""
    kind: Any = cls
    for step in steps:
        kind = typing.get_type_hints(kind, include_extras=True)[step]
        if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
            kind = next(part for part in typing.get_args(kind) if part is not type(None))
    return kind


def _parts(cls: type[Any], steps: tuple[str, ...]) -> tuple[Any, ...]:
    return typing.get_args(_kind_at(cls, steps))


def _bounds(kind: Any) -> Exact:
    """The bounds of a number, or of the numbers in a list."""
    if typing.get_origin(kind) is tuple:
        kind = typing.get_args(kind)[0]
    bounds: Exact = next(part for part in typing.get_args(kind) if isinstance(part, Exact))
    return bounds
