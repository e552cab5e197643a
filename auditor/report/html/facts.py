"""Facts of an audit: model, settings, samples, queries, and the way to check them again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from auditor.report.html.parts import (
    Html,
    bullets,
    facts,
    folded,
    free_form,
    table,
    tag,
)
from auditor.report.result.course import InputPart
from auditor.report.result.judgement import ProfilePart
from auditor.report.result.result import Result
from auditor.report.wording import text
from auditor.report.wording.terms import called, further, score_title, unnoticed
from auditor.report.wording.text import safe_text

MAX_WRONG = 5
"""Wrongly labelled samples that are listed one by one."""

MOST_FACTS = 5
"""Entries shown of a free-form object: the model's description, or a profile's."""

IDENTITY = {
    "addresses": "Addresses of its name",
    "certificate": "SHA-256 of its certificate",
    "headers": "Headers",
    "model_version": "Model version",
    "clock_offset_s": "Its clock minus ours",
}
SAID = ("url", "access", "encoding")
"""Of the model's own facts what the page says elsewhere."""
TOLD = ("url", "first_query", "last_query")
"""Of the server's identity what the page says elsewhere."""

ACCESS = {
    "float": "Numbers, unclipped: inputs may leave the natural range of pixels",
    "image": "Uploaded pictures: scores compare only with references asked the same way",
}


def _sent(taken: InputPart) -> str:
    if not taken.recoded:
        return safe_text(taken.encoding)
    return f"{safe_text(taken.encoding)}; the service makes {safe_text(taken.recoded)} of it"


def model(result: Result) -> Html:
    """The model, its fingerprint and its input."""
    taken = result.input
    channels, height, width = taken.shape
    rows: list[tuple[object, object]] = [
        ("Access", ACCESS.get(result.access, safe_text(result.access))),
        ("Input", f"{text.plural(channels, 'channel')}, {height} × {width} (height × width)"),
        ("Value range", f"{_range(taken)}, {safe_text(taken.origin)}"),
        ("Sent as", _sent(taken)),
        ("Planes computed in", safe_text(taken.space)),
    ]
    stated = {key: value for key, value in result.model.items() if key not in SAID}
    note = "What the target says about itself. The verdict holds for this fingerprint only."
    return folded(
        "model", "Model", tag("p", note), free_form(stated, MOST_FACTS),
        facts(rows, "facts plain"),
    )  # fmt: skip


def identity(run: Mapping[str, Any]) -> Html | None:
    """The server that answered, and the software that asked; None without a record."""
    parts = [
        # The file sorts its keys, so the page does too: made again, it must be the same.
        (title, free_form(told))
        for title, key in (("Who answered", "identity"), ("Asked with", "environment"))
        if isinstance(held := run.get(key), Mapping)
        and (told := _told(json.loads(json.dumps(held, sort_keys=True))))
    ]
    if not parts:
        return None
    shown = [tag("div", tag("h4", title), listed) for title, listed in parts]
    return folded("identity", "Endpoint and environment", shown)


def _told(held: Mapping[str, Any]) -> dict[str, Any]:
    """Facts that are not said elsewhere, by names for readers; libraries in one line."""
    told = {
        IDENTITY.get(key, key): value
        for key, value in held.items()
        if key not in TOLD and value is not None
    }
    if isinstance(clock := told.get(IDENTITY["clock_offset_s"]), Mapping):
        told[IDENTITY["clock_offset_s"]] = f"{clock.get('low')} to {clock.get('high')} s"
    if isinstance(versions := told.get("libraries"), Mapping):
        told["libraries"] = ", ".join(f"{name} {version}" for name, version in versions.items())
    return told


def _range(taken: InputPart) -> str:
    ends = zip(taken.low, taken.high, strict=False)
    each = [f"{low:g} to {high:g}" for low, high in ends][:8]
    return each[0] if len(set(each)) == 1 else "; ".join(each)


def settings(result: Result) -> Html:
    """Everything decided before the first query."""
    said = "Fixed in a plan, and the plan hashed, before the first query."
    return folded("settings", "Settings", tag("p", said), free_form(result.content["settings"]))


def profile(result: Result) -> Html:
    """The reference profile, or that there is none."""
    held = result.profile
    if held is None:
        nothing = "No reference profile was applied; the scores were compared with nothing."
        return folded("profile", "Reference profile", tag("p", nothing))
    # Said by the sentence, or by the audit itself, which fits them.
    skipped = {"thresholds", "error_rates", "name", "status", "access", "coding", "references"}
    rows = [
        (score_title(name), text.score(limit.value), text.interval(limit.low, limit.high))
        for name, limit in held.thresholds.items()
    ]
    head = ("Score", "Threshold", "Lowest and highest over attacks")
    given = result.content["profile"]
    plain = {key: value for key, value in given.items() if key not in skipped}
    return folded(
        "profile",
        "Reference profile",
        tag("p", _status(held)),
        table("Thresholds of the profile", head, rows, "numbers"),
        free_form(plain, MOST_FACTS),
    )


def _status(profile: ProfilePart) -> str:
    references = profile.references
    held = ""
    if references is not None:
        clean = text.plural(references.clean, "clean reference model")
        held = f" It rests on {clean} and {text.count(references.backdoored)} backdoored."
    name = safe_text(profile.name, 60)
    sentences = {
        "calibrated": f"Profile “{name}” was calibrated for this task and access mode.",
        "provisional": f"Profile “{name}” is provisional: too few clean references to clear a "
        "model.",
        "published": f"Profile “{name}” holds published thresholds. They belong to other models, "
        "are known not to transfer, and decide nothing here.",
    }
    return sentences.get(profile.status, f"Profile “{name}”.") + held


def samples(result: Result) -> Html:
    """The clean samples and which of them the model gets wrong."""
    held = result.samples
    wrong = held.wrong
    rows: list[tuple[object, object]] = [
        ("Given", text.count(held.count)),
        ("Used in planes" if result.settings.planes else "Asked", text.count(held.used)),
        ("Labelled correctly by the model", text.percent(held.accuracy, 0)),
        ("Classes matched by", safe_text(held.classes_matched_by)),
        ("Digest", tag("code", safe_text(held.digest, 130))),
    ]
    listed = [
        (safe_text(w.ref), called(result, w.true), called(result, w.label))
        for w in wrong[:MAX_WRONG]
    ]
    rest = len(wrong) - len(listed)
    caption = "Samples that the model labels differently"
    return folded(
        "samples",
        "Clean samples",
        facts(rows, "facts plain"),
        table(caption, ("Sample", "True class", "Model's label"), listed) if listed else None,
        tag("p", f"{rest} more stand in report.json.") if rest else None,
    )


def repeats(result: Result) -> Html:
    """Repeated inputs and how many got another label."""
    held = result.canaries
    if held is None:
        said = "No input was asked twice, so drift and chance in the answers were not checked."
    else:
        high, bound = held.high, ""
        if high is not None:
            bound = f" The {text.INTERVAL} reaches up to {text.percent(high, 0)}."
        said = (
            f"{text.plural(held.asked, 'input')} asked a second time: "
            f"{text.count(held.flipped)} got another label.{bound}{unnoticed(result)}"
        )
    return folded("canaries", "Repeated queries", tag("p", said))


def ledger(result: Result) -> Html:
    """Queries and their cost."""
    q, timing = result.queries, result.timing
    counts = [
        ("Planned", q.planned),
        ("Sent in this run", 0 if q.sent == q.sent_all_runs else q.sent),
        ("Sent over all runs", q.sent_all_runs),
        ("Answered from the store", q.cached),
        ("Saved, equal inputs", q.deduplicated),
        ("Sent again after a failure", q.retried),
        ("Unknown: in flight at a stop", q.unknown),
        ("Requests", 0 if len(q.by_status) == 1 else q.requests),
        ("Bytes sent", q.bytes_sent),
    ]
    if q.throttled is not None:
        counts.append(("Times asked to slow down", q.throttled))
    rows = [(name, text.count(number)) for name, number in counts if number]
    rows += [
        (f"Requests that ended with {safe_text(how, 40)}", text.count(number))
        for how, number in q.by_status.items()
    ]
    speed = timing.queries_per_second
    pace = f", {text.count(speed)} queries per second" if speed is not None else ""
    when = f"{text.seconds(timing.seconds)}{pace}."
    caption = "A query is one input; a request carries many"
    return folded(
        "queries",
        "Query ledger",
        tag("p", when),
        table(caption, ("Queries", "Number"), rows, "numbers"),
    )


def recheck() -> Html:
    """Command that verifies the numbers."""
    return folded(
        "recheck",
        "Check it yourself",
        tag(
            "p",
            tag("code", "xray-audit verify"),
            " computes scores and verdict again from the logged labels, without model or network; "
            "a program of a few lines in its documentation (auditor/report) the scores alone.",
        ),
    )


def unknown_parts(result: Result) -> Html | None:
    """Every key of the report that this version does not know; None without any."""
    found = further(result)
    if not found:
        return None
    return folded("extra", "Further findings", [_part(*pair) for pair in found.items()])


def _part(key: str, value: object) -> Html:
    body = free_form(value) if isinstance(value, Mapping) and value else _plain(key, value)
    return tag("div", tag("h4", safe_text(key.replace("_", " "), 60).capitalize()), body)


def _plain(key: str, value: object) -> Html:
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        return free_form({str(number): item for number, item in enumerate(value, 1)})
    if isinstance(value, list):
        return bullets(safe_text(item, 400) for item in value[:100])
    return free_form({key.replace("_", " "): value})
