"""The head of a bundle: one in-toto statement that follows from the files alone.

Nothing in it is free: given the files (and the signer's public key) there is one head, byte for
byte, so a changed head shows even if it is not signed. The root of the Merkle tree over the files
(RFC 6962, section 2.1) stands for all of them; withholding a file leaves it unchanged.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.strict_json import canonical
from auditor.errors import EvidenceError
from auditor.evidence.attest.signing import STATEMENT_TYPE, PublicKey
from auditor.evidence.canonical import parse_object, sha256
from auditor.evidence.chain import Chain
from auditor.evidence.files import safe_name
from auditor.evidence.layout import (
    FORMAT,
    HEAD,
    LOG,
    OUTSIDE,
    PLAN,
    RUN,
    VIEWS,
    may_seal,
)
from auditor.evidence.record_types import Head, read_record

HEAD_TYPE = "urn:xray-audit:evidence:1"
PLAN_TYPE = "urn:xray-audit:plan:1"


@dataclass(frozen=True, slots=True)
class Listed:
    """One file as the head lists it."""

    path: str
    size: int
    sha256: str


def listing(content: Mapping[str, bytes]) -> list[Listed]:
    """Entries of a head for ``content``, by name."""
    return [Listed(name, len(content[name]), sha256(content[name])) for name in sorted(content)]


def _root(files: Sequence[Listed]) -> str:
    """Hex Merkle root over ``files``; that of no files is the hash of nothing."""
    leaves = [canonical([file.path, file.size, file.sha256]) for file in files]
    return _node([_hash(b"\x00" + leaf) for leaf in leaves]).hex()


def _node(leaves: Sequence[bytes]) -> bytes:
    if len(leaves) < 2:
        return leaves[0] if leaves else _hash(b"")
    # The largest power of two below their number.
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return _hash(b"\x01" + _node(leaves[:split]) + _node(leaves[split:]))


def _hash(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def head_statement(
    files: Sequence[Listed],
    content: Mapping[str, bytes],
    chain: Chain,
    signer: PublicKey | None,
    verdict: object,
) -> bytes:
    """The head of a bundle.

    Args:
        files: every file that is evidence, those withheld too.
        content: at least plan.json and run.json.
        chain: the replayed label log.
        signer: the key of the signature that will go with it, or None.
        verdict: as report.json states it.

    Raises:
        EvidenceError: a file does not hold a JSON object.
    """
    plan = parse_object(content[PLAN], PLAN)
    run = parse_object(content[RUN], RUN)
    timing = run.get("timing")
    return _statement(
        [{"name": "evidence", "digest": {"sha256": _root(files)}}],
        HEAD_TYPE,
        {
            "format": FORMAT,
            "files": [[file.path, file.size, file.sha256] for file in files],
            "plan_digest": plan.get("plan_digest"),
            "verdict": verdict,
            "log": {"file": LOG, "entries": chain.entries, "last": chain.last},
            "finished": timing.get("finished") if isinstance(timing, dict) else None,
            "signer": _signer(signer),
        },
    )


def plan_statement(plan: bytes, signer: PublicKey) -> bytes:
    """Statement that is signed before the first query."""
    return _statement(
        [{"name": PLAN, "digest": {"sha256": sha256(plan)}}],
        PLAN_TYPE,
        {"format": FORMAT, "signer": _signer(signer)},
    )


def _statement(
    subject: list[dict[str, Any]], predicate_type: str, predicate: dict[str, Any]
) -> bytes:
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": subject,
        "predicateType": predicate_type,
        "predicate": predicate,
    }
    return canonical(statement) + b"\n"


def _signer(key: PublicKey | None) -> dict[str, str] | None:
    if key is None:
        return None
    return {"keyid": key.keyid, "ed25519": base64.b64encode(key.raw).decode("ascii")}


def read_head(data: bytes) -> tuple[list[Listed], PublicKey | None]:
    """The files a head lists, and the key it names as its signer's; nothing else is trusted.

    Raises:
        EvidenceError: it is no head.
    """
    head = read_record(Head, data, HEAD).predicate
    files = [Listed(*row) for row in head.files]
    names = [file.path for file in files]
    if names != sorted(set(names)):
        raise EvidenceError(f"{HEAD} lists a file twice, or not in order")
    for name in names:
        if not safe_name(name):
            raise EvidenceError(f"{HEAD} lists a file that no bundle holds")
        if name in OUTSIDE or name.startswith(VIEWS):
            raise EvidenceError(f"{HEAD} lists {name}, which it cannot speak for")
        if not may_seal(name):
            raise EvidenceError(f"{HEAD} lists {name}, which no audit of this version writes")
    return files, read_key(head.signer)


def read_key(held: Any) -> PublicKey | None:
    """The public key that a statement names, or None; an EvidenceError if it is no key."""
    if held is None:
        return None
    try:
        raw = base64.b64decode(held["ed25519"], validate=True)
    except (KeyError, TypeError, ValueError):
        raise EvidenceError("a statement names no readable key") from None
    if len(raw) != 32:
        raise EvidenceError("a statement names no Ed25519 key")
    return PublicKey(raw)
