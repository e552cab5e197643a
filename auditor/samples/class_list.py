"""A model's class names in index order, from the lists that people keep."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path
from typing import Any

from adapters.contract import distinct_names
from adapters.file_kind import why_unreadable
from auditor.errors import SamplesError

_NUMBERED = re.compile(r"(\d{1,6})\s*[:,;\t ]\s*(\S.*)")


def read_class_names(path: Path) -> tuple[str, ...]:
    """Class names in index order from a text file, one per line, or from JSON: a list, or a table
    of index to name (or to ``[WordNet id, name]``). A name may stand there twice.

    Raises:
        SamplesError: unreadable, empty, or a blank line between names.
    """
    try:
        text = path.read_text(encoding="utf-8-sig").rstrip()
    except (OSError, UnicodeDecodeError) as error:
        why = why_unreadable(path, error)
        raise SamplesError(f"class list {path} cannot be read: {why}") from error
    if not text:
        raise SamplesError(f"class list {path} is empty")
    names = _of_json(path, text) if text[0] in "[{" else _of_lines(text)
    if not all(names):
        line = names.index("") + 1
        raise SamplesError(
            f"class list {path} is blank in line {line}: every class after it would be one off"
        )
    return tuple(unicodedata.normalize("NFC", name) for name in names)


def read_class_order(path: Path) -> tuple[str, ...] | None:
    """The names of a ``classes.txt``, made distinct; None if there is no such file."""
    return tuple(distinct_names(read_class_names(path))) if path.exists() else None


def _of_lines(text: str) -> list[str]:
    lines = [line.strip() for line in text.split("\n")]
    parts = [_NUMBERED.fullmatch(line) for line in lines]
    if all(part and int(part[1]) == index for index, part in enumerate(parts)):
        return [part[2] for part in parts if part]
    return lines


def _of_json(path: Path, text: str) -> list[str]:
    try:
        held = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SamplesError(f"class list {path} begins like JSON and is none") from error
    if isinstance(held, dict) and set(held) == {str(index) for index in range(len(held))}:
        held = [held[str(index)] for index in range(len(held))]
    if not isinstance(held, list) or not held or not all(_is_name(entry) for entry in held):
        raise SamplesError(
            f"class list {path} is JSON of another form: expected a list of names, or a table of "
            'index to name such as {"0": "cat", "1": "dog"}'
        )
    return [(entry if isinstance(entry, str) else " ".join(entry)).strip() for entry in held]


def _is_name(entry: Any) -> bool:
    many = isinstance(entry, list) and bool(entry) and all(isinstance(e, str) for e in entry)
    return isinstance(entry, str) or many
