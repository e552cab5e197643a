"""Attestations by others about a finished bundle: a time stamp, a Sigstore signature.

They are over the head, so the head cannot list them. ``attested.json`` does, so that a later loss
or damage shows. It proves nothing by itself; each attestation holds or fails on its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from adapters.strict_json import canonical
from auditor.errors import EvidenceError
from auditor.evidence import layout
from auditor.evidence.canonical import sha256
from auditor.evidence.files import BundleFiles, read_files, zip_bytes
from auditor.report.files import write_atomic


def stamped_part(files: BundleFiles) -> bytes:
    """Content that a time stamp covers: the signature with the head in it, else the head alone."""
    return files.get(layout.HEAD_SIGNATURE if layout.HEAD_SIGNATURE in files else layout.HEAD)


def attested_note(content: Mapping[str, bytes]) -> bytes:
    """The note that lists the attestations in ``content``."""
    held = [[n, len(content[n]), sha256(content[n])] for n in layout.ATTESTATIONS if n in content]
    return canonical({"format": layout.FORMAT, "files": held}) + b"\n"


def attach(bundle: Path, made: Mapping[str, bytes]) -> None:
    """Put attestations into the bundle at ``bundle``, a folder or a ``.zip``.

    ``made`` holds their content by name, of ``ATTESTATIONS``; each replaces an older one.

    Raises:
        EvidenceError: it cannot be written.
    """
    files = read_files(bundle)
    content = {name: data for name, data in files.content.items() if name not in layout.WORKING}
    content |= made
    new = {**made, layout.ATTESTED: attested_note(content)}
    try:
        if bundle.is_dir():
            for name, data in new.items():
                write_atomic(bundle / name, data)
        else:
            write_atomic(bundle, zip_bytes(content | new))
    except OSError as error:
        raise EvidenceError(f"{bundle} cannot be written: {error.strerror}") from error
