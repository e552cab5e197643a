"""``xray-audit plan``: counts by hand, and rates from every source."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.synthetic import SyntheticOracle
from auditor.auditing import prepare
from auditor.errors import AuditError, UsageError
from auditor.plan import AuditPlan, AuditSettings
from auditor.pricing import Price, price_audit, read_rate, write_rate
from auditor.samples import Samples

MakeOracle = Callable[..., SyntheticOracle]


class Priced(SyntheticOracle):
    """Requests of 1,000 bytes and 7 per input."""

    def request_bytes(self, n: int) -> int:
        return 1000 + 7 * n


@pytest.fixture
def ready(
    make_oracle: MakeOracle, samples: Samples, settings: AuditSettings
) -> tuple[SyntheticOracle, AuditPlan]:
    oracle = make_oracle(max_batch=30)
    oracle.__class__ = Priced
    return oracle, prepare(oracle, samples, settings).plan


def price(ready: tuple[SyntheticOracle, AuditPlan], **rates: float | None) -> Price:
    given: dict[str, Any] = {"measured": None, "limit": None, "per_1000": None, **rates}
    return price_audit(*ready, **given)


def test_counts_by_hand(ready: tuple[SyntheticOracle, AuditPlan]) -> None:
    oracle, plan = ready
    used = len(plan.used)
    assert used <= 12
    priced = price(ready, per_1000=2.5)
    # The samples, four planes of 64 in requests of 30, 30 and 4, and ten canaries.
    assert priced.queries == used + 4 * 64 + 10
    assert priced.requests == 1 + 4 * 3 + 1
    assert priced.bytes_sent == 14 * 1000 + 7 * priced.queries
    assert priced.money == pytest.approx(priced.queries * 0.0025)
    assert priced.plan_digest == plan.digest
    assert (oracle.wire.requests, priced.seconds, priced.queries_per_second) == (0, None, None)
    assert "run xray-audit check first" in priced.rate_from


@pytest.mark.parametrize(
    ("rates", "rate", "source"),
    [
        ({"measured": 50.0}, 50.0, "measured by xray-audit check"),
        ({"limit": 5.0}, 5.0, "--rate"),
        ({"measured": 50.0, "limit": 5.0}, 5.0, "--rate"),
        ({"measured": 4.0, "limit": 5.0}, 4.0, "measured by xray-audit check"),
    ],
)
def test_the_slowest_rate_counts(
    ready: tuple[SyntheticOracle, AuditPlan], rates: dict[str, float], rate: float, source: str
) -> None:
    priced = price(ready, **rates)
    assert (priced.queries_per_second, priced.rate_from) == (rate, source)
    assert priced.seconds == pytest.approx(priced.queries / rate)


def test_a_limit_on_requests_counts_too(ready: tuple[SyntheticOracle, AuditPlan]) -> None:
    priced = price(ready, limit=1000.0, request_limit=2.0)
    assert priced.rate_from == "--request-rate"
    assert priced.seconds == pytest.approx(14 / 2.0)


@pytest.mark.parametrize("per_1000", [-1.0, math.nan, math.inf])
def test_a_bad_price_is_refused(ready: tuple[SyntheticOracle, AuditPlan], per_1000: float) -> None:
    with pytest.raises(UsageError, match="--price-per-1000 is "):
        price(ready, per_1000=per_1000)


def test_a_rate_is_kept_for_its_target_only(tmp_path: Path) -> None:
    write_rate(tmp_path / "new" / "out", "model A", 12.5)
    assert read_rate(tmp_path / "new" / "out", "model A") == 12.5
    assert read_rate(tmp_path / "new" / "out", "model B") is None
    assert read_rate(tmp_path, "model A") is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        "5",
        *[
            f'{{"fingerprint": "m", "queries_per_second": {rate}}}'
            for rate in ("0", "-1", "NaN", "Infinity", "null", '"x"', "[]")
        ],
    ],
)
def test_a_damaged_rate_is_none(tmp_path: Path, content: Any) -> None:
    (tmp_path / "check.json").write_text(content)
    assert read_rate(tmp_path, "m") is None


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(AuditError, match=r"--output .*file cannot be written"):
        write_rate(tmp_path / "file", "m", 1.0)


def test_pictures_are_in_the_price(make_oracle: MakeOracle, samples: Samples) -> None:
    plain = AuditSettings(sampler="frugal", planes=4, density=40, trigger_search=False)
    drawn = AuditSettings(sampler="frugal", planes=4, density=40, trigger_search=False, pictures=2)
    oracle = make_oracle(max_batch=30)
    without, with_pictures = (
        price_audit(oracle, prepare(oracle, samples, one).plan, None, None, 1.0)
        for one in (plain, drawn)
    )
    assert with_pictures.picture_queries_most == 2 * 400
    assert with_pictures.money == pytest.approx((without.money or 0.0) + 0.8)
    assert with_pictures.requests == without.requests + 27
