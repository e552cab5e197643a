"""The JSON Schema of a target description, made from the classes that read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from adapters.target.formats import ReplyFormat
from adapters.target.kinds import READING
from adapters.target.parse import Description

SCHEMA_FILE = Path(__file__).with_name("target.schema.json")
"""The shipped schema, for editors; ``python -m adapters.target.schema`` writes it."""


class _Untitled(GenerateJsonSchema):
    """Leaves out titles that only repeat a field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


def schema() -> dict[str, Any]:
    """The schema of a whole description."""
    # Texts from the docstrings. Only here: pydantic parses the sources for them, at every start.
    READING["use_attribute_docstrings"] = True
    try:
        made = TypeAdapter(Description).json_schema(schema_generator=_Untitled)
        # Pydantic reads the texts of a class's own fields only.
        inherited = TypeAdapter(ReplyFormat).json_schema()["properties"]
    finally:
        del READING["use_attribute_docstrings"]
    for name, field in made["$defs"]["Response"]["properties"].items():
        field.setdefault("description", inherited.get(name, {}).get("description"))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_plain(made),
        "title": "xray-audit target description",
        # Some presets know their URL.
        "anyOf": [{"required": ["url"]}, {"required": ["model"]}, {"required": ["preset"]}],
    }


def _plain(value: Any) -> Any:
    """``value`` with every description on one line and in Markdown's quotes."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    plain = {name: _plain(item) for name, item in value.items()}
    if isinstance(plain.get("description"), str):
        plain["description"] = " ".join(plain["description"].replace("``", "`").split())
    return plain


def main() -> None:
    """Write the shipped schema anew."""
    SCHEMA_FILE.write_text(json.dumps(schema(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
