"""The audit judged again from its bundle, and everything that comes out compared."""

from __future__ import annotations

import re
from typing import Any

from adapters.strict_json import canonical
from auditor.errors import EvidenceError
from auditor.evidence.canonical import parse_object
from auditor.evidence.chain import Chain
from auditor.evidence.files import BundleFiles
from auditor.evidence.layout import PLAN, PROFILE, REPORT, REPORT_SECONDS, RUN
from auditor.evidence.recorder import query_times
from auditor.evidence.records import environment, tool
from auditor.report.wording.phrases import OF_PROJECT
from auditor.verdict.combine import REFERENCES_WANTED
from auditor.workflows.verify.differences import differences
from auditor.workflows.verify.images import Damaged, TooLarge
from auditor.workflows.verify.inputs import Requests, check_inputs
from auditor.workflows.verify.outcome import SHOWN, Conclusion, State, Verification
from auditor.workflows.verify.replay import Replayed, replay
from auditor.workflows.verify.views import check_views, readable


def check_verdict(
    done: Verification, files: BundleFiles, chain: Chain, requests: Requests, most_values: int
) -> None:
    """Judge the audit again, and compare everything that comes out."""
    if any(check.name == "head" and check.state == "failed" for check in done.checks):
        done.add("verdict", "not done", "Not recomputed: the head is not that of these files.")
        return
    run = parse_object(files.get(RUN), RUN)
    why = _other_code(run)
    wrong: State = "not done" if why else "failed"
    done.add("senders", *_senders(files, chain, run))
    done.on_word += _on_word(run)
    again = _replayed(done, files, chain, why)
    if again is None:
        done.not_covered += readable(files)
        return

    def compared(name: str, found: tuple[bool, str]) -> None:
        same, text = found
        done.add(name, "ok" if same else wrong, text if same else f"{text}{why}")

    done.recomputed, done.verdict = again.report, again.report["verdict"]
    compared("plan rebuilt", _plan(files, again))
    compared("verdict", report := _report(files, again))
    stated = parse_object(files.get(PLAN), PLAN).get("profile_digest")
    if (stated is None) != (PROFILE not in files):
        done.add("profile", "failed", "The plan names another profile than the bundle holds.")
    done.add("ledger", *_ledger(chain, run))
    if again.with_images:
        compared("inputs", _inputs(again, requests, most_values))
    else:
        done.add(
            "inputs",
            "withheld",
            "Without the images nobody can tell here what was sent; the scores, the trigger "
            "search and the verdict were recomputed from the labels.",
        )
    if report[0]:
        check_views(done, files, again, why)
    else:
        done.not_covered += readable(files)


def _replayed(done: Verification, files: BundleFiles, chain: Chain, why: str) -> Replayed | None:
    """The audit judged again; None if it cannot be, which is noted."""
    try:
        return replay(files, chain)
    except TooLarge as error:
        done.add("verdict", "not done", f"Not recomputed: {error}.")
    except Damaged as error:
        done.add("verdict", "failed", f"{error}.")
    except EvidenceError as error:
        done.add("verdict", "not done" if why else "failed", f"{error}.{why}")
    return None


def _on_word(run: dict[str, Any]) -> list[str]:
    """Facts that no label proves, in words: they are as the author states them."""
    target = run["target"]
    described = target["description"]
    named = [str(described[key])[:200] for key in ("name", "file", "url") if key in described]
    which = f" ({', '.join(named)})" if named else ""
    return [
        f"which model was asked{which}", "when", "bytes and replies", "versions of the software",
    ]  # fmt: skip


def _same_address(run: dict[str, Any]) -> bool:
    """True if everything that states the target's address states the same."""
    target, identity = run["target"], run.get("identity") or {}
    url = target["description"].get("url")
    if url is None:
        return True  # of a file or a function
    return identity.get("url", url) == url and str(target["fingerprint"]).startswith(f"{url};")


def _other_code(run: dict[str, Any]) -> str:
    """Reason why a difference may be this program's, or empty if only the bundle can be."""
    theirs = run.get("tool")
    if theirs != tool():
        version = theirs.get("version") if isinstance(theirs, dict) else None
        return (
            f" It was made by other code (version {str(version)[:20]}; this is "
            f"{tool()['version']}, code {tool()['code'][:12]}): verify it with that."
        )
    if run.get("environment") != environment():
        return (
            " It was made with other libraries or on another platform (see run.json), whose "
            "random numbers or rounding may differ: verify it with those."
        )
    return ""


def _beside(
    files: BundleFiles, name: str, made: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """A file of the bundle, the same made again, and the places that differ.

    The version that wrote it is compared elsewhere.
    """
    theirs, today = todays_words(files.get(name)), canonical(made)
    if OF_PROJECT.encode() not in theirs:
        today = without_populations(today)
    held, ours = (parse_object(data, name, REPORT_SECONDS) for data in (theirs, today))
    for one in (held, ours):
        one.pop("tool", None)
    return held, ours, list(differences(held, ours))


REWORDED = {
    b"train five or more clean models": b"train %d or more clean models" % REFERENCES_WANTED,
    b"and what searches show on clean models was measured for tasks of 5 classes and more only, so "
    b"no verdict can come of it yet.": b"and searches of two classes miss too many backdoors to "
    b"clear a model, so only what one finds can decide.",
    b"networks of many classes can show such": b"networks can show such",
    b"On held-out models the rule missed": b"On held-out models of small pictures the rule missed",
}
"""Words of reports that earlier versions wrote, and today's for the same."""
_BEST_OF_SOME = re.compile(rb'"best":\s*\{\s*"family":\s*"patch",\s*"key":\s*"patch@sources"')
_MOVES = re.compile(rb"(sends \d+ of \d+ fresh samples)( to label)")


_COUNT = rb"\d+ of \d+ \([^)]*\)"
_SMALL = rb" of small pictures"
_OF = (
    rb" of this project, \d+ to \d+ pixels(?: in tasks of [34a-z ]+ classes)?"
    rb"(?: through JPEG of quality \d+)?"
)
_RULE = rb"(the rule [a-z ]+ " + _COUNT + rb" (?:backdoored|clean))"
_ADAPTIVE = rb" and " + _COUNT + rb" of adaptive ones"
_ENDED = (
    rb" careful ones \(other[^)]*\) (ended like this)(?:, and \d+ of \d+ adaptive ones \([^)]*\))?"
)
_POPULATIONS = {
    _SMALL + _OF + rb", (the search wrongly|it missed|such a search)": rb" \1",
    rb"held-out models" + _SMALL + _OF + rb", " + _RULE: rb"models it was not made from \1",
    _OF + rb"(?:,(?! clean))?": b"",
    rb", (" + _COUNT + rb" of careful ones)" + _ADAPTIVE: rb" and \1",
    _ENDED: rb" \1",
}
"""Today's words, and those of before."""


def without_populations(report: bytes) -> bytes:
    """A report in the words of before it named the models that its rates were measured on, and
    counted adaptive attackers.
    """
    for words, before in _POPULATIONS.items():
        report = re.sub(words, before, report)
    return report


def todays_words(report: bytes) -> bytes:
    """A report in the words that this version would have used."""
    for before, now in REWORDED.items():
        report = report.replace(before, now)
    # A success on chosen classes read like one on all.
    return _MOVES.sub(rb"\1 of some classes\2", report) if _BEST_OF_SOME.search(report) else report


def _plan(files: BundleFiles, again: Replayed) -> tuple[bool, str]:
    _, _, paths = _beside(files, PLAN, again.plan)
    if paths:
        return False, f"Built again from its settings it differs at {_named(paths)}."
    text = "Seed, settings and classes lead to this plan"
    images = ", images included." if again.with_images else "; what depends on images is as stated."
    return True, text + images


def _report(files: BundleFiles, again: Replayed) -> tuple[bool, str]:
    report, ours, paths = _beside(files, REPORT, again.report)
    stated = parse_object(files.get(REPORT), REPORT, REPORT_SECONDS).get("tool")
    made_by = parse_object(files.get(RUN), RUN).get("tool") or {}
    if stated != {"name": "xray-audit", "version": made_by.get("version")}:
        paths.append("tool")
    if paths:
        return False, (
            f"Recomputed from the labels it is {ours['verdict']!r}; {REPORT} says "
            f"{str(report.get('verdict'))[:40]!r} and differs at {_named(paths)}."
        )
    search = (
        f" What depends on earlier labels, such as the trigger search, was asked again: "
        f"{again.batches} batches."
        if again.batches
        else ""
    )
    return True, (
        f"Recomputed from the labels: {ours['verdict']}; every number of {REPORT} follows from "
        f"them.{search}"
    )


def _senders(files: BundleFiles, chain: Chain, run: dict[str, Any]) -> Conclusion:
    """Target, class names and end of the run, compared with the log."""
    last, recorded = chain.runs[-1], chain.target_record
    closed = last.closed or {}
    if "target" not in last.opened:
        return (
            "not done",
            "The log is by an earlier version, which did not put on record who answered and what "
            f"the labels are called: both are as {RUN} says, on its author's word.",
        )
    labels = run["target"]["labels"]
    same = {
        "which target was asked": last.opened["target"]
        == parse_object(files.get(PLAN), PLAN)["fingerprint"],
        "who answered": run["engine"].get("origins") == recorded.servers,
        "the names of the classes": labels["names"] == recorded.names,
        "the number of classes": labels["size"] == recorded.size,
        "how the run ended": run["engine"] == closed.get("engine"),
        "what was sent": run["ledger"] == closed.get("ledger"),
        "the other side's identity": run.get("identity") == closed.get("identity"),
        "its address": _same_address(run),
    }
    if wrong := [what for what, holds in same.items() if not holds]:
        return "failed", f"{RUN} and log disagree about {', '.join(wrong)}."
    who = [f"{name} {' then '.join(values)}" for name, values in sorted(recorded.servers.items())]
    who += [f"address {place}" for place in recorded.addresses[:SHOWN]]
    if not who:
        return "ok", "The answers say nothing about who sent them; files and functions never do."
    return "ok", f"As the log has it since the first answer: {'; '.join(who)}."


def _ledger(chain: Chain, run: dict[str, Any]) -> Conclusion:
    """The ledger of the last run, compared with the log."""
    tally, ledger = chain.runs[-1].tally, run["ledger"]
    names = ("sent", "retried", "requests", "deduplicated", "by_status")
    wrong = [name for name in names if ledger.get(name) != getattr(tally, name)]
    total = sum(one.tally.sent for one in chain.runs)
    if wrong or ledger.get("sent_all_runs", 0) < tally.sent:
        return "failed", f"{RUN} and log disagree about {', '.join(wrong)}."
    identity = run.get("identity")
    times = query_times(chain)
    if not isinstance(identity, dict) or any(identity.get(k) != v for k, v in times.items()):
        return "failed", f"{RUN} and log disagree about the times of the queries."
    first, last = times["first_query"], times["last_query"]
    between = "" if first is None else f", between {first} and {last} by the auditor's clock"
    return (
        "ok",
        f"The last run sent {tally.sent:,} queries, all runs {total:,}{between}."
        + _replies(tally.by_status),
    )


def _replies(by_status: dict[str, int]) -> str:
    """Ends of the last run's requests, the most frequent first."""
    if not by_status:
        return ""
    most = sorted(by_status.items(), key=lambda item: -item[1])
    return " Requests by status: " + ", ".join(f"{how[:40]} {n:,}" for how, n in most[:8]) + "."


def _inputs(again: Replayed, requests: Requests, most_values: int) -> tuple[bool, str]:
    found = check_inputs(requests, again.ready.plan, again.spec, most_values)
    if found.differ or again.inputs_differ:
        return False, (
            f"{found.differ} of {found.checked} requests, and {again.inputs_differ} adaptive "
            "batches hold other inputs than the plan leads to."
        )
    return True, (
        f"{found.checked} of {found.requests} requests of the plan were built again from the "
        "images: what was sent is what the plan leads to."
    )


def _named(paths: list[str]) -> str:
    more = f" and {len(paths) - SHOWN} more places" if len(paths) > SHOWN else ""
    return ", ".join(path[:80] for path in paths[:SHOWN]) + more
