"""``xray-audit verify``: every check of a bundle that needs no other party."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from auditor.errors import EvidenceError
from auditor.evidence.attest.signing import PublicKey
from auditor.evidence.canonical import parse_object
from auditor.evidence.chain import split_lines
from auditor.evidence.files import BundleFiles, read_files
from auditor.evidence.head import read_head
from auditor.evidence.layout import HEAD, LOG
from auditor.workflows.verify.attested import Trusted, check_attestations
from auditor.workflows.verify.inputs import MOST_VALUES, Requests
from auditor.workflows.verify.outcome import Verification
from auditor.workflows.verify.recomputed import check_verdict
from auditor.workflows.verify.replay import UNREADABLE
from auditor.workflows.verify.sealed import (
    check_files,
    check_log,
    check_plan,
    head_conclusion,
    signature_conclusion,
)

NO_PARTY = Trusted()


def verify_bundle(
    where: Path,
    trusted: PublicKey | None = None,
    most_values: int = MOST_VALUES,
    others: Trusted = NO_PARTY,
) -> Verification:
    """Check the bundle at ``where``, a folder or a ``.zip``; safe on a hostile one.

    Args:
        where: the bundle.
        trusted: the key that must have signed it; None takes any signature, or none.
        most_values: see :func:`check_inputs`.
        others: parties trusted about time and identity.

    Raises:
        UsageError: there is nothing at ``where``.
    """
    done = Verification()
    try:
        files = read_files(where)
        if _unfinished(files):
            done.unfinished = True
            done.add("files", "not done", "There is no head yet: the audit writes it at its end.")
            return done
        listed, signer = read_head(files.get(HEAD))
    except EvidenceError as error:
        done.add("files", "failed", _unsealed(where, error))
        return done
    check_files(done, files, listed)
    if done.failed:
        done.add("verdict", "not done", "Not recomputed: the files are not those of the head.")
        return done
    try:
        requests = Requests()
        chain = check_log(done, files, requests)
        if chain is not None:
            done.add("head", *head_conclusion(files, listed, chain, signer))
            done.add("signature", *signature_conclusion(done, files, signer, trusted))
            check_plan(done, files, chain, trusted)
            check_verdict(done, files, chain, requests, most_values)
        check_attestations(done, files, others)
    except EvidenceError as error:
        done.add("records", "failed", f"{error}.")
    except (*UNREADABLE, RecursionError) as error:
        # No record that this program writes, so a hostile one: it gets its sentence all the same.
        kind = type(error).__name__
        done.add("records", "failed", f"The records are not as they are written ({kind}).")
    return done


def _unfinished(files: BundleFiles) -> bool:
    """True without a head where the last run did not write its end, as after a kill. An ended run
    has a head, unless somebody took it away.
    """
    if HEAD in files or LOG not in files:
        return False
    lines, torn = split_lines(files.get(LOG))
    last = next(iter(deque(lines, 1)), b"")
    try:
        return bool(torn) or not last or parse_object(last, LOG).get("e") != "close"
    except EvidenceError:
        return False


def _unsealed(where: Path, error: EvidenceError) -> str:
    if not (where / HEAD).exists() and (where / LOG).exists():
        killed = "the audit was killed while it wrote its report"
        return f"{where} holds no {HEAD}: it was removed, or {killed}."
    return str(error)
