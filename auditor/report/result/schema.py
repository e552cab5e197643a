"""The JSON Schema of ``report.json``, generated from the typed result.

    python -m auditor.report.result.schema

writes ``auditor/report/report.schema.json``, which ships with the package.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from auditor.report.json_report import SCHEMA_FILE, SCHEMA_VERSION, report_bytes
from auditor.report.result.result import Result


class _Plain(GenerateJsonSchema):
    """Without what says nothing of a report: titles made of names, and defaults of a reader."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        del schema
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])


def schema_text() -> str:
    """The content of ``report.schema.json``."""
    made = Result.model_json_schema(schema_generator=_Plain)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:xray-audit:report:{SCHEMA_VERSION}",
    }
    order = ("title", "description", "type", "properties", "required", "additionalProperties")
    whole = {**head, **{name: made.pop(name) for name in order}, **made}
    return report_bytes(_unwrapped(whole)).decode("utf-8")


def _unwrapped(node: Any) -> Any:
    """``node`` with its descriptions in one line: those of classes are wrapped docstrings."""
    if isinstance(node, list):
        return [_unwrapped(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {
        key: " ".join(value.split())
        if key == "description" and isinstance(value, str)
        else _unwrapped(value)
        for key, value in node.items()
    }


if __name__ == "__main__":
    (Path(__file__).parents[1] / SCHEMA_FILE).write_text(schema_text(), encoding="utf-8")
