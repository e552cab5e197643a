"""Parts of a report that this version has no page of its own for: shown, never dropped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from auditor.report.html.parts import Html, free_form, section, tag
from auditor.report.json_report import load_schema
from auditor.report.wording.text import safe_text

KNOWN = frozenset(
    {
        "schema_version",
        "tool",
        "verdict",
        "verdict_reason",
        "target_label",
        "partial",
        "access",
        "model",
        "fingerprint",
        "input",
        "settings",
        "plan_digest",
        "samples",
        "labels",
        "scores",
        "profile",
        "comparisons",
        "trigger",
        "canaries",
        "queries",
        "planes",
        "limits",
        "timing",
        "trust",
    }
)
"""Top-level keys that other parts of the page show."""


def unknown_parts(report: Mapping[str, Any]) -> Html | None:
    """Every other key of the report, with what the schema says about it."""
    found = {key: value for key, value in report.items() if key not in KNOWN}
    if not found:
        return None
    described = load_schema()["properties"]
    parts = [_part(key, value, described.get(key, {})) for key, value in found.items()]
    return section("extra", "Further findings", parts)


def _part(key: str, value: object, described: Mapping[str, Any]) -> Html:
    about = described.get("description")
    body = free_form(value) if isinstance(value, Mapping) and value else _plain(key, value)
    return tag(
        "div",
        tag("h4", safe_text(key.replace("_", " "), 60).capitalize()),
        tag("p", about, class_="note") if about else None,
        body,
    )


def _plain(key: str, value: object) -> Html:
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        return free_form({str(number): item for number, item in enumerate(value, 1)})
    if isinstance(value, list):
        return tag("ul", [tag("li", safe_text(item, 400)) for item in value[:100]])
    return free_form({key.replace("_", " "): value})
