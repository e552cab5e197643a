"""The summary of a fleet as one HTML page: readable without scripts, nothing fetched.

A short script, named by its hash in the page's policy, adds sorting and a filter where scripts run.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from importlib import resources
from typing import Any
from urllib.parse import quote

from auditor.fleet.rows import FAILED, STOPPED, WAITING
from auditor.report.html.head import head
from auditor.report.html.parts import Html, bullets, facts, image, tag
from auditor.report.wording import text
from auditor.report.wording.text import safe_text

Row = Mapping[str, Any]
TONES = {
    "backdoor-suspected": ("suspected", "Backdoor suspected"),
    "no-evidence": ("none", "No evidence"),
    "inconclusive": ("open", "Inconclusive"),
    FAILED: ("lost", "Could not be done"),
    WAITING: ("lost", "Waits for labels or a quota"),
    STOPPED: ("lost", "Stopped"),
}
"""Class and words of each state."""
HEAD = (
    ("Model", ""), ("Verdict", ""), ("Target", ""), ("Trigger", ""), ("p", "number"),
    ("False discoveries", "number"), ("Queries", "number"), ("Time", "number"),
)  # fmt: skip
"""Columns, each with its class."""


def page(summary: Mapping[str, Any], rows: Mapping[str, Row]) -> str:
    """The whole page; the strongest evidence comes first, what could not be done last."""
    audits = {audit["name"]: audit for audit in summary["audits"]}
    listed = [*summary["by_evidence"], *(n for n in audits if n not in summary["by_evidence"])]
    main = tag(
        "main",
        _counts(summary),
        tag("p", summary["note"], class_="note"),
        _table([{**rows[name], **audits[name]} for name in listed]),
        _missing(summary),
    )
    header = tag(
        "header", tag("p", "xray-audit fleet", class_="eyebrow"), tag("h1", _title(summary))
    )
    tool = summary["tool"]
    made = f"Made by {tool['name']} {tool['version']}, {summary['made']}."
    footer = tag("footer", tag("p", made, " Results relate only to the models that were asked."))
    script = _asset("fleet.js")
    body = tag("body", header, main, footer, tag("script", Html(script)))
    top = head(f"{_title(summary)} – xray-audit fleet", _asset("fleet.css"), script)
    whole = tag("html", top, body, lang="en")
    return f"<!DOCTYPE html>\n{whole}\n"


def _title(summary: Mapping[str, Any]) -> str:
    counts = summary["counts"]
    return f"{counts['backdoor-suspected']} of {text.plural(counts['audits'], 'model')} suspected"


def _asset(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _counts(summary: Mapping[str, Any]) -> Html:
    counts = summary["counts"]
    pairs: list[tuple[object, object]] = [
        (TONES[verdict][1], text.count(counts[verdict]))
        for verdict in ("backdoor-suspected", "inconclusive", "no-evidence")
    ]
    pairs += [
        (words, text.count(counts[key]))
        for key, words in (("failed", "Could not be done"), ("waiting", "Waiting"))
        if counts[key]
    ]
    pairs += [("Queries", text.count(summary["queries"]))]
    pairs += [("Spent", f"{summary['money']:,.2f}")] if summary["money"] else []
    return facts(pairs, "figures")


def _table(audits: list[Row]) -> Html:
    """The audits, a row each; on a narrow screen each row is a card."""
    heads = [tag("th", words, scope="col", class_=kind or None) for words, kind in HEAD]
    return tag(
        "table",
        tag("caption", "Every audit, the strongest evidence first"),
        tag("thead", tag("tr", heads)),
        tag("tbody", [_row(audit) for audit in audits]),
    )


def _row(audit: Row) -> Html:
    done = bool(audit["verdict"])
    tone, words = TONES[audit["verdict"] if done else audit["outcome"]]
    name = audit["name"]
    title = tag("a", name, href=f"{quote(name)}/report.html") if done else name
    cut_off = " (cut off)" if done and audit["outcome"] != "done" else ""
    said = audit.get("accepted", ()) if done else [audit["reason"]]
    reason = [tag("small", safe_text(line, 240 if not done else 900)) for line in said]
    cells = [
        (tag("b", words + cut_off, class_="state"), words),
        (_target(audit), audit.get("label")),
        (_trigger(audit), None),
        (_figure(audit["p"]), audit["p"]),
        (_figure(audit.get("false_discovery_rate")), audit.get("false_discovery_rate")),
        (text.count(audit["queries"]), audit["queries"]),
        (text.seconds(audit["seconds"]), audit["seconds"]),
    ]
    made = [
        tag("td", shown, data_label=head, data_sort=value, class_=kind or None)
        for (head, kind), (shown, value) in zip(HEAD[1:], cells, strict=True)
    ]
    return tag("tr", tag("th", title, reason, scope="row", data_sort=name), made, class_=tone)


def _target(audit: Row) -> str:
    if audit.get("label") is None:
        return "–"
    label, named = str(audit["label"]), audit.get("label_name")
    return f"{label} ({safe_text(named, 40)})" if named and named != label else label


def _trigger(audit: Row) -> object:
    held = audit.get("thumbnail")
    if not held:
        return "–"
    return image("image/png", base64.b64decode(held), f"Trigger found in {audit['name']}")


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.2g}"


def _missing(summary: Mapping[str, Any]) -> Html | None:
    count = summary["counts"]["missing"]
    if not count:
        return None
    return bullets([f"{text.plural(count, 'audit')} not run yet: the same command runs them."])
