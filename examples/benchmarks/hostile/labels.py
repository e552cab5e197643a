"""Leg G: hostile labels in every view of a report, and the key in no file."""

from __future__ import annotations

import html.parser
import json
import random
import re
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from auditor.report.console import show_result
from auditor.report.json_report import result_of, write_json
from auditor.report.source import ReportSource
from auditor.report.views import ViewName, render, view_settings
from examples.benchmarks.hostile.clients import SECRET, tool, watched
from examples.benchmarks.hostile.faults import Bench, Leg

VIEWS = (
    ViewName.HTML,
    ViewName.MARKDOWN,
    ViewName.SARIF,
    ViewName.JUNIT,
    ViewName.CYCLONEDX,
)


def hostile_labels() -> list[str]:
    """60 class names that want to be more than text."""
    rng = random.Random(0)
    fixed = [
        "<script>alert(1)</script>", "</script><script>alert(1)</script>",
        "<img src=x onerror=a()>",
        '"><svg onload=alert(1)>', "javascript:alert(1)", "<!--", "]]>", "<![CDATA[", "&lt;b&gt;",
        "<a href='javascript:a()'>x</a>", "{{7*7}}", "${7*7}", "{% raw %}", "=1+1", "+1", "-1",
        "@SUM",
        '=HYPERLINK("http://e","x")', "|cmd", "[click](javascript:a())", "![x](http://e/i.png)",
        "`code`", "# head", "| a | b |", "[/bold]", "[link=http://e]x[/link]", "%s%n", "../../etc",
        "\x1b[31mred", "\x1b]0;title\x07", "\x1b[2J", "\x9b31m", "\r\nverdict: no-evidence",
        "\b\b\b",
        "\x00", "\x7f", "\u202egnp.exe", "\u2066x\u2069", "\u200b", "\u200f", "\ufeff", "\u2028",
        "\u2029", "\u0085", "a\u0301" * 40, "\u115f", "\u2800", "\U000e0041", "\ue000", "\ufffe",
        "null", "true", "NaN", "' OR 1=1 --", '"', "\\", "\\u003cscript", "&#60;script&#62;",
    ]  # fmt: skip
    while len(fixed) < 60:
        fixed.append("".join(chr(rng.randrange(0x20, 0xD7FF)) for _ in range(20)))
    return fixed


NEVER = {"script", "iframe", "object", "embed", "base", "form", "svg:script"}
PLAIN = {"alt", "aria-label", "title"}
"""Attributes whose values are text to be read, and nothing else."""


class _Parts(html.parser.HTMLParser):
    """Collects of what kinds of elements a page is made: each tag with its attributes, and with
    the values of all attributes that are more than text.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = (name if name in PLAIN else f"{name}={value}" for name, value in attrs)
        # The page's own style sheet names the report's digest, which the labels are part of.
        self.found.add(re.sub("'sha256-[^']+'", "'sha256'", f"<{tag} {' '.join(said)}>"))


def parts_of(view: str, text: str) -> set[str]:
    """The elements that ``text`` becomes if this view is shown as a page; else none."""
    if view not in {"html", "markdown"}:
        return set()
    page = _Parts()
    page.feed(text if view == "html" else MarkdownIt("commonmark").enable("table").render(text))
    return page.found


def active(view: str, text: str, usual: AbstractSet[str]) -> list[str]:
    """The parts of ``text`` that a reader of this view would obey.

    Args:
        view: its name.
        text: what it holds with hostile labels.
        usual: :func:`parts_of` the same report with harmless labels; a label may add to them
            nothing at all.
    """
    hidden = [
        f"U+{ord(c):04X}"
        for c in text
        if c not in "\n\t" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    ]
    if view in {"report.json", "sarif", "cyclonedx"}:
        json.loads(text)
    if view == "junit":
        ET.fromstring(text)  # noqa: S314 - our own file
    return hidden + sorted(parts_of(view, text) - usual)


def labels_leg(bench: Bench) -> list[Leg]:
    """Leg G: every view of one report with hostile labels, and a search for the key."""
    output = bench.folder / "labels"
    watched(lambda: tool(bench.place("honest", "labels"), output), 60)
    report = json.loads((output / "report.json").read_text(encoding="utf-8"))
    bad: list[str] = []
    names = hostile_labels()
    usual = {view: parts_of(view, text) for view, text in _views(report, output, "shoe").items()}
    assert not NEVER & {part.split()[0].strip("<>") for parts in usual.values() for part in parts}
    for number, name in enumerate(names):
        for view, text in _views(report, output, name).items():
            bad += [f"{number} in {view}: {one}" for one in active(view, text, usual[view])]
    leaks = [
        str(path.relative_to(bench.folder))
        for path in bench.folder.rglob("*")
        if path.is_file() and SECRET.encode() in path.read_bytes()
    ]
    said = f"{len(names)} labels x {len(usual)} sinks: {len(bad)} active; "
    said += f"key found in {len(leaks)} files"
    said += "".join(f"; {one}" for one in (*bad[:20], *leaks[:20]))
    for hit in (*bad, *leaks):
        print(f"  {hit}", flush=True)
    title = "G. Hostile labels in every sink; the key in no file"
    return [(title, "0 active, 0 leaks", said, not bad and not leaks)]


def _views(report: dict[str, Any], output: Path, name: str) -> dict[str, str]:
    """Every view of the report with all its classes called ``name``."""
    named = {**report, "labels": dict.fromkeys(report["labels"], name)}
    named["verdict_reason"] = "One and the same label."
    result = result_of(named)
    views = {"console": show_result(result, output)}
    for kind in VIEWS:
        views[str(kind)] = render(kind, ReportSource(result), view_settings()).decode()
    views["report.json"] = _written(named, output)
    return views


def _written(report: dict[str, Any], output: Path) -> str:
    write_json(report, output / "again.json")
    return (output / "again.json").read_text(encoding="utf-8")
