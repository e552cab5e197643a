"""A target description as TOML text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def target_text(table: Mapping[str, Any], notes: tuple[str, ...] = ()) -> str:
    """``table`` as TOML that :func:`adapters.target.parse.read_description` reads back unchanged,
    with ``notes`` as comments on top; its values are texts, numbers, truth values, lists and
    tables.
    """
    lines = [f"# {' '.join(note.split())}" for note in notes]
    plain = {name: value for name, value in table.items() if not isinstance(value, Mapping)}
    lines += [f"{_key(name)} = {_value(value)}" for name, value in plain.items()]
    for name, value in table.items():
        if isinstance(value, Mapping) and value:
            lines += ["", f"[{_key(name)}]"]
            lines += [f"{_key(inner)} = {_value(item)}" for inner, item in value.items()]
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, int | float) else _text(str(value))


def _text(text: str) -> str:
    """A basic string: JSON's escapes are TOML's, but for the delete character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
