"""The end of an audit on the terminal: at most five lines, and the one command that comes next."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from auditor.report.result.result import Result
from auditor.report.wording.deciding import (
    all_clear_need,
    deciding_effort,
    ends_of,
    further_queries,
    may_clear,
)
from auditor.report.wording.resume import left_to_ask, resuming, shown, with_option, without_option
from auditor.report.wording.steps import unusable
from auditor.report.wording.terms import called, found_trigger, mean_shares, pairs
from auditor.report.wording.text import safe_text, seconds
from auditor.report.wording.verdict import wording
from auditor.verdict.clearing import LEAST_CLEARING

ENOUGH_SAMPLES = 40
"""Samples from which a search has enough fresh ones to show a perfect trigger."""
LONGEST_REASON = 400
Money = Callable[[int], float | None]
"""The price of so many queries; None if it is unknown."""
NOT_OF_PLAN = ("--open", "--fail-on", "--format", "--framework", "--accepted", "--sign-key")


def no_price(_: int) -> None:
    """Queries without a price."""


def show_end(
    result: Result,
    output: Path,
    files: Sequence[str] = ("report.html",),
    money: Money = no_price,
) -> list[str]:
    """Verdict, reason, target (if there is one), cost, and the paths of the report and its views
    (``files``); ``money`` is the price of so many queries.
    """
    lines = [f"Verdict: {wording(result).title.upper()}", f"  {first_sentence(result)}"]
    lines += [_target(result, output)] if result.verdict == "backdoor-suspected" else []
    lines.append(_cost(result, money))
    first, *rest = dict.fromkeys((*files, "report.json"))
    also = f" ({', '.join(rest)})" if rest else ""
    return [*(line for line in lines if line), f"  Report:  {output / first}{also}"]


def first_sentence(result: Result) -> str:
    """The reason's first sentence; the report has the others."""
    reason = safe_text(result.verdict_reason, 1200)
    return re.split(r"(?<=[.)]) (?=[A-Z])", reason)[0][:LONGEST_REASON]


def _target(result: Result, output: Path) -> str:
    best = found_trigger(result)
    if pairs(result):
        return f"  Picture: {output / 'trigger.png'}"
    if best is not None:
        return f"  Target:  {called(result, best.target)}, picture {output / 'trigger.png'}"
    if result.target_label is None or not result.planes:
        return ""
    share = mean_shares(result)[result.target_label]
    return f"  Target:  {called(result, result.target_label)}, fills {share:.0%} of the maps"


def _cost(result: Result, money: Money) -> str:
    queries = result.queries
    counts = {
        "from the store": queries.cached, "duplicates": queries.deduplicated,
        "retried": queries.retried, "unknown": queries.unknown,
    }  # fmt: skip
    parts = [f"{queries.planned:,} planned, {queries.sent:,} sent"]
    parts += [f"{count:,} {name}" for name, count in counts.items() if count]
    if queries.sent:
        parts.append(f"in {seconds(result.timing.seconds)}")
    price = money(queries.sent_all_runs)
    if price is not None:
        parts.append(f"price {price:,.2f}")
    return f"  Queries: {', '.join(parts)}"


def next_command(
    result: Result,
    output: Path,
    typed: Sequence[str],
    *,
    interrupted: bool,
    money: Money = no_price,
) -> str:
    """The one command that fits the end; ``typed`` are the words of the command that ended, and
    ``money`` is the price of so many queries.
    """

    def priced(queries: int | None) -> str:
        if queries is None:
            return "how many queries was not measured"
        price = money(queries)
        cost = "" if price is None else f" (price {price:,.2f})"
        return f"about {queries:,} queries{cost} where nothing is found"

    again = shown(typed)
    if interrupted:
        kept = result.queries.sent_all_runs
        return f"Next: {again}\n  goes on: {kept:,} answers are kept in {output}"
    deciding = deciding_effort(result) if result.trigger is not None else None
    ended = not result.settings.planes and not result.partial and deciding is None
    if result.verdict != "inconclusive" or ended:
        return f"Next: xray-audit verify {shlex.quote(str(output))}\n  recomputes the verdict"
    if remedy := unusable(result):
        return f"Next: {remedy}"
    if result.queries.budget_reached:
        return f"Next: {resuming(result, typed)}\n  asks the rest: {priced(left_to_ask(result))}"
    if deciding is not None and _given(result) >= ENOUGH_SAMPLES:
        effort, rates = deciding
        # A cap that paid for this audit does not pay for that one.
        words = without_option(typed, "--max-queries")
        return (
            f"Next: {with_option(words, '--effort', effort)}\n  can {ends_of(result, rates)}: "
            f"{priced(further_queries(result, effort, rates))}; nothing is asked twice"
        )
    lacking = _lacking_samples(result)
    return f"Next: {again}\n  with {lacking}" if lacking else _planning(typed)


def _given(result: Result) -> int:
    return max(result.samples.used, result.samples.count)


def _lacking_samples(result: Result) -> str:
    """The samples that would serve; empty if more of them would not change the end."""
    if _given(result) < ENOUGH_SAMPLES:
        return f"more samples: {result.samples.used} were used, {ENOUGH_SAMPLES} to 120 serve"
    if all_clear_need(result) == "samples" and may_clear(result):
        can = f"{LEAST_CLEARING} samples or more, which can clear the model"
        return f"{can}: {_given(result)} were given"
    return ""


def _planning(typed: Sequence[str]) -> str:
    words = list(typed[1:] if typed[:1] == ["audit"] else typed)
    for flag in NOT_OF_PLAN:
        words = without_option(words, flag)
    return f"Next: {shown(['plan', *words])}\n  says what a verdict would need"
