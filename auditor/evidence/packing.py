"""A bundle as one file, or without its private parts, to be handed on."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from adapters.strict_json import canonical
from auditor.errors import EvidenceError, UsageError
from auditor.evidence import layout
from auditor.evidence.bundle import result_in
from auditor.evidence.canonical import parse_object, sha256
from auditor.evidence.files import BundleFiles, read_files, safe_name, zip_bytes
from auditor.evidence.head import read_head
from auditor.report.files import write_atomic
from auditor.report.html.page import render_html
from auditor.report.source import ReportSource

SHOW_IMAGES = frozenset({".html", ".pdf"})
"""Views in which sample images are drawn."""


def pack(bundle: Path, to: Path, *, hand_over: bool) -> list[str]:
    """Write the bundle to ``to``: a ``.zip`` by that ending, else a new folder.

    Only files that the head lists go along. A hand-over edition leaves out the sample images and
    every view that draws them, names the files left out, and has a page without images instead.
    The head, its signature and the Merkle root stay those of the full edition.

    Returns:
        Names of the files left out.

    Raises:
        UsageError: there is no bundle, or ``to`` exists already.
        EvidenceError: the bundle is not as its head lists it, or cannot be written.
    """
    if to.exists():
        raise UsageError(f"there is something at {to} already; name a new file or folder")
    files = read_files(bundle)
    content = _evidence(files)
    left_out: list[str] = []
    if hand_over:
        images = {name for name in content if PurePosixPath(name).suffix in SHOW_IMAGES}
        left_out = sorted(images.union(content.keys() & layout.PRIVATE))
        result = result_in(files)
        content = {name: data for name, data in content.items() if name not in left_out}
        run = parse_object(files.content[layout.RUN], layout.RUN) if layout.RUN in files else {}
        profile = (
            parse_object(files.content[layout.PROFILE], layout.PROFILE)
            if layout.PROFILE in files
            else {}
        )
        page = render_html(ReportSource(result, {}, run, profile))
        content[layout.VIEWS + layout.PAGE] = page.encode("utf-8")
        content[layout.HANDOVER] = handover_note(left_out)
    _write(content, to)
    return left_out


def handover_note(withheld: list[str]) -> bytes:
    """The note that a hand-over edition carries: the names of the files it leaves out."""
    return canonical({"format": layout.FORMAT, "withheld": sorted(withheld)}) + b"\n"


def _evidence(files: BundleFiles) -> dict[str, bytes]:
    """The files that the head lists, the head itself and its signature."""
    if layout.HANDOVER in files:
        raise UsageError(f"{files.where} is a hand-over edition already; pack the full one")
    listed, _ = read_head(files.get(layout.HEAD))
    content: dict[str, bytes] = {}
    for file in listed:
        data = files.get(file.path)
        if (len(data), sha256(data)) != (file.size, file.sha256):
            raise EvidenceError(f"{file.path} of {files.where} is not as the head lists it")
        content[file.path] = data
    beside = (layout.HEAD, layout.HEAD_SIGNATURE, layout.ATTESTED, *layout.ATTESTATIONS)
    return content | {name: files.get(name) for name in beside if name in files}


def _write(content: dict[str, bytes], to: Path) -> None:
    try:
        if to.suffix == ".zip":
            write_atomic(to, zip_bytes(content))
            return
        to.mkdir(parents=True)
        for name, data in content.items():
            assert safe_name(name)
            (to / name).parent.mkdir(exist_ok=True)
            write_atomic(to / name, data)
    except OSError as error:
        raise EvidenceError(f"{to} cannot be written: {error.strerror}") from error
