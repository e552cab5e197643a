"""Cost of an audit, without sending it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from adapters.contract import InputSpec, LabelOracle
from auditor.errors import StoreError
from auditor.plan.digest import PLAN_VERSION
from auditor.plan.plan import AuditPlan
from auditor.probes.label_search.settings import EFFORTS, Effort, label_effort
from auditor.report.wording.cap import Cap, capped
from auditor.report.wording.prospects import decides
from auditor.verdict.label_scope import rates_for
from auditor.verdict.prospects import Prospects, prospects
from auditor.workflows.expected import expected_search
from auditor.workflows.known import NOTHING_KNOWN, Known
from auditor.workflows.prepare import (
    STORE_NAME,
    Prepared,
    continued,
    prepare,
    raised,
    refuse_small_budget,
)
from auditor.workflows.rates import Limit, Rates, limits_of, own_seconds, rates_of
from auditor.workflows.request import AuditRequest, Spending

UNKNOWN_RATE = "unknown; run xray-audit check first, with the same --output"
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
        within: False if a cap on queries ends it before.
        measured_at: the lower effort that they were searched at, if it is not this one.
    """

    effort: str
    cost: Cost
    found: int
    of: int
    suspects: bool
    clears: bool
    within: bool = True
    measured_at: str = ""


@dataclass(frozen=True, slots=True)
class Price:
    """Cost of an audit, expected and at worst: of what its folder does not hold, within its cap.

    Attributes:
        queries: inputs of the plan, without the trigger search's.
        trigger_queries_most: limit of the trigger search, which often ends earlier.
        second_search_queries_most: the part of it of a second search, which only a finding near the
            level that accuses leads to; 0 where none can accuse.
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
        known: inputs whose labels the output folder holds; they are not in the costs.
        known_words: the same in words, with what remains an estimate.
        cap: the cap on queries and what it leaves out, or None.
    """

    plan_digest: str
    queries: int
    trigger_queries_most: int
    second_search_queries_most: int
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
    known: int = 0
    known_words: str = ""
    cap: Cap | None = None


async def price_request(
    request: AuditRequest, flagged: Spending, per_1000: float | None = None
) -> Price:
    """Price the audit that ``request`` asks for; the target is opened and asked nothing.

    ``flagged`` are the user's own limits, ``per_1000`` is the price of 1,000 queries.

    Raises:
        UsageError: the samples or the cap on queries do not fit, or a price below 0 or not a
            number.
        AdapterError: the target cannot be opened.
    """
    async with request.target.opened(request.limits, request.progress) as oracle:
        ready = continued(prepare(oracle, request.samples, request.settings), request.output)
        ready = raised(ready, request.output, oracle)
        refuse_small_budget(ready.plan, request.limits)
        for note in ready.notes:
            request.progress.note(note)
        rates = replace(
            rates_of(request.target, request.output, oracle.fingerprint, per_1000),
            limits=limits_of(request, flagged, oracle.fingerprint),
            own_s=own_seconds(oracle.input_spec.shape),
        )
        if (request.output / STORE_NAME).exists():
            request.progress.note(f"Looking up what {request.output} holds already.")
        return await price_ready(oracle, ready, request, rates)


async def price_ready(
    oracle: LabelOracle,
    ready: Prepared,
    request: AuditRequest,
    rates: Rates,
    followed: Iterable[Effort] = EFFORTS,
) -> Price:
    """Price the audit that is ``ready``, and that at every effort that was measured; labels that
    the output folder holds are looked for at those that are ``followed``.
    """
    own, known, words = ready.plan.settings.effort, dict[Effort, Known](), ""
    try:
        if (request.output / STORE_NAME).exists():
            known = await _known(oracle, ready, request, followed)
    except (StoreError, OSError):
        words = f"All of it is priced, as the labels in {request.output} are unreadable."
    efforts = _efforts(oracle, ready, rates, known, request.limits.max_queries)
    found, held = reach(oracle, ready), known.get(own, NOTHING_KNOWN)
    price = price_audit(oracle, ready.plan, rates, found, held, request.limits.max_queries)
    fits = [one.effort for one in efforts if one.within]
    if price.cap is not None and fits:
        price = replace(price, cap=replace(price.cap, fits=fits[-1]))
    return replace(price, efforts=efforts, known_words=words or held.words)


def reach(oracle: LabelOracle, ready: Prepared, plan: AuditPlan | None = None) -> Prospects:
    """The verdicts that the audit can reach, or another ``plan`` of it."""
    classes, spec = len(np.unique(ready.classes)), oracle.input_spec
    return prospects(plan or ready.plan, classes, len(ready.classes), spec, oracle.label_space)


async def _known(
    oracle: LabelOracle, ready: Prepared, request: AuditRequest, followed: Iterable[Effort]
) -> dict[Effort, Known]:
    """Labels that the output folder holds of the audit at every effort that is ``followed``."""
    # Not at the top: it loads everything that an audit needs.
    from auditor.workflows.known_search import known_labels  # noqa: PLC0415

    found: dict[Effort, Known] = {}
    for effort in followed:
        at = replace(ready, plan=_at(ready.plan, effort))
        found[effort] = await known_labels(oracle, at, request.output, request.profile)
    return found


def _at(plan: AuditPlan, effort: Effort) -> AuditPlan:
    """The plan at ``effort``: only the audit that an earlier release began goes on as its own."""
    if effort == plan.settings.effort:
        return plan
    return plan.at_version(PLAN_VERSION).at_effort(effort)


def _efforts(
    oracle: LabelOracle,
    ready: Prepared,
    rates: Rates,
    known: Mapping[Effort, Known],
    most: int | None,
) -> tuple[EffortCost, ...]:
    """The audit at every effort that was measured, and of small pictures at those without a search
    label by label.
    """
    rows, classes = [], len(np.unique(ready.classes))
    spec = oracle.input_spec
    measured = rates_for(spec.shape, spec.coding, classes)
    for effort in EFFORTS:
        plan, held = _at(ready.plan, effort), known.get(effort, NOTHING_KNOWN)
        usual = label_effort(spec.shape[1:], effort) is None
        found = reach(oracle, ready, plan)
        if found.rates is None or not (effort in measured or (usual and measured)):
            continue
        counts = found.rates.backdoored - found.rates.missed, found.rates.backdoored
        cost = _cost(oracle, _courses(plan, spec, held).not_found, rates)
        within = most is None or cost.queries <= most - held.sent
        clears = found.clears and within
        at = measured[effort].measured_at if effort in measured else ""
        rows.append(EffortCost(effort, cost, *counts, found.accuses, clears, within, at))
    return tuple(rows)


def _second_search(plan: AuditPlan, found: Prospects | None, known: Known) -> int:
    """The most queries of a second search, if it can still come and a finding can accuse."""
    idle = known.searched or (found is not None and not found.accuses)
    return 0 if idle else plan.most_second_queries


def price_audit(
    oracle: LabelOracle,
    plan: AuditPlan,
    rates: Rates,
    found: Prospects | None = None,
    known: Known = NOTHING_KNOWN,
    most: int | None = None,
) -> Price:
    """Price what ``plan`` still asks beside the ``known`` labels, at ``rates`` and at most ``most``
    queries over all runs; ``oracle`` is asked nothing, and the audit can reach what ``found`` says.
    """
    courses = _courses(plan, oracle.input_spec, known)
    cap = None if most is None else Cap(
        most, known.sent, None if courses.found is None else courses.found.queries,
        courses.not_found.queries, courses.worst.queries,
        found is not None and found.accuses, found is not None and found.clears,
    )  # fmt: skip
    left = None if cap is None else cap.left
    expected, worst = (
        _cost(oracle, one.within(left), rates) for one in (courses.not_found, courses.worst)
    )
    on_found = None
    if courses.found is not None:
        on_found = _cost(oracle, courses.found.within(left), rates)
    slowest = rates.slowest(worst.queries, worst.requests)
    return Price(
        plan_digest=plan.digest,
        queries=plan.queries + plan.perturbation_queries,
        trigger_queries_most=plan.most_trigger_queries,
        second_search_queries_most=_second_search(plan, found, known),
        picture_queries_most=plan.most_map_queries,
        second_look_queries_most=plan.most_extra_repeats,
        expected=expected,
        expected_found=on_found,
        worst=worst,
        rests_on=courses.rests_on,
        decides="" if found is None else decides(found if cap is None else capped(found, cap)),
        queries_per_second=_queries_per_second(slowest, worst),
        rate_from=UNKNOWN_RATE if slowest is None else slowest.source,
        own_seconds=rates.own_s,
        known=known.count,
        cap=cap,
    )


@dataclass(frozen=True, slots=True)
class _Course:
    """Inputs of every probe, and of a search."""

    sizes: tuple[int, ...]
    searched: int = 0

    @property
    def queries(self) -> int:
        return sum(self.sizes) + self.searched

    def within(self, left: int | None) -> _Course:
        """Its part that ``left`` queries pay for; all of it if that is None."""
        if left is None:
            return self
        kept = []
        for size in self.sizes:
            kept.append(min(size, left))
            left -= kept[-1]
        return _Course(tuple(kept), min(self.searched, left))


@dataclass(frozen=True, slots=True)
class _Courses:
    """Courses of what an audit still asks, and the basis of the first two in words."""

    not_found: _Course
    found: _Course | None
    worst: _Course
    rests_on: str


def _courses(plan: AuditPlan, spec: InputSpec, known: Known) -> _Courses:
    """The rest of ``plan`` beside the ``known`` labels."""
    every = [probe.size for probe in (*plan.probes, *plan.perturbations)]
    held = known.probes or (0,) * len(every)
    maps, search = plan.most_map_queries, expected_search(plan, spec)
    rests_on = "the number of what is left to ask" if known.searched else search.rests_on
    if known.ended:
        return _Courses(_Course(()), None, _Course(()), rests_on)

    def left(searched: int) -> int:
        return 0 if known.searched else max(0, searched - known.search)

    rest = tuple(size - one for size, one in zip(every, held, strict=True))
    rest = (*rest, max(0, maps - known.maps))
    found = None
    if left(search.found):
        asked = (*_opening_sizes(plan, held), rest[-1])
        found = _Course(asked if plan.settings.stop_early else rest, left(search.found))
    worst = _Course((*rest, plan.most_extra_repeats), left(plan.most_trigger_queries))
    return _Courses(_Course(rest, left(search.not_found)), found, worst, rests_on)


def _queries_per_second(slowest: Limit | None, worst: Cost) -> float | None:
    """The rate that the time rests on."""
    if slowest is None or not worst.seconds:
        return None
    if slowest.of == "queries":
        return slowest.allowed
    takes = slowest.takes(worst.queries, worst.requests)
    return worst.queries / takes if takes else None


def _cost(oracle: LabelOracle, course: _Course, rates: Rates) -> Cost:
    """Cost of probes, each in full batches and a rest, and of the inputs of a search, whose batches
    end with rests of their own.
    """
    searched = course.searched
    asked = [size for size in (*course.sizes, searched) if size]
    batches = math.ceil(searched / SEARCH_BATCH)
    queries, most = course.queries, oracle.max_batch
    requests = sum(math.ceil(size / most) for size in asked) + batches
    full, rest = sum(size // most for size in asked), [size % most for size in asked]
    sent = full * oracle.request_bytes(most) + sum(oracle.request_bytes(n) for n in rest if n)
    # Every further request repeats the bytes around the inputs.
    sent += batches * max(0, 2 * oracle.request_bytes(1) - oracle.request_bytes(2))
    seconds, money = rates.seconds(queries, requests), rates.money(queries)
    return Cost(queries, requests, sent, seconds, money, rates.token_count(queries))


def _opening_sizes(plan: AuditPlan, held: Sequence[int]) -> list[int]:
    """Inputs asked before the search beside those ``held``, by probe, and the repeats that close
    the audit.
    """
    order = np.concatenate(list(plan.schedule.opening()))
    counts = np.bincount(order[:, 0], minlength=len(plan.probes)).tolist()
    asked = [max(0, size - one) for size, one in zip(counts, held, strict=False)]
    last = 0 if plan.repeats is None else plan.repeats.size - max(counts[-1], held[len(counts) - 1])
    return [*asked, last]
