"""Cost of an audit, without sending it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from adapters.contract import LabelOracle
from adapters.target import Limits, Tariff
from auditor.errors import AuditError, UsageError
from auditor.plan.plan import AuditPlan
from auditor.plan.settings import AuditSettings
from auditor.probes.label_search.settings import EFFORTS, searched_by_label
from auditor.report.wording.prospects import decides
from auditor.verdict.label_scope import rates_for
from auditor.verdict.prospects import prospects
from auditor.workflows.expected import expected_search
from auditor.workflows.prepare import Prepared, prepare
from auditor.workflows.request import AuditRequest, Spending

RATE_FILE = "check.json"
_MEASURED = (
    "queries_per_second", "request_rate", "requests_per_day", "input_tokens", "output_tokens",
)  # fmt: skip
_DAY_S = 86_400.0
UNKNOWN_RATE = "unknown; run xray-audit check first, with the same --output"
SEARCH_BATCH = 75
"""Mean batch of a trigger search, over searches of four reference models (9 to 80 batches of 77 to
103 inputs)."""
OWN_S, OWN_PIXEL_S = 6e-5, 9e-9
"""Processor seconds that the tool takes for a query, and for each of its pixels, on the machine of
the benchmark ``search_cpu``."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of one course of an audit.

    Attributes:
        requests: calls, at the target's largest batch.
        bytes_sent: an estimate; 0 for local models.
        seconds: an estimate, or None.
        money: queries and tokens times the given prices, or None.
        tokens: of a language model, or None if xray-audit check saw none.
    """

    queries: int
    requests: int
    bytes_sent: int
    seconds: float | None
    money: float | None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class EffortCost:
    """Cost of an audit at one effort where nothing is found, and the verdicts that can come of it.

    Attributes:
        found, of: all-to-one backdoors of usual attackers found, of the held-out models searched.
    """

    effort: str
    cost: Cost
    found: int
    of: int
    suspects: bool
    clears: bool


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
        efforts: the same audit at every effort that was measured, if effort changes it.
        own_seconds: the tool's own for each query, which the time includes.
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
    efforts: tuple[EffortCost, ...] = ()
    own_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit on pace.

    Attributes:
        of: what it limits.
        allowed: their number in ``seconds``.
        source: where it comes from, in words.
    """

    of: Literal["queries", "requests"]
    allowed: float
    source: str
    seconds: float = 1.0

    def takes(self, queries: int, requests: int) -> float:
        """Seconds that these take; a quota a day lets its last share through at once."""
        count = queries if self.of == "queries" else requests
        if self.seconds == 1.0:
            return count / self.allowed
        return (math.ceil(count / self.allowed) - 1) * self.seconds if count else 0.0


@dataclass(frozen=True, slots=True)
class Rates:
    """Limits and price that the user or a check gave; None for no price.

    Attributes:
        per_1000: price of 1,000 queries; a UsageError unless it is a number of at least 0.
        tariff: prices of ``tokens``.
        tokens: of one query, by kind.
        own_s: seconds of the tool's own for one query.
    """

    limits: Sequence[Limit]
    per_1000: float | None
    tariff: Tariff = field(default_factory=Tariff)
    tokens: Mapping[str, float] = field(default_factory=dict)
    own_s: float = 0.0

    def __post_init__(self) -> None:
        if self.per_1000 is not None and not 0 <= self.per_1000 < math.inf:
            raise UsageError(
                f"--price-per-1000 is {self.per_1000}, it must be a number of at least 0"
            )

    def token_count(self, queries: int) -> int | None:
        """Tokens of these; None if unknown."""
        return round(queries * sum(self.tokens.values())) if self.tokens else None

    def money(self, queries: int) -> float | None:
        """Price of these; None without one."""
        each = [
            (self.per_1000, 1 / 1e3),
            (self.tariff.per_million_input_tokens, self.tokens.get("input_tokens", 0) / 1e6),
            (self.tariff.per_million_output_tokens, self.tokens.get("output_tokens", 0) / 1e6),
        ]
        stated = [price * share for price, share in each if price is not None and share]
        return queries * sum(stated) if stated or self.per_1000 is not None else None

    def seconds(self, queries: int, requests: int) -> float | None:
        """The longest of the times that the limits make it, and the tool's own."""
        slowest = self.slowest(queries, requests)
        if slowest is None:
            return None
        return slowest.takes(queries, requests) + queries * self.own_s

    def slowest(self, queries: int, requests: int) -> Limit | None:
        """The limit that decides the time."""
        return max(self.limits, key=lambda limit: limit.takes(queries, requests), default=None)


def own_seconds(shape: Sequence[int]) -> float:
    """Processor seconds that the tool itself takes for a query of ``shape`` ``(c, h, w)``, as the
    benchmark ``search_cpu`` measured them on one machine.
    """
    return OWN_S + OWN_PIXEL_S * shape[1] * shape[2]


async def price_request(
    request: AuditRequest, flagged: Spending, per_1000: float | None = None
) -> Price:
    """Price the audit that ``request`` asks for; the target is opened and asked nothing.

    ``flagged`` are the user's own limits, ``per_1000`` is the price of 1,000 queries.

    Raises:
        UsageError: the samples do not fit, or a price below 0 or not a number.
        AdapterError: the target cannot be opened.
    """
    async with request.target.opened(request.limits, request.progress) as oracle:
        ready = prepare(oracle, request.samples, request.settings)
        classes = len(np.unique(ready.classes))
        found = prospects(ready.plan, classes, len(ready.classes), oracle.input_spec)
        limits = _limits(request, flagged, oracle.fingerprint)
        target, seen = request.target.target, read_check(request.output, oracle.fingerprint)
        tariff = Tariff() if target is None else target.price
        if per_1000 is None:
            per_1000 = tariff.per_1000
        tokens: dict[str, float] = {n: r for n, r in seen.items() if n.endswith("_tokens")}
        rates = Rates(limits, per_1000, tariff, tokens, own_seconds(oracle.input_spec.shape))
        price = price_audit(oracle, ready.plan, rates, decides(found))
        return replace(price, efforts=_efforts(oracle, ready, rates))


def _efforts(oracle: LabelOracle, ready: Prepared, rates: Rates) -> tuple[EffortCost, ...]:
    """The audit at every effort that was measured, and of small pictures at the default one."""
    rows, classes = [], len(np.unique(ready.classes))
    spec = oracle.input_spec
    measured = rates_for(spec.shape, spec.encoding, classes)
    for effort in EFFORTS:
        plan = ready.plan.at_effort(effort)
        default = effort == AuditSettings().effort and not searched_by_label(spec.shape[1:])
        reach = prospects(plan, classes, len(ready.classes), spec)
        if reach.rates is None or not (effort in measured or (default and measured)):
            continue
        counts = reach.rates.backdoored - reach.rates.missed, reach.rates.backdoored
        cost = _cost(oracle, _sizes(plan), expected_search(plan, spec).not_found, rates)
        rows.append(EffortCost(effort, cost, *counts, reach.accuses, reach.clears))
    return tuple(rows)


def _limits(request: AuditRequest, flagged: Spending, fingerprint: str) -> list[Limit]:
    """Every limit known: the check's measurement, the user's, the description's, the target's."""
    measured, target = read_check(request.output, fingerprint), request.target.target
    stated = Limits() if target is None else target.limits
    rate_from = "limits.rate" if flagged.rate is None else "--rate"
    request_from = "limits.request_rate" if flagged.request_rate is None else "--request-rate"
    every: list[tuple[Literal["queries", "requests"], float | None, str, float]] = [
        ("queries", measured.get("queries_per_second"), "measured by xray-audit check", 1.0),
        ("queries", request.limits.queries_per_s, rate_from, 1.0),
        ("requests", request.limits.requests_per_s, request_from, 1.0),
        ("requests", measured.get("request_rate"), "a limit that xray-audit check saw", 1.0),
        ("requests", stated.requests_per_day, "limits.requests_per_day", _DAY_S),
        ("requests", measured.get("requests_per_day"), "a quota that xray-audit check saw", _DAY_S),
    ]
    return [Limit(of, n, source, seconds) for of, n, source, seconds in every if n is not None]


def price_audit(oracle: LabelOracle, plan: AuditPlan, rates: Rates, deciding: str = "") -> Price:
    """Price ``plan`` at ``rates``; ``oracle`` is asked nothing, and the audit is ``deciding`` such
    verdicts, in words.
    """
    sizes = _sizes(plan)
    maps, repeats = plan.most_map_queries, plan.most_extra_repeats
    search = expected_search(plan, oracle.input_spec)
    worst = _cost(oracle, [*sizes, repeats], plan.most_trigger_queries, rates)
    expected_found = None
    if plan.most_trigger_queries:
        asked = [*_opening_sizes(plan), maps] if plan.settings.stop_early else sizes
        expected_found = _cost(oracle, asked, search.found, rates)
    slowest = rates.slowest(worst.queries, worst.requests)
    return Price(
        plan_digest=plan.digest,
        queries=plan.queries + plan.perturbation_queries,
        trigger_queries_most=plan.most_trigger_queries,
        picture_queries_most=maps,
        second_look_queries_most=repeats,
        expected=_cost(oracle, sizes, search.not_found, rates),
        expected_found=expected_found,
        worst=worst,
        rests_on=search.rests_on,
        decides=deciding,
        queries_per_second=_queries_per_second(slowest, worst),
        rate_from=UNKNOWN_RATE if slowest is None else slowest.source,
        own_seconds=rates.own_s,
    )


def _sizes(plan: AuditPlan) -> list[int]:
    """Inputs of every probe, and of the label maps."""
    return [*(probe.size for probe in (*plan.probes, *plan.perturbations)), plan.most_map_queries]


def _queries_per_second(slowest: Limit | None, worst: Cost) -> float | None:
    """The rate that the time rests on."""
    if slowest is None or not worst.seconds:
        return None
    if slowest.of == "queries":
        return slowest.allowed
    takes = slowest.takes(worst.queries, worst.requests)
    return worst.queries / takes if takes else None


def _cost(oracle: LabelOracle, sizes: Sequence[int], searched: int, rates: Rates) -> Cost:
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
    seconds, money = rates.seconds(queries, requests), rates.money(queries)
    return Cost(queries, requests, sent, seconds, money, rates.token_count(queries))


def _opening_sizes(plan: AuditPlan) -> list[int]:
    """Inputs asked before the search, by probe, and the repeats that close the audit."""
    order = np.concatenate(list(plan.schedule.opening()))
    counts = np.bincount(order[:, 0], minlength=len(plan.probes)).tolist()
    if plan.repeats is None:
        return [*counts, 0, 0]
    asked = counts.pop()
    return [*counts, asked, max(0, plan.repeats.size - asked)]


def write_rate(
    output: Path, fingerprint: str, queries_per_second: float, limits: Mapping[str, float]
) -> None:
    """Keep a measured rate, and the ``limits`` seen, for later plans of the same target.

    Raises:
        AuditError: the folder cannot be written.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        data = {"fingerprint": fingerprint, "queries_per_second": queries_per_second, **limits}
        (output / RATE_FILE).write_text(json.dumps(data) + "\n", encoding="utf-8")
    except OSError as error:
        raise AuditError(f"--output {output} cannot be written: {error.strerror}") from error


def read_check(output: Path, fingerprint: str) -> dict[str, float]:
    """The rate that a check of the same target measured and the limits it saw, by name; those that
    are no rates are left out.
    """
    try:
        data = json.loads((output / RATE_FILE).read_text(encoding="utf-8"))
        rates = {name: data[name] for name in _MEASURED if name in data}
        known = data["fingerprint"] == fingerprint
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    numbers = (int, float)
    return {n: r for n, r in rates.items() if known and type(r) in numbers and 0 < r < math.inf}
