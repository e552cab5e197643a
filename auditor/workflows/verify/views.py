"""Views of the report made again from what was recomputed, and compared with those in the bundle.

A head vouches for the bytes of a view, not for its content. People read views, so each must be, to
the byte, what this program makes of the verified report. A reader's own choices are taken from the
view itself: which frameworks it shows, where SARIF points, and who accepted which finding.
"""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from PIL import Image

from adapters.strict_json import canonical
from auditor.errors import AuditError, UsageError
from auditor.evidence.bundle import read_pictures, result_in
from auditor.evidence.canonical import parse_object
from auditor.evidence.files import BundleFiles
from auditor.evidence.layout import PICTURES, PROFILE, REPORT, RUN, TRIGGER_PICTURE, VIEWS
from auditor.report.html.changes import TEXTURE_KEY
from auditor.report.source import ReportSource
from auditor.report.views import FILES, ViewName, ViewSettings, render
from auditor.report.wording.frameworks import load_all
from auditor.workflows.compare.findings import findings_of
from auditor.workflows.judge import report_pictures
from auditor.workflows.verify.outcome import SHOWN, Verification
from auditor.workflows.verify.replay import Replayed

NAMES = {file: name for name, file in FILES.items()}
_ACCEPTED = re.compile(
    r"Finding (?P<id>[0-9a-f]+) \((?P<kind>[a-z-]+)\) (?:stands: nobody accepted it\.|"
    r"is accepted until (?P<until>\S+) by (?P<owner>.*?): (?P<reason>.*) This is no pass: the "
    r"verdict stands\.|stands: its acceptance expired on (?P<expired>\S+)\. "
    r"\((?P<then>.*?): (?P<why>.*)\))"
)
PAGES = (ViewName.HTML, ViewName.SUMMARY_PAGE)
_ITEM = {
    **dict.fromkeys(PAGES, re.compile(r"<li>(Finding [^<]*)</li>")),
    **dict.fromkeys(
        (ViewName.MARKDOWN, ViewName.SUMMARY), re.compile(r"^- (Finding .*)$", re.MULTILINE)
    ),
}
_URI = re.compile(r'"artifactLocation": \{\s*"uri": "([^"\\]{1,500})"')
LONGEST = 2000
"""Characters of a sentence on one acceptance, and more."""
_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})


@dataclass
class _Compared:
    """Names of files that are as made again here, that are not, and that cannot be told."""

    same: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    untold: list[tuple[str, str]] = field(default_factory=list)


def check_views(done: Verification, files: BundleFiles, again: Replayed, why: str) -> None:
    """Make every picture and view of the bundle again, and compare.

    Args:
        done: takes the checks.
        files: a bundle whose report.json is the one recomputed.
        again: the audit judged again.
        why: reason why a difference may be this program's; empty if only the bundle can be.
    """
    made = report_pictures(again.ready, again.spec, again.trigger, with_images=again.with_images)
    found = _Compared()
    for name, same in _pictures(files, again, made, lenient=bool(why)):
        _sort(found, name, same=same, reason=why.strip())
    # PDFs come last: they take seconds, and nobody waits for one if something else is wrong.
    views = sorted(readable(files), key=lambda name: (name.endswith(".pdf"), name))
    source = _source(files, made if again.with_images else {})
    for name in views:
        kind = NAMES[name.removeprefix(VIEWS)]
        reason = f"This version shows the report in another way.{why}" if why else ""
        if kind == ViewName.PDF and not why:
            reason = "Fonts and WeasyPrint decide its bytes, and those here give others."
        if kind == ViewName.PDF and (found.other or done.failed):
            continue
        try:
            same = _is_view(kind, files.get(name), source)
        except UsageError as error:
            same, reason = False, f"{error}."
        _sort(found, name, same=same, reason=reason)
    _conclude(done, found)


def readable(files: BundleFiles) -> list[str]:
    """Names of the views in ``files``, those made later too."""
    return [n for n in files.content if n.removeprefix(VIEWS) in NAMES and n != REPORT]


def _sort(found: _Compared, name: str, *, same: bool, reason: str) -> None:
    if same:
        found.same.append(name)
    elif reason:
        found.untold.append((name, reason))
    else:
        found.other.append(name)


def _conclude(done: Verification, found: _Compared) -> None:
    if found.other:
        named = ", ".join(found.other[:SHOWN])
        done.add(
            "views",
            "failed",
            f"{named}: not what this version makes of the report, though it made the bundle. Read "
            "the report in another way, or make it again: xray-audit report BUNDLE.",
        )
    elif found.same:
        named = ", ".join(found.same)
        done.add("views", "ok", f"Made again from what was recomputed, and the same: {named}.")
    for name, reason in found.untold:
        # People read a page wherever it lies, so one made later is no smaller gap than another.
        done.not_covered.append(name)
        done.add(
            "views",
            "not done",
            f"Not covered: {name}{', made later' if name.startswith(VIEWS) else ''}. {reason} To "
            "read what was verified, make it again: xray-audit report BUNDLE --to FOLDER.",
        )


def _source(files: BundleFiles, pictures: Mapping[str, bytes]) -> ReportSource:
    return ReportSource(
        result_in(files),
        pictures,
        parse_object(files.get(RUN), RUN),
        parse_object(files.get(PROFILE), PROFILE) if PROFILE in files else {},
    )


# ---- pictures ----------------------------------------------------------------------------------


def _pictures(
    files: BundleFiles, again: Replayed, made: Mapping[str, bytes], *, lenient: bool
) -> Iterator[tuple[str, bool]]:
    """Each file of pictures, and whether it is as made again; ``lenient`` compares pixels."""
    if PICTURES in files:
        encoded = {key: base64.b64encode(png).decode("ascii") for key, png in made.items()}
        same = files.get(PICTURES) == canonical(encoded) + b"\n"
        if lenient and not same:
            pngs = read_pictures(files)
            # An earlier version kept fewer pictures.
            same = pngs.keys() <= made.keys() and all(_like(pngs[k], made[k]) for k in pngs)
        yield PICTURES, same and again.with_images
    if TRIGGER_PICTURE in files:
        ours, held = made.get(TEXTURE_KEY, b""), files.get(TRIGGER_PICTURE)
        yield TRIGGER_PICTURE, held == ours or (lenient and bool(ours) and _like(held, ours))


def _like(held: bytes, ours: bytes) -> bool:
    """True for a PNG of the same pixels and nothing besides, however it was compressed."""
    if held == ours:
        return True
    if not set(_chunks(held)) <= _CHUNKS or not held.endswith(ours[-12:]):
        return False
    try:
        with (
            Image.open(io.BytesIO(held), formats=("PNG",)) as one,
            Image.open(io.BytesIO(ours), formats=("PNG",)) as two,
        ):
            alike = (one.size, one.mode, one.getpalette()) == (two.size, two.mode, two.getpalette())
            return alike and one.tobytes() == two.tobytes()
    except (OSError, ValueError, SyntaxError):
        return False


def _chunks(png: bytes) -> Iterator[bytes]:
    """Names of the chunks of a PNG, up to the first that does not fit."""
    at = 8
    while at + 12 <= len(png):
        yield png[at + 4 : at + 8]
        at += 12 + int.from_bytes(png[at : at + 4], "big")
    if at != len(png):
        yield b""


# ---- views -------------------------------------------------------------------------------------


def _is_view(kind: ViewName, held: bytes, source: ReportSource) -> bool:
    """True if ``held`` is the view of ``source`` that some choice of a reader leads to.

    Raises:
        UsageError: the view's extra is not installed.
    """
    try:
        made = render(kind, source, ViewSettings())
        if held == made:
            return True
        if kind in {ViewName.JSON, ViewName.JUNIT} or len(held) > 4 * len(made):
            return False
        chosen, accepted = _choices(kind, held, source)
        return held == render(kind, accepted, chosen)
    except UsageError:
        raise
    except AuditError:
        return False


def _choices(
    kind: ViewName, held: bytes, source: ReportSource
) -> tuple[ViewSettings, ReportSource]:
    """A reader's choices as the view shows them."""
    text = held.decode("utf-8", "replace")
    letters = _letters(html.unescape(text))
    places = {one: letters.find(_letters(one.name)) for one in load_all()}
    named = sorted((at, one.id) for one, at in places.items() if at >= 0)
    frameworks = load_all(name for _, name in named) if named else ()
    where = _URI.search(text) if kind == ViewName.SARIF else None
    settings = ViewSettings(frameworks, unquote(where.group(1)) if where else "")
    findings = list(_accepted(kind, text))
    known = [(one.id, one.kind) for one in findings_of(source.result)]
    if [(one["id"], one["kind"]) for one in findings] != known:
        findings = []
    return settings, ReportSource(
        source.result, source.pictures, source.run, source.profile, findings
    )


def _letters(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", text)


def _accepted(kind: ViewName, text: str) -> Iterator[dict[str, Any]]:
    """Findings as the view says they were accepted."""
    for line in _ITEM[kind].findall(text) if kind in _ITEM else ():
        plain = html.unescape(line) if kind in PAGES else re.sub(r"\\(.)", r"\1", line)
        if found := _ACCEPTED.fullmatch(plain[:LONGEST]):
            part = found.groupdict()
            until = part["until"] or part["expired"]
            held = {
                "until": until,
                "owner": part["owner"] or part["then"],
                "reason": part["reason"] or part["why"],
                "expired": part["until"] is None,
            }
            yield {"id": part["id"], "kind": part["kind"], "accepted": held if until else None}
