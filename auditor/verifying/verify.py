"""``verify``: everything that can be checked about a bundle without asking anybody.

Each check ends in one of four states:

- ``ok``: it holds.
- ``failed``: it does not; the bundle cannot be relied on.
- ``withheld``: a hand-over edition leaves out what it would need.
- ``not done``: this program, on this machine, cannot tell.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from auditor.errors import EvidenceError, ExitCode, UsageError
from auditor.evidence.canonical import canonical, parse_object, sha256
from auditor.evidence.chain import Chain, read_chain, split_lines
from auditor.evidence.files import BundleFiles, read_files
from auditor.evidence.head import (
    Listed,
    head_statement,
    listing,
    plan_statement,
    read_head,
    read_key,
)
from auditor.evidence.layout import (
    EARLIER_PLANS,
    HANDOVER,
    HEAD,
    HEAD_SIGNATURE,
    LOG,
    OUTSIDE,
    PLAN,
    PLAN_SIGNATURE,
    PROFILE,
    REPORT,
    REQUIRED,
    RUN,
    VIEWS,
)
from auditor.evidence.packing import handover_note
from auditor.evidence.recorder import query_times
from auditor.evidence.records import environment, tool
from auditor.evidence.signing import PublicKey, check_envelope, envelope_payload
from auditor.verifying.compare import differences
from auditor.verifying.inputs import MOST_VALUES, Requests, check_inputs
from auditor.verifying.replay import UNREADABLE, Replayed, replay

State = Literal["ok", "failed", "withheld", "not done"]
SHOWN = 5
UNSIGNED = (
    "Nobody signed this bundle. It shows that its parts fit together and that its verdict follows "
    "from its labels; it does not show that any model ever gave these labels. Its author, or "
    "anybody after them, could have made up all of it."
)
SIGNED = (
    "Whoever holds the key {key} vouches for this bundle as it is. That shows that nothing was "
    "changed since; it does not show that the signer recorded every answer honestly, or audited "
    "only once."
)
WHOSE = "Compare the key with one that its owner gave you: verify BUNDLE --key FILE does."


@dataclass(frozen=True)
class Check:
    """One check: what was looked at, how it ended, and why in words."""

    name: str
    state: State
    text: str


@dataclass
class Verification:
    """What a bundle came to.

    Attributes:
        checks: in the order made.
        verdict: the verdict recomputed from the labels, or None.
        edition: "full" or "hand-over".
        signer: the key id of a valid signature, or None.
        recomputed: the report as it was recomputed, or None.
    """

    checks: list[Check] = field(default_factory=list)
    verdict: str | None = None
    edition: str = "full"
    signer: str | None = None
    recomputed: dict[str, Any] | None = None

    def add(self, name: str, state: State, text: str) -> None:
        """Note one check."""
        self.checks.append(Check(name, state, text))

    @property
    def failed(self) -> bool:
        """Whether any check failed."""
        return any(check.state == "failed" for check in self.checks)

    @property
    def exit_code(self) -> ExitCode:
        """0 where everything that the edition allows holds, 3 where something could not be told
        here, 4 where something does not hold.
        """
        if self.failed:
            return ExitCode.FAILED
        if any(check.state == "not done" for check in self.checks):
            return ExitCode.INCONCLUSIVE
        return ExitCode.NO_EVIDENCE

    @property
    def meaning(self) -> str:
        """What the bundle proves and what it does not, in words."""
        if self.failed:
            return "Do not rely on this bundle: something in it does not hold."
        if self.signer is None:
            return UNSIGNED
        return SIGNED.format(key=self.signer[:16])

    def as_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {
            "verified": self.exit_code == ExitCode.NO_EVIDENCE,
            "exit_code": int(self.exit_code),
            "edition": self.edition,
            "signed_by": self.signer,
            "verdict": self.verdict,
            "meaning": self.meaning,
            "checks": [
                {"check": check.name, "state": check.state, "text": check.text}
                for check in self.checks
            ],
        }


def verify_bundle(
    where: Path, trusted: PublicKey | None = None, most_values: int = MOST_VALUES
) -> Verification:
    """Check the bundle at ``where``, a folder or a ``.zip``; safe on a hostile one.

    Args:
        where: the bundle.
        trusted: the key that must have signed it; None takes any signature, or none.
        most_values: input values to build again; see :func:`check_inputs`.

    Raises:
        UsageError: there is nothing at ``where``.
    """
    done = Verification()
    try:
        files = read_files(where)
        listed, signer = read_head(files.get(HEAD))
    except EvidenceError as error:
        done.add("files", "failed", _unsealed(where, error))
        return done
    _check_files(done, files, listed)
    if done.failed:
        done.add("verdict", "not done", "Not recomputed: the files are not those of the head.")
        return done
    try:
        _check_content(done, files, listed, signer, trusted, most_values)
    except EvidenceError as error:
        done.add("records", "failed", f"{error}.")
    except (*UNREADABLE, RecursionError) as error:
        # Whatever it is that nobody writes: it is no reason to stop without a sentence.
        kind = type(error).__name__
        done.add("records", "failed", f"The records are not as they are written ({kind}).")
    return done


def _check_content(
    done: Verification,
    files: BundleFiles,
    listed: list[Listed],
    signer: PublicKey | None,
    trusted: PublicKey | None,
    most_values: int,
) -> None:
    requests = Requests([])
    chain = _check_log(done, files, requests)
    if chain is None:
        return
    _check_head(done, files, listed, chain, signer)
    _check_signature(done, files, signer, trusted)
    _check_plan(done, files, chain)
    _check_verdict(done, files, chain, requests, most_values)


def _unsealed(where: Path, error: EvidenceError) -> str:
    if not (where / HEAD).exists() and (where / LOG).exists():
        return f"{where} holds no {HEAD}: the audit has not come to its end, or it was removed."
    return str(error)


# ---- files ---------------------------------------------------------------------------------


def _check_files(done: Verification, files: BundleFiles, listed: list[Listed]) -> None:
    """Every listed file is there as listed, or withheld in the open; nothing else is there."""
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
    problems += [f"{name} is not in the head" for name in REQUIRED if name not in wanted]
    if problems:
        rest = len(problems) - SHOWN
        more = f"; and {rest} more" if rest > 0 else ""
        done.add("files", "failed", "; ".join(problems[:SHOWN]) + more + ".")
        return
    text = f"{len(found)} of {len(wanted)} files are there, each as the head lists it."
    done.add("files", "ok", text)
    if missing:
        done.add(
            "withheld", "withheld", f"Left out: {', '.join(missing)}; the head has their hashes."
        )
    if views:
        shown = ", ".join(views[:SHOWN])
        done.add("views", "withheld", f"Made later, and not evidence: {shown}.")


def _not_withheld(done: Verification, files: BundleFiles, missing: list[str]) -> list[str]:
    """Which of the missing files no hand-over note accounts for."""
    if HANDOVER not in files:
        return missing
    done.edition = "hand-over"
    if files.get(HANDOVER) == handover_note(missing) and not set(missing) & set(REQUIRED):
        return []
    return missing or [HANDOVER]


# ---- chain, head, signatures -----------------------------------------------------------------


def _check_log(done: Verification, files: BundleFiles, requests: Requests) -> Chain | None:
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


def _check_head(
    done: Verification,
    files: BundleFiles,
    listed: list[Listed],
    chain: Chain,
    signer: PublicKey | None,
) -> None:
    try:
        same = head_statement(listed, files.content, chain, signer) == files.get(HEAD)
    except EvidenceError as error:
        done.add("head", "failed", f"{error}.")
        return
    if same:
        done.add("head", "ok", "It follows from the files, Merkle root included.")
    else:
        done.add("head", "failed", f"{HEAD} is not the head of these files.")


def _check_signature(
    done: Verification, files: BundleFiles, signer: PublicKey | None, trusted: PublicKey | None
) -> None:
    if signer is None and HEAD_SIGNATURE not in files:
        if trusted is None:
            done.add("signature", "withheld", "None.")
        else:
            done.add("signature", "failed", "The bundle is not signed, and --key asks for it.")
        return
    if signer is None or HEAD_SIGNATURE not in files:
        done.add("signature", "failed", "Head and signature do not belong together.")
        return
    try:
        check_envelope(files.get(HEAD_SIGNATURE), files.get(HEAD), signer, HEAD_SIGNATURE)
    except EvidenceError as error:
        done.add("signature", "failed", f"{error}.")
        return
    except UsageError as error:
        done.add("signature", "not done", f"{error}.")
        return
    if trusted is not None and trusted != signer:
        done.add(
            "signature",
            "failed",
            f"It is by the key {signer.keyid[:16]}, not by the one given, {trusted.keyid[:16]}.",
        )
        return
    done.signer = signer.keyid
    whose = "the key given" if trusted is not None else f"the key {signer.keyid[:16]}"
    done.add("signature", "ok", f"Valid, by {whose}." + ("" if trusted else f" {WHOSE}"))


# ---- the plan ------------------------------------------------------------------------------


def _check_plan(done: Verification, files: BundleFiles, chain: Chain) -> None:
    """The plan in the bundle is the one that the log was opened with, before any answer."""
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
    text = "The log was opened with it, before the first answer."
    if others:
        text += (
            f" {others} other plan{'s were' if others > 1 else ' was'} asked in the same folder "
            "before: the answers of all of them are in the log."
        )
    done.add("plan", "ok", text)
    if PLAN_SIGNATURE in files:
        _check_plan_signature(done, files, chain, plans.index(current))


def _check_plan_signature(done: Verification, files: BundleFiles, chain: Chain, first: int) -> None:
    data = files.get(PLAN_SIGNATURE)
    try:
        statement = parse_object(envelope_payload(data, PLAN_SIGNATURE), PLAN_SIGNATURE)
        predicate = statement.get("predicate")
        key = read_key(predicate.get("signer") if isinstance(predicate, dict) else None)
        if key is None:
            raise EvidenceError(f"{PLAN_SIGNATURE} names no key")
        check_envelope(data, plan_statement(files.get(PLAN), key), key, PLAN_SIGNATURE)
    except EvidenceError as error:
        done.add("plan signature", "failed", f"{error}.")
        return
    except UsageError as error:
        done.add("plan signature", "not done", f"{error}.")
        return
    text = f"Valid, by the key {key.keyid[:16]}."
    if chain.runs[first].opened.get("plan_signed") is None:
        text += " The log was opened without it: the plan was signed later, after first answers."
    done.add("plan signature", "ok", text)


# ---- the verdict ---------------------------------------------------------------------------


def _check_verdict(
    done: Verification, files: BundleFiles, chain: Chain, requests: Requests, most_values: int
) -> None:
    """Judge the audit again, and compare everything that comes out."""
    run = parse_object(files.get(RUN), RUN)
    why = _other_code(run)
    wrong: State = "not done" if why else "failed"
    try:
        again = replay(files, chain)
    except EvidenceError as error:
        done.add("verdict", wrong, f"{error}.{why}")
        return
    done.recomputed, done.verdict = again.report, again.report["verdict"]
    _compare_plan(done, files, again, wrong, why)
    _compare_report(done, files, again, wrong, why)
    _compare_profile(done, files)
    _compare_ledger(done, chain, run)
    if again.with_images:
        _compare_inputs(done, again, requests, most_values, wrong, why)
    else:
        done.add(
            "inputs",
            "withheld",
            "Without the images nobody can tell here what was sent; the scores, the trigger "
            "search and the verdict were recomputed from the labels.",
        )


def _other_code(run: dict[str, Any]) -> str:
    """Why a difference may be this program's, or empty where nothing but the bundle can be."""
    if run.get("tool") != tool():
        theirs = run.get("tool")
        version = theirs.get("version") if isinstance(theirs, dict) else None
        return (
            f" It was made by other code (version {str(version)[:20]}; this is "
            f"{tool()['version']}, code {tool()['code'][:12]}): verify it with that."
        )
    held = run.get("environment")
    if held != environment():
        return (
            " It was made with other libraries or on another platform (see run.json), whose "
            "random numbers or rounding may differ: verify it with those."
        )
    return ""


def _beside(
    files: BundleFiles, name: str, made: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """A file of the bundle, what it is when made again, and where they differ.

    Which version wrote it is compared elsewhere.
    """
    held, ours = parse_object(files.get(name), name), parse_object(canonical(made), name)
    for one in (held, ours):
        one.pop("tool", None)
    return held, ours, list(differences(held, ours))


def _compare_plan(
    done: Verification, files: BundleFiles, again: Replayed, wrong: State, why: str
) -> None:
    _, _, paths = _beside(files, PLAN, again.plan)
    if paths:
        text = f"Built again from its settings it differs at {_named(paths)}.{why}"
        done.add("plan rebuilt", wrong, text)
        return
    text = "Seed, settings and classes lead to this plan"
    text += ", images included." if again.with_images else "; what depends on images is as stated."
    done.add("plan rebuilt", "ok", text)


def _compare_report(
    done: Verification, files: BundleFiles, again: Replayed, wrong: State, why: str
) -> None:
    report, ours, paths = _beside(files, REPORT, again.report)
    if paths:
        done.add(
            "verdict",
            wrong,
            f"Recomputed from the labels it is {ours['verdict']!r}; {REPORT} says "
            f"{str(report.get('verdict'))[:40]!r} and differs at {_named(paths)}.{why}",
        )
        return
    search = (
        f" What depends on earlier labels, such as the trigger search, was asked again: "
        f"{again.batches} batches."
        if again.batches
        else ""
    )
    done.add(
        "verdict",
        "ok",
        f"Recomputed from the labels: {ours['verdict']}; every number of {REPORT} follows from "
        f"them.{search}",
    )


def _compare_profile(done: Verification, files: BundleFiles) -> None:
    stated = parse_object(files.get(PLAN), PLAN).get("profile_digest")
    if (stated is None) != (PROFILE not in files):
        done.add("profile", "failed", "The plan names another profile than the bundle holds.")


def _compare_ledger(done: Verification, chain: Chain, run: dict[str, Any]) -> None:
    """What the last run says it sent is what the log has of it."""
    tally, ledger = chain.runs[-1].tally, run["ledger"]
    names = ("sent", "retried", "requests", "deduplicated")
    wrong = [name for name in names if ledger.get(name) != getattr(tally, name)]
    total = sum(one.tally.sent for one in chain.runs)
    if wrong or ledger.get("sent_all_runs", 0) < tally.sent:
        done.add("ledger", "failed", f"{RUN} and log disagree about {', '.join(wrong)}.")
        return
    identity = run.get("identity")
    times = query_times(chain)
    if not isinstance(identity, dict) or any(identity.get(k) != v for k, v in times.items()):
        done.add("ledger", "failed", f"{RUN} and log disagree about the times of the queries.")
        return
    done.add(
        "ledger",
        "ok",
        f"The last run sent {tally.sent:,} queries, all runs {total:,}{_between(times)}.",
    )


def _between(times: dict[str, str | None]) -> str:
    first, last = times["first_query"], times["last_query"]
    return "" if first is None else f", between {first} and {last} by the auditor's clock"


def _compare_inputs(
    done: Verification,
    again: Replayed,
    requests: Requests,
    most_values: int,
    wrong: State,
    why: str,
) -> None:
    spec = again.spec
    found = check_inputs(requests, again.ready.plan, spec, most_values)
    if found.differ or again.inputs_differ:
        done.add(
            "inputs",
            wrong,
            f"{found.differ} of {found.checked} requests, and {again.inputs_differ} adaptive "
            f"batches hold other inputs than the plan leads to.{why}",
        )
        return
    done.add(
        "inputs",
        "ok",
        f"{found.checked} of {found.requests} requests of the plan were built again from the "
        "images: what was sent is what the plan leads to.",
    )


def _named(paths: list[str]) -> str:
    more = f" and {len(paths) - SHOWN} more places" if len(paths) > SHOWN else ""
    return ", ".join(path[:80] for path in paths[:SHOWN]) + more
