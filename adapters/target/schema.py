"""The JSON Schema of a target description, made from the classes that read it."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import types
import typing
from pathlib import Path
from typing import Any

from adapters.target.description import Bounds
from adapters.target.parse import Description

SCHEMA_FILE = Path(__file__).with_name("target.schema.json")
"""The shipped schema, for editors; ``python -m adapters.target.schema`` writes it."""

_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean"}
_ENTRY = re.compile(r"^    (\w+(?:, \w+)*): (.*(?:\n {8}.*)*)", re.MULTILINE)


def schema() -> dict[str, Any]:
    """The schema of a whole description."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "xray-audit target description",
        **_table(Description),
        # Some presets know their URL.
        "anyOf": [{"required": ["url"]}, {"required": ["model"]}, {"required": ["preset"]}],
    }


def _table(cls: type[Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(cls, include_extras=True)
    texts = _texts(cls)
    properties = {}
    for field in dataclasses.fields(cls):
        properties[field.name] = {**_kind(hints[field.name]), "description": texts[field.name]}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _texts(cls: type[Any]) -> dict[str, str]:
    """What the docstrings of ``cls`` and its bases say about each field."""
    texts: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        for names, text in _ENTRY.findall(inspect.getdoc(base) or ""):
            texts.update(
                dict.fromkeys(names.split(", "), " ".join(text.replace("``", "`").split()))
            )
    return texts


def _kind(kind: Any) -> dict[str, Any]:
    origin, options = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return {**_kind(options[0]), **_limits(options[1])}
    if origin is typing.Union or origin is types.UnionType:
        kinds = [_kind(option) for option in options if option is not type(None)]
        return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    if origin is not None:
        return _generic(origin, options)
    return (
        _table(typing.cast("type[Any]", kind))
        if dataclasses.is_dataclass(kind)
        else {"type": _PLAIN[kind]}
    )


def _generic(origin: Any, options: tuple[Any, ...]) -> dict[str, Any]:
    if origin is typing.Literal:
        return {"enum": list(options)}
    if origin is tuple:
        count = {} if Ellipsis in options else {"minItems": len(options), "maxItems": len(options)}
        return {"type": "array", "items": _kind(options[0]), **count}
    plain = {"type": ["string", "number", "boolean"]}
    return {"type": "object", "additionalProperties": plain}


def _limits(bounds: Bounds) -> dict[str, Any]:
    low = {"exclusiveMinimum" if bounds.above else "minimum": bounds.least}
    return low if bounds.most is None else {**low, "maximum": bounds.most}


def main() -> None:
    """Write the shipped schema anew."""
    SCHEMA_FILE.write_text(json.dumps(schema(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
