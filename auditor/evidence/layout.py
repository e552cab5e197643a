"""The files of an evidence bundle.

    plan.json        everything decided before the first query, samples as hashes
    plan.dsse.json   signature over the plan, made then (only with --sign-key)
    plans/           earlier plans asked in the same folder, by their SHA-256
    log.jsonl        every answer, in an append-only hash chain
    run.json         input and label space of the target, ledger, times, endpoint identity, tool
                     and library versions: all that a recomputation needs besides labels
    profile.json     the references judged by, if there were any
    samples.z        the sample images that the plan uses (private: not handed over)
    pictures.json    thumbnails for views of the report (private: not handed over)
    report.json      the result; report.html, trigger.png and others are views of it
    head.json        in-toto statement: SHA-256 of every file above, and their Merkle root
    head.dsse.json   DSSE envelope with an Ed25519 signature over head.json (only if signed)
    head.tsr         RFC 3161 time stamp over head.dsse.json, or over head.json if not signed
    head.sigstore.json  Sigstore bundle: a signature over head.json by an identity
    attested.json    lists the two files above with their hashes (only if there are any)
    handover.json    names the files withheld from a hand-over edition

The label store beside them is the running audit's memory; it is no evidence and not listed.
"""

from __future__ import annotations

import re

from auditor.report.views import FILES, VIEW_FILES

FORMAT = "xray-audit-evidence/1"
PLAN, PLAN_SIGNATURE = "plan.json", "plan.dsse.json"
EARLIER_PLANS = "plans/"
LOG, RUN, PROFILE = "log.jsonl", "run.json", "profile.json"
SAMPLES, PICTURES = "samples.z", "pictures.json"
REPORT, PAGE, TRIGGER_PICTURE = "report.json", "report.html", "trigger.png"
HEAD, HEAD_SIGNATURE, HANDOVER = "head.json", "head.dsse.json", "handover.json"
STAMP, SIGSTORE, ATTESTED = "head.tsr", "head.sigstore.json", "attested.json"
ATTESTATIONS = (SIGSTORE, STAMP)
"""Attestations by others about a head, in the order listed."""
VIEWS = "views/"
"""Folder of views made after the head, which therefore says nothing about them."""

REQUIRED = (PLAN, LOG, RUN, REPORT)
PRIVATE = (SAMPLES, PICTURES)
"""Always withheld from a hand-over edition, with every view that shows pictures."""
SEALED = (*REQUIRED, *PRIVATE, PLAN_SIGNATURE, PROFILE, TRIGGER_PICTURE, *VIEW_FILES)
"""Files that a head may list, besides earlier plans."""
OUTSIDE = (HEAD, HEAD_SIGNATURE, HANDOVER, ATTESTED, *ATTESTATIONS)
"""Files that the head cannot list: itself, attestations of it, and the list of files left out."""
WORKING = ("labels.sqlite3", "labels.sqlite3-wal", "labels.sqlite3-shm", "check.json")
"""Memory of the running audit; not evidence, never packed."""
REPORT_SECONDS = 6.0
"""Longest reading of a report: more than ten million labels in its maps."""
_MIB = 1024**2
_LARGEST = {
    LOG: 1024 * _MIB, SAMPLES: 1024 * _MIB, PICTURES: 256 * _MIB, REPORT: 128 * _MIB,
    PLAN: 64 * _MIB, RUN: 32 * _MIB, PROFILE: 32 * _MIB, HEAD: _MIB, HEAD_SIGNATURE: 2 * _MIB,
    PLAN_SIGNATURE: _MIB, HANDOVER: _MIB, ATTESTED: _MIB, STAMP: _MIB, SIGSTORE: 4 * _MIB,
}  # fmt: skip


def largest(name: str) -> int:
    """Bytes that the file ``name`` may have: far more than an audit writes, and no more than can
    be looked at within moments.
    """
    return _LARGEST.get(name, 128 * _MIB)


_EARLIER_PLAN = re.compile(rf"{EARLIER_PLANS}[0-9a-f]{{64}}\.json")


def may_seal(name: str) -> bool:
    """True if the head of a bundle may list a file of this name."""
    return name in SEALED or _EARLIER_PLAN.fullmatch(name) is not None


def is_view(name: str) -> bool:
    """True for a view made after the head."""
    return name.startswith(VIEWS) and name.removeprefix(VIEWS) in FILES.values()
