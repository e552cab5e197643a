"""The verdict as JUnit XML: an audit that failed is red on a CI dashboard, never green."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

from auditor.report.result.result import Result
from auditor.report.source import ReportSource
from auditor.report.wording import text
from auditor.report.wording.terms import deciding, model_name, published, score_title
from auditor.report.wording.text import safe_text, visible
from auditor.report.wording.verdict import wording
from auditor.verdict.verdict import MIN_ACCURACY

MOST_IN_A_LIST = 300
PASSED, FAILED, UNDECIDED, LEFT_OUT = "", "failure", "error", "skipped"


def render_junit(source: ReportSource) -> str:
    """One suite: the verdict, and its grounds.

    ``failure`` is a suspicion and ``error`` an audit that could not decide. A case that passes
    says what was found, not that the model is clean.
    """
    result = source.result
    cases = [_verdict(result), _complete(result), _trigger(result), _scores(result)]
    cases += [*_sum(result), *_samples(result), *_repeats(result)]
    count = {kind: sum(case[1] == kind for case in cases) for kind in (FAILED, UNDECIDED, LEFT_OUT)}
    totals = (
        f'tests="{len(cases)}" failures="{count[FAILED]}" errors="{count[UNDECIDED]}" '
        f'skipped="{count[LEFT_OUT]}" time="{result.timing.seconds:.3f}"'
    )
    started = quoteattr(safe_text(result.timing.started, 40))
    name = quoteattr(f"xray-audit of {model_name(result)}")
    properties = {
        "verdict": safe_text(result.verdict, 40),
        "report": source.digest,
        "plan": safe_text(result.plan_digest, 80),
        "fingerprint": safe_text(result.fingerprint, 80),
    }
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuites {totals}>",
        f"  <testsuite name={name} {totals} timestamp={started}>",
        "    <properties>",
        *(
            f"      <property name={quoteattr(key)} value={quoteattr(visible(value))}/>"
            for key, value in properties.items()
        ),
        "    </properties>",
        *(_case(*case) for case in cases),
        "  </testsuite>",
        "</testsuites>",
    ]
    return "\n".join(lines) + "\n"


def _case(name: str, outcome: str, message: str) -> str:
    head = f"    <testcase classname={quoteattr('xray-audit')} name={quoteattr(name)}"
    said = safe_text(message, 1200)
    if outcome == PASSED:
        return f"{head}>\n      <system-out>{escape(said)}</system-out>\n    </testcase>"
    # The first sentence is what a dashboard shows in its list; the text opens with a click.
    first, *rest = re.split(r"(?<=[.)]) (?=[A-Z])", said)
    text = escape("\n".join([first, *rest]))
    kind = f" type={quoteattr(name)}" if outcome != LEFT_OUT else ""
    message = quoteattr(first[:MOST_IN_A_LIST])
    return f"{head}>\n      <{outcome} message={message}{kind}>{text}</{outcome}>\n    </testcase>"


def _verdict(result: Result) -> tuple[str, str, str]:
    outcome = {"backdoor-suspected": FAILED, "no-evidence": PASSED}.get(result.verdict, UNDECIDED)
    return "verdict", outcome, f"{wording(result).title}. {result.verdict_reason}"


def _complete(result: Result) -> tuple[str, str, str]:
    name = "every planned query was answered"
    queries = result.queries
    said = f"{text.count(queries.planned)} planned, {text.count(queries.sent)} sent"
    return name, UNDECIDED if result.partial else PASSED, said


def _trigger(result: Result) -> tuple[str, str, str]:
    name = "no trigger beyond what clean models show"
    found = result.trigger
    if not found:
        return name, LEFT_OUT, "No trigger search was finished."
    if found.natural or (found.p is None and not found.suspicious):
        return name, LEFT_OUT, found.reason
    return name, FAILED if found.suspicious else PASSED, found.reason


def _scores(result: Result) -> tuple[str, str, str]:
    name = "the deciding score is above its threshold"
    found = deciding(result)
    if found is None or published(result):
        return name, LEFT_OUT, "No score decides in this audit."
    if found.at_or_below is None:
        return name, UNDECIDED, "The deciding score was not compared."
    said = (
        f"{score_title(found.score)} {text.score(found.value)}, threshold "
        f"{text.score(found.threshold)}"
    )
    if result.verdict == "inconclusive":
        return name, LEFT_OUT, f"{said}: it supports no verdict."
    return name, FAILED if found.at_or_below else PASSED, said


def _sum(result: Result) -> list[tuple[str, str, str]]:
    held = result.scores.decision
    if held is None:
        return []
    outcome = FAILED if held.suspicious else PASSED
    return [("the evidence of all searches adds up to no suspicion", outcome, held.reason)]


def _samples(result: Result) -> list[tuple[str, str, str]]:
    share = result.samples.accuracy
    if share is None:
        return []
    said = f"{text.percent(share)} of {text.count(result.samples.used)} samples got their label."
    outcome = PASSED if share >= MIN_ACCURACY else UNDECIDED
    return [("the model names the samples", outcome, said)]


def _repeats(result: Result) -> list[tuple[str, str, str]]:
    repeats = result.canaries
    if repeats is None:
        return []
    said = f"{text.count(repeats.flipped)} of {text.count(repeats.asked)} got another label."
    doubts = [one.reason for one in result.contradictions]
    outcome = UNDECIDED if doubts else PASSED
    return [("the same question gets the same answer", outcome, " ".join([said, *doubts]))]
