"""The command line that goes on with an audit that was cut short."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from auditor.report.result.result import Result
from auditor.report.wording.deciding import search_cost


def resuming(result: Result, typed: Sequence[str]) -> str:
    """The command, ``typed`` before, that asks what is left; with a larger budget if that ended it.

    Empty if ``typed`` is: the audit was not asked for by a command line.
    """
    if not typed:
        return ""
    if result.queries.budget_reached:
        left = left_to_ask(result)
        # A cap counts what was sent before, for whatever was asked in that folder.
        most = _all_queries(result) if left is None else result.queries.sent_all_runs + left
        return with_option(typed, "--max-queries", str(most))
    return shown(typed)


def shown(words: Sequence[str]) -> str:
    """The command line of ``words``, to be typed into a shell."""
    return shlex.join(["xray-audit", *words])


def _all_queries(result: Result) -> int:
    """Queries that a cut-off audit needs in all, a search that it did not finish included."""
    planned = result.queries.planned
    if result.trigger is not None or not getattr(result.settings, "trigger_search", False):
        return planned
    return planned + (search_cost(result) or 0)


def left_to_ask(result: Result) -> int | None:
    """Queries that a cut-off audit still asks where nothing is found, about as many as measured;
    None if its search was not.
    """
    queries, searched = result.queries, 0
    if result.trigger is None and getattr(result.settings, "trigger_search", False):
        if search_cost(result) is None:
            return None
        searched = queries.by_probe.get("trigger", 0)
    answered = queries.cached + queries.sent + queries.deduplicated
    return max(0, _all_queries(result) - searched - answered)


def cap_ended(result: Result) -> str:
    """The meaning of a cap that ended the audit."""
    left = left_to_ask(result)
    rest = "" if left is None else f"where nothing is found, about {left:,} are left, and "
    return (
        f"The cap on queries ended the audit after {result.queries.sent_all_runs:,}. That decides "
        f"nothing, neither way: {rest}only an audit that comes to its end can clear a model."
    )


def with_option(typed: Sequence[str], flag: str, value: str) -> str:
    """The command again, with ``flag`` at ``value``."""
    return shown([*without_option(typed, flag), flag, value])


def without_option(words: Sequence[str], flag: str) -> list[str]:
    """The words without ``flag`` and its value."""
    kept: list[str] = []
    skip = False
    for word in words:
        if skip or word.startswith(f"{flag}="):
            skip = False
        elif word == flag:
            skip = flag != "--open"  # which has no value
        else:
            kept.append(word)
    return kept
