"""``xray-audit plan``: what an audit would cost, without sending it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from adapters.contract import LabelOracle
from auditor.errors import AuditError, UsageError
from auditor.plan import AuditPlan

RATE_FILE = "check.json"
UNKNOWN_RATE = "unknown: run xray-audit check first, with the same --output"


@dataclass(frozen=True, slots=True)
class Price:
    """What an audit would cost.

    Attributes:
        plan_digest: digest of the plan that was priced.
        queries: inputs to send, without the trigger search's.
        trigger_queries_most: most inputs the trigger search can send; it often ends earlier.
        picture_queries_most: most inputs the pictures can send.
        second_look_queries_most: repeats that are sent only where the model's answers change; in
            none of the figures below.
        requests: most calls, at the target's largest batch.
        bytes_sent: estimated bytes to send; 0 for local models.
        queries_per_second: the rate used for the time, or None.
        rate_from: where that rate comes from.
        seconds: estimated time, or None.
        money: queries times the given price, or None.
    """

    plan_digest: str
    queries: int
    trigger_queries_most: int
    picture_queries_most: int
    second_look_queries_most: int
    requests: int
    bytes_sent: int
    queries_per_second: float | None
    rate_from: str
    seconds: float | None
    money: float | None


def price_audit(
    oracle: LabelOracle,
    plan: AuditPlan,
    measured: float | None,
    limit: float | None,
    per_1000: float | None,
    request_limit: float | None = None,
) -> Price:
    """Price ``plan``.

    Args:
        oracle: the target; it is asked nothing.
        plan: what would be asked.
        measured: queries per second that ``xray-audit check`` measured, or None.
        limit: the user's own rate limit, queries per second, or None.
        per_1000: price of 1,000 queries, or None.
        request_limit: the user's own limit, requests per second, or None.

    Raises:
        UsageError: a price below 0 or not a number.
    """
    if per_1000 is not None and not 0 <= per_1000 < math.inf:
        raise UsageError(f"--price-per-1000 is {per_1000}, it must be a number of at least 0")
    sizes = [probe.size for probe in (*plan.probes, *plan.families)]
    sizes += [most for most in (plan.most_trigger_queries, plan.most_picture_queries) if most]
    most = sum(sizes)
    requests = sum(math.ceil(size / oracle.max_batch) for size in sizes)
    full, rest = zip(*(divmod(size, oracle.max_batch) for size in sizes), strict=True)
    sent = sum(full) * oracle.request_bytes(oracle.max_batch)
    sent += sum(oracle.request_bytes(n) for n in rest if n)
    rates = {"measured by xray-audit check": measured, "--rate": limit}
    if request_limit is not None:
        rates["--request-rate"] = request_limit * most / requests
    known = {origin: rate for origin, rate in rates.items() if rate is not None}
    source = min(known, key=known.__getitem__, default=UNKNOWN_RATE)
    rate = known.get(source)
    return Price(
        plan_digest=plan.digest,
        queries=plan.queries + plan.family_queries,
        trigger_queries_most=plan.most_trigger_queries,
        picture_queries_most=plan.most_picture_queries,
        second_look_queries_most=plan.most_second_looks,
        requests=requests,
        bytes_sent=sent,
        queries_per_second=rate,
        rate_from=source,
        seconds=None if rate is None else most / rate,
        money=None if per_1000 is None else most * per_1000 / 1000.0,
    )


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
    """The rate a check of the same target measured; None where there is none."""
    try:
        data = json.loads((output / RATE_FILE).read_text(encoding="utf-8"))
        rate = float(data["queries_per_second"])
        known = data["fingerprint"] == fingerprint and 0 < rate < math.inf
        return rate if known else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
