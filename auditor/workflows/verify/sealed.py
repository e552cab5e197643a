"""Checks that a bundle is as it was sealed: its files, log, head and signatures."""

from __future__ import annotations

from auditor.errors import EvidenceError, UsageError
from auditor.evidence.attest.signing import PublicKey, check_envelope, envelope_payload
from auditor.evidence.canonical import parse_object, sha256
from auditor.evidence.chain import Chain, read_chain, split_lines
from auditor.evidence.files import BundleFiles
from auditor.evidence.head import Listed, head_statement, listing, plan_statement, read_key
from auditor.evidence.layout import (
    EARLIER_PLANS,
    HANDOVER,
    HEAD,
    HEAD_SIGNATURE,
    LOG,
    OUTSIDE,
    PLAN,
    PLAN_SIGNATURE,
    PRIVATE,
    REPORT,
    REPORT_SECONDS,
    REQUIRED,
    VIEWS,
    WORKING,
    is_view,
)
from auditor.evidence.packing import handover_note
from auditor.workflows.verify.inputs import Requests
from auditor.workflows.verify.outcome import SHOWN, Conclusion, Verification, sentence

WHOSE = "Compare the key with one that its owner gave you: verify BUNDLE --key FILE does."


def check_files(done: Verification, files: BundleFiles, listed: list[Listed]) -> None:
    """Check that every listed file is there as listed or withheld in the open, and no other."""
    held = {name: data for name, data in files.content.items() if name not in OUTSIDE}
    views = sorted(name for name in held if name.startswith(VIEWS))
    found = {file.path: file for file in listing({n: held[n] for n in held if n not in views})}
    wanted = {file.path: file for file in listed}
    missing = sorted(wanted.keys() - found.keys())
    problems = [
        f"{name} was changed" for name in wanted if found.get(name, wanted[name]) != wanted[name]
    ]
    problems += [f"{name} is missing" for name in _not_withheld(done, files, missing)]
    problems += [
        f"{name} is not listed in the head" for name in sorted(found.keys() - wanted.keys())
    ]
    problems += [f"{name[:80]!r} does not belong here" for name in files.strange]
    problems += [f"{name} does not belong here" for name in views if not is_view(name)]
    needed = (*REQUIRED, *PRIVATE)
    problems += [f"{name} is not in the head" for name in needed if name not in wanted]
    if problems:
        rest = len(problems) - SHOWN
        more = f"; and {rest} more" if rest > 0 else ""
        done.add("files", "failed", "; ".join(problems[:SHOWN]) + more + ".")
        return
    text = f"{len(found)} of {len(wanted)} files are there, each as {HEAD} lists it."
    done.add("files", "ok", text)
    if missing:
        done.add(
            "withheld", "withheld", f"Left out: {', '.join(missing)}; the head has their hashes."
        )
    hidden = [name for name in files.working if name not in WORKING]
    done.not_covered += sorted(f"{name[:80]!r} (hidden, not read)" for name in hidden)


def _not_withheld(done: Verification, files: BundleFiles, missing: list[str]) -> list[str]:
    """Those of the missing files that no hand-over note accounts for."""
    if HANDOVER not in files:
        return missing
    done.edition = "hand-over"
    if files.get(HANDOVER) == handover_note(missing) and not set(missing) & set(REQUIRED):
        return []
    return missing or [HANDOVER]


def check_log(done: Verification, files: BundleFiles, requests: Requests) -> Chain | None:
    """Check that the log's entries follow from each other; the log as read, or None."""
    try:
        lines, torn = split_lines(files.get(LOG))
        if torn:
            raise EvidenceError("the label log ends in a half-written line")
        chain = read_chain(lines, rows=requests.add, answers=True)
        if not chain.runs or chain.runs[-1].closed is None:
            raise EvidenceError("the label log does not end with the end of a run")
    except EvidenceError as error:
        done.add("log", "failed", f"{error}.")
        return None
    runs = len(chain.runs)
    sent = sum(run.tally.sent for run in chain.runs)
    done.add(
        "log",
        "ok",
        f"{chain.entries} entries, each holding the hash of the one before it; "
        f"{runs} run{'s' if runs > 1 else ''} of the command, {sent:,} queries sent.",
    )
    return chain


def head_conclusion(
    files: BundleFiles, listed: list[Listed], chain: Chain, signer: PublicKey | None
) -> Conclusion:
    """Compare the head with the one that these files give."""
    try:
        report = parse_object(files.content[REPORT], REPORT, REPORT_SECONDS)
        made = head_statement(listed, files.content, chain, signer, report.get("verdict"))
        same = made == files.get(HEAD)
    except EvidenceError as error:
        return "failed", f"{error}."
    if not same:
        return "failed", f"{HEAD} is not the head of these files."
    return "ok", f"{HEAD} is the one that these files give, Merkle root included."


def signature_conclusion(
    done: Verification, files: BundleFiles, signer: PublicKey | None, trusted: PublicKey | None
) -> Conclusion:
    """Check that the signature fits the head and is by the key that was asked for."""
    if signer is None and HEAD_SIGNATURE not in files:
        asked = "The bundle is not signed, and --key asks for it."
        return ("withheld", "None.") if trusted is None else ("failed", asked)
    if signer is None or HEAD_SIGNATURE not in files:
        return "failed", "Head and signature do not belong together."
    try:
        check_envelope(files.get(HEAD_SIGNATURE), files.get(HEAD), signer, HEAD_SIGNATURE)
    except EvidenceError as error:
        return "failed", f"{error}."
    except UsageError as error:
        done.unchecked = True
        return "not done", sentence(error)
    if other := _by_another(signer, trusted):
        return "failed", other
    done.signer, done.trusted = signer.keyid, trusted is not None
    whose = "the key given." if trusted is not None else f"the key {signer.keyid[:16]}. {WHOSE}"
    return "ok", f"Valid, by {whose}"


def _by_another(signer: PublicKey, trusted: PublicKey | None) -> str:
    """The sentence that ``signer`` is not the key asked for, or empty."""
    if trusted is None or signer == trusted:
        return ""
    return f"It is by the key {signer.keyid[:16]}, not by the one given, {trusted.keyid[:16]}."


def check_plan(
    done: Verification, files: BundleFiles, chain: Chain, trusted: PublicKey | None
) -> None:
    """Check that the log was opened with the bundle's plan, before any answer."""
    current = sha256(files.get(PLAN))
    earlier = {
        name: sha256(data) for name, data in files.content.items() if name.startswith(EARLIER_PLANS)
    }
    wrong = [name for name, digest in earlier.items() if name != f"{EARLIER_PLANS}{digest}.json"]
    plans = [run.opened.get("plan") for run in chain.runs]
    unknown = [plan for plan in plans if plan != current and plan not in earlier.values()]
    if wrong or unknown or plans[-1] != current:
        done.add("plan", "failed", "The log was opened with another plan than the bundle holds.")
        return
    others = len({plan for plan in plans if plan != current})
    text = f"The log was opened with this {PLAN}, before the first answer."
    if others:
        text += (
            f" {others} other plan{'s were' if others > 1 else ' was'} asked in the same folder "
            "before: the answers of all of them are in the log."
        )
    done.add("plan", "ok", text)
    if PLAN_SIGNATURE in files:
        first = chain.runs[plans.index(current)]
        signed_first = first.opened.get("plan_signed") is not None
        done.add("plan signature", *_plan_signature(done.signer, files, trusted, signed_first))


def _plan_signature(
    signer: str | None,
    files: BundleFiles,
    trusted: PublicKey | None,
    signed_first: bool,  # noqa: FBT001 - one caller
) -> Conclusion:
    data = files.get(PLAN_SIGNATURE)
    try:
        statement = parse_object(envelope_payload(data, PLAN_SIGNATURE), PLAN_SIGNATURE)
        predicate = statement.get("predicate")
        key = read_key(predicate.get("signer") if isinstance(predicate, dict) else None)
        if key is None:
            raise EvidenceError(f"{PLAN_SIGNATURE} names no key")
        check_envelope(data, plan_statement(files.get(PLAN), key), key, PLAN_SIGNATURE)
    except EvidenceError as error:
        return "failed", f"{error}."
    except UsageError as error:
        return "not done", sentence(error)
    if other := _by_another(key, trusted):
        return "failed", other
    text = f"Valid, by the key {key.keyid[:16]}."
    if signer is not None and signer != key.keyid:
        text += " That is another key than signed the whole."
    if not signed_first:
        text += " The log was opened without it: the plan was signed later, after first answers."
    return "ok", text
