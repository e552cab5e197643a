"""Cost of an audit, without sending it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adapters.contract import LabelOracle
from auditor.errors import AuditError, UsageError
from auditor.plan.plan import AuditPlan
from auditor.report.wording.prospects import decides
from auditor.verdict.prospects import prospects
from auditor.workflows.expected import expected_search
from auditor.workflows.prepare import prepare
from auditor.workflows.request import AuditRequest, Spending

RATE_FILE = "check.json"
UNKNOWN_RATE = "unknown: run xray-audit check first, with the same --output"
SEARCH_BATCH = 75
"""Mean batch of a trigger search, over searches of four reference models (9 to 80 batches of 77 to
103 inputs)."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of one course of an audit.

    Attributes:
        requests: calls, at the target's largest batch.
        bytes_sent: an estimate; 0 for local models.
        seconds: an estimate, or None.
        money: queries times the given price, or None.
    """

    queries: int
    requests: int
    bytes_sent: int
    seconds: float | None
    money: float | None


@dataclass(frozen=True, slots=True)
class Price:
    """Cost of an audit, expected and at worst.

    Attributes:
        queries: inputs to send, without the trigger search's.
        trigger_queries_most: limit of the trigger search, which often ends earlier.
        picture_queries_most: limit of the label maps.
        second_look_queries_most: extra repeats, sent only if the model's answers change or others
            are left out.
        expected: cost if the search finds nothing, as it mostly does.
        expected_found: cost if it finds a trigger, which ends the audit; None without a search.
        worst: cost if everything is asked that could be.
        rests_on: basis of the expectation, in words.
        decides: the verdicts that the audit can reach, and what others need, in words.
        queries_per_second: the rate used for the time, or None.
        rate_from: source of that rate.
    """

    plan_digest: str
    queries: int
    trigger_queries_most: int
    picture_queries_most: int
    second_look_queries_most: int
    expected: Cost
    expected_found: Cost | None
    worst: Cost
    rests_on: str
    decides: str
    queries_per_second: float | None
    rate_from: str


@dataclass(frozen=True, slots=True)
class _Rates:
    """Rates and price that the user or a check gave; None if unknown."""

    queries_per_s: float | None
    requests_per_s: float | None
    per_1000: float | None

    def seconds(self, queries: int, requests: int) -> float | None:
        """The longer of the times that queries and requests take."""
        pairs = ((queries, self.queries_per_s), (requests, self.requests_per_s))
        return max((count / rate for count, rate in pairs if rate is not None), default=None)


async def price_request(
    request: AuditRequest, flagged: Spending, per_1000: float | None = None
) -> Price:
    """Price the audit that ``request`` asks for; the target is opened and asked nothing.

    ``flagged`` are the user's own limits, ``per_1000`` is the price of 1,000 queries.

    Raises:
        UsageError: the samples do not fit, or a price below 0 or not a number.
        AdapterError: the target cannot be opened.
    """
    async with request.target.opened() as oracle:
        ready = prepare(oracle, request.samples, request.settings)
        measured = read_rate(request.output, oracle.fingerprint)
        found = prospects(
            ready.plan, len(np.unique(ready.classes)), len(ready.classes), oracle.input_spec,
            request.profile,
        )  # fmt: skip
        rates = (measured, flagged.rate, per_1000, flagged.request_rate)
        return price_audit(oracle, ready.plan, *rates, decides=decides(found))


def price_audit(
    oracle: LabelOracle,
    plan: AuditPlan,
    measured: float | None,
    limit: float | None,
    per_1000: float | None,
    request_limit: float | None = None,
    decides: str = "",
) -> Price:
    """Price ``plan``; ``oracle`` is asked nothing.

    Args:
        oracle: the target.
        plan: the questions.
        measured: queries per second that ``xray-audit check`` measured.
        limit: the user's limit on queries per second.
        per_1000: price of 1,000 queries.
        request_limit: the user's limit on requests per second.
        decides: the verdicts that the audit can reach, in words.

    Raises:
        UsageError: a price below 0 or not a number.
    """
    if per_1000 is not None and not 0 <= per_1000 < math.inf:
        raise UsageError(f"--price-per-1000 is {per_1000}, it must be a number of at least 0")
    given = {"measured by xray-audit check": measured, "--rate": limit}
    slowest = min((rate for rate in given.values() if rate is not None), default=None)
    rates = _Rates(slowest, request_limit, per_1000)
    sizes = [probe.size for probe in (*plan.probes, *plan.perturbations)]
    maps, repeats = plan.most_map_queries, plan.most_extra_repeats
    search = expected_search(plan)
    worst = _cost(oracle, [*sizes, maps, repeats], plan.most_trigger_queries, rates)
    expected_found = None
    if plan.most_trigger_queries:
        asked = _opening_sizes(plan) if plan.settings.stop_early else sizes
        expected_found = _cost(oracle, [*asked, maps], search.found, rates)
    source = _slowest(given, rates, worst)
    # Requests alone are limited, or nothing is.
    by_requests = None if worst.seconds is None else worst.queries / worst.seconds
    return Price(
        plan_digest=plan.digest,
        queries=plan.queries + plan.perturbation_queries,
        trigger_queries_most=plan.most_trigger_queries,
        picture_queries_most=maps,
        second_look_queries_most=repeats,
        expected=_cost(oracle, [*sizes, maps], search.not_found, rates),
        expected_found=expected_found,
        worst=worst,
        rests_on=search.rests_on,
        decides=decides,
        queries_per_second=given.get(source, by_requests),
        rate_from=source,
    )


def _cost(oracle: LabelOracle, sizes: Sequence[int], searched: int, rates: _Rates) -> Cost:
    """Cost of probes of ``sizes``, each in full batches and a rest, and of ``searched`` inputs of
    a search, whose batches end with rests of their own.
    """
    asked = [size for size in (*sizes, searched) if size]
    batches = math.ceil(searched / SEARCH_BATCH)
    queries, most = sum(asked), oracle.max_batch
    requests = sum(math.ceil(size / most) for size in asked) + batches
    full, rest = sum(size // most for size in asked), [size % most for size in asked]
    sent = full * oracle.request_bytes(most) + sum(oracle.request_bytes(n) for n in rest if n)
    # Every further request repeats the bytes around the inputs.
    sent += batches * max(0, 2 * oracle.request_bytes(1) - oracle.request_bytes(2))
    money = None if rates.per_1000 is None else queries * rates.per_1000 / 1000.0
    return Cost(queries, requests, sent, rates.seconds(queries, requests), money)


def _opening_sizes(plan: AuditPlan) -> list[int]:
    """Inputs asked before the search, by probe, and the repeats that close the audit."""
    order = np.concatenate(list(plan.schedule.opening()))
    counts = np.bincount(order[:, 0], minlength=len(plan.probes)).tolist()
    if plan.repeats is None:
        return [*counts, 0, 0]
    asked = counts.pop()
    return [*counts, asked, max(0, plan.repeats.size - asked)]


def _slowest(given: Mapping[str, float | None], rates: _Rates, worst: Cost) -> str:
    """The rate that decides the time, in words."""
    if worst.seconds is None:
        return UNKNOWN_RATE
    if rates.queries_per_s is None or worst.seconds > worst.queries / rates.queries_per_s:
        return "--request-rate"
    return next(name for name, rate in given.items() if rate == rates.queries_per_s)


def write_rate(output: Path, fingerprint: str, queries_per_second: float) -> None:
    """Keep a measured rate for later plans of the same target.

    Raises:
        AuditError: the folder cannot be written.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        data = {"fingerprint": fingerprint, "queries_per_second": queries_per_second}
        (output / RATE_FILE).write_text(json.dumps(data) + "\n", encoding="utf-8")
    except OSError as error:
        raise AuditError(f"--output {output} cannot be written: {error.strerror}") from error


def read_rate(output: Path, fingerprint: str) -> float | None:
    """The rate that a check of the same target measured; None if there is none."""
    try:
        data = json.loads((output / RATE_FILE).read_text(encoding="utf-8"))
        rate = float(data["queries_per_second"])
        known = data["fingerprint"] == fingerprint and 0 < rate < math.inf
        return rate if known else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
