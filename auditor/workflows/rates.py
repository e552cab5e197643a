"""Limits on the pace of an audit, and its prices: the user's, the description's, a check's."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from adapters.target import Limits, Tariff
from auditor.errors import AuditError, UsageError
from auditor.workflows.request import AuditRequest, Spending
from auditor.workflows.targets import LocatedTarget

RATE_FILE = "check.json"
_MEASURED = (
    "queries_per_second", "request_rate", "requests_per_day", "input_tokens", "output_tokens",
)  # fmt: skip
_DAY_S = 86_400.0
OWN_S, OWN_PIXEL_S = 4.6e-5, 7.6e-9
"""Processor seconds that the tool takes for a query, and for each of its pixels, on the machine of
the benchmark ``search_cpu``."""


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


def rates_of(
    target: LocatedTarget, output: Path, fingerprint: str, per_1000: float | None
) -> Rates:
    """The prices that the user, the description and a check in ``output`` state."""
    tariff = Tariff() if target.target is None else target.target.price
    seen = read_check(output, fingerprint)
    tokens: dict[str, float] = {n: r for n, r in seen.items() if n.endswith("_tokens")}
    return Rates([], tariff.per_1000 if per_1000 is None else per_1000, tariff, tokens)


def limits_of(request: AuditRequest, flagged: Spending, fingerprint: str) -> list[Limit]:
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
    are no rates are left out. A report has the SHA-256 of the ``fingerprint``.
    """
    try:
        data = json.loads((output / RATE_FILE).read_text(encoding="utf-8"))
        rates = {name: data[name] for name in _MEASURED if name in data}
        hashed = hashlib.sha256(data["fingerprint"].encode()).hexdigest()
        known = fingerprint in {data["fingerprint"], hashed}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    numbers = (int, float)
    return {n: r for n, r in rates.items() if known and type(r) in numbers and 0 < r < math.inf}
