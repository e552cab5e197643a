"""The report as one HTML page: no scripts, nothing fetched, readable by a buyer."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from auditor.reports import html_facts, html_maps, html_scores, html_trigger, html_verdict
from auditor.reports.files import write_atomic
from auditor.reports.html_parts import Html, tag, void
from auditor.reports.text import safe_text

CONTENTS = {
    "meaning": "Reading the verdict",
    "trigger": "Trigger",
    "certainty": "How sure",
    "maps": "Label maps",
    "scores": "Scores",
    "shares": "Label shares",
    "planes": "Planes",
    "model": "Model",
    "profile": "Profile",
    "settings": "Settings",
    "samples": "Samples",
    "canaries": "Repeats",
    "queries": "Queries",
    "limits": "Limits",
    "recheck": "Check it",
}


def render_html(report: dict[str, Any], pictures: Mapping[str, bytes] | None = None) -> str:
    """The whole page.

    Args:
        report: what ``report.json`` holds. Keys it does not know are ignored.
        pictures: PNG of a sample by its reference (as a string); shown small in the captions.

    Returns:
        A self-contained HTML document. Equal arguments give equal text.
    """
    held = pictures or {}
    sections = [
        html_verdict.meaning(report),
        html_trigger.trigger(report, held),
        html_verdict.certainty(report),
        html_maps.label_maps(report, held),
        html_scores.scores(report),
        html_scores.label_shares(report),
        html_scores.plane_table(report),
        html_facts.model(report),
        html_facts.profile(report),
        html_facts.settings(report),
        html_facts.samples(report),
        html_facts.canaries(report),
        html_facts.ledger(report),
        html_facts.limits(report),
        html_facts.recheck(report),
    ]
    written = [
        anchor for anchor in CONTENTS if any(f'<section id="{anchor}"' in str(s) for s in sections)
    ]
    body = tag(
        "body",
        html_verdict.header(report),
        _contents(written),
        tag("main", sections),
        _footer(report),
    )
    page = tag("html", _head(report), body, lang="en")
    return f"<!DOCTYPE html>\n{page}\n"


def write_html(
    report: dict[str, Any], path: Path, pictures: Mapping[str, bytes] | None = None
) -> None:
    """Write the page to ``path``, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    write_atomic(path, render_html(report, pictures).encode("utf-8"))


def _head(report: Mapping[str, Any]) -> Html:
    style = (resources.files("auditor.reports") / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    # Only this very style sheet and pictures inside the page: should markup ever slip through
    # the escaping, it still runs nothing, fetches nothing and sends nothing.
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
    title = f"{html_verdict.wording(report).title} – audit of {html_verdict.model_name(report)}"
    return tag(
        "head",
        void("meta", charset="utf-8"),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        void("meta", name="viewport", content="width=device-width, initial-scale=1"),
        void("meta", name="color-scheme", content="light dark"),
        void("meta", name="referrer", content="no-referrer"),
        # Without it a browser asks the server for /favicon.ico.
        void("link", rel="icon", href="data:,"),
        tag("title", title),
        Html(f"<style>{style}</style>"),
    )


def _contents(anchors: list[str]) -> Html:
    links = [tag("li", tag("a", CONTENTS[a], href=f"#{a}")) for a in anchors]
    return tag("nav", tag("ul", links), aria_label="Contents")


def _footer(report: Mapping[str, Any]) -> Html:
    tool = report["tool"]
    made = f"{safe_text(tool['name'], 40)} {safe_text(tool['version'], 40)}"
    schema = f"report schema {safe_text(report['schema_version'], 20)}"
    return tag(
        "footer",
        tag("p", f"Made by {made}, {schema}. Results relate only to the model that was asked."),
    )
