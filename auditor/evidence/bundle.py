"""A bundle opened for reading: the report and what its views need, without the network."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditor.errors import EvidenceError
from auditor.evidence.canonical import parse_object, refuse_unbearable
from auditor.evidence.files import BundleFiles, read_files, read_regular
from auditor.evidence.layout import (
    HANDOVER,
    HEAD_SIGNATURE,
    PICTURES,
    PROFILE,
    REPORT,
    REPORT_SECONDS,
    RUN,
    largest,
)
from auditor.report.json_report import parse_result, read_result
from auditor.report.result.result import Result


@dataclass(frozen=True)
class Bundle:
    """A bundle as it lies there; nothing in it was verified yet.

    Attributes:
        result: the content of report.json.
        pictures: PNGs that views show, by the keys they look them up by; empty if withheld.
        run: the content of run.json: target, identity, times, versions.
        profile: the content of profile.json; empty without one.
        handed_over: True if private images were withheld.
        signed: True if there is a signature, valid or not.
    """

    files: BundleFiles
    result: Result
    pictures: Mapping[str, bytes]
    run: Mapping[str, Any]
    profile: Mapping[str, Any]
    handed_over: bool
    signed: bool


def load_bundle(where: Path) -> Bundle:
    """Read the bundle at ``where``, a folder or a ``.zip``; safe on a hostile one.

    Views are made from ``result`` and ``pictures`` alone. This proves nothing about either:
    :func:`auditor.workflows.verify.verify.verify_bundle` does.

    Raises:
        UsageError: there is nothing at ``where``.
        EvidenceError: it is no bundle, or damaged.
    """
    files = read_files(where)
    return Bundle(
        files=files,
        result=result_in(files),
        pictures=read_pictures(files),
        run=parse_object(files.content[RUN], RUN) if RUN in files else {},
        profile=parse_object(files.content[PROFILE], PROFILE) if PROFILE in files else {},
        handed_over=HANDOVER in files,
        signed=HEAD_SIGNATURE in files,
    )


def result_in(files: BundleFiles) -> Result:
    """The result that a bundle holds; an EvidenceError if it would take too long to read."""
    data, name = files.get(REPORT), f"{REPORT} of {files.where}"
    refuse_unbearable(data, name, REPORT_SECONDS)
    return parse_result(data, name)


def read_report(path: Path) -> Result:
    """The result in the file ``path``, a report without its bundle.

    Raises:
        EvidenceError: it is no regular file, or too much to read.
        AuditError: it is no report.
    """
    data = read_regular(path.resolve(), path.name, largest(REPORT))
    refuse_unbearable(data, str(path), REPORT_SECONDS)
    return read_result(path)


def read_pictures(files: BundleFiles) -> dict[str, bytes]:
    """PNGs in a bundle by their keys; empty if they are withheld.

    Raises:
        EvidenceError: they are damaged.
    """
    if PICTURES not in files:
        return {}
    try:
        held = parse_object(files.get(PICTURES), PICTURES)
        return {key: base64.b64decode(png, validate=True) for key, png in held.items()}
    except (TypeError, ValueError):
        raise EvidenceError(f"{PICTURES} of {files.where} is damaged") from None
