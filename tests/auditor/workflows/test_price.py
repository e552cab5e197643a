"""``xray-audit plan``: counts by hand, and rates from every source."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.contract import InputSpec
from adapters.synthetic import SyntheticOracle
from auditor.errors import AuditError, UsageError
from auditor.measured import search_queries
from auditor.plan.plan import AuditPlan
from auditor.plan.settings import AuditSettings
from auditor.probes.trigger_search.settings import TriggerSettings
from auditor.samples.load import load_samples
from auditor.samples.samples import Samples
from auditor.verdict.prospects import Prospects
from auditor.workflows.prepare import prepare
from auditor.workflows.price import Price, price_audit
from auditor.workflows.rates import Limit, Rates, own_seconds, read_check, write_rate

MakeOracle = Callable[..., SyntheticOracle]
ROOT = Path(__file__).parents[3]


class Priced(SyntheticOracle):
    """Requests of 1,000 bytes and 7 per input."""

    def request_bytes(self, n: int) -> int:
        return 1000 + 7 * n


@pytest.fixture
def ready(
    make_oracle: MakeOracle, samples: Samples, settings: AuditSettings
) -> tuple[SyntheticOracle, AuditPlan]:
    oracle = make_oracle(max_batch=6)
    oracle.__class__ = Priced
    return oracle, prepare(oracle, samples, settings).plan


MEANINGS = {
    "measured": Limit("queries", 1.0, "measured by xray-audit check"),
    "limit": Limit("queries", 1.0, "--rate"),
    "request_limit": Limit("requests", 1.0, "--request-rate"),
    "a_day": Limit("requests", 1.0, "limits.requests_per_day", 86_400.0),
}


def price(ready: tuple[SyntheticOracle, AuditPlan], **rates: float | None) -> Price:
    per_1000 = rates.pop("per_1000", None)
    limits = [
        dataclasses.replace(MEANINGS[name], allowed=rate) for name, rate in rates.items() if rate
    ]
    return price_audit(*ready, Rates(limits, per_1000))


def test_counts_by_hand(ready: tuple[SyntheticOracle, AuditPlan]) -> None:
    oracle, plan = ready
    used = len(plan.used)
    priced = price(ready, per_1000=2.5)
    # The samples, sixteen planes of 16 points in requests of 6, 6 and 4, and ten repeats.
    assert priced.queries == used + 16 * 16 + 10
    assert priced.expected.queries == priced.queries
    requests = math.ceil(used / 6) + 16 * 3 + 2
    assert priced.expected.requests == requests
    assert priced.expected.bytes_sent == requests * 1000 + 7 * priced.queries
    assert priced.expected.money == pytest.approx(priced.queries * 0.0025)
    # At worst every repeat of the second look is asked too, in requests of 6.
    repeats = priced.second_look_queries_most
    assert repeats == plan.most_extra_repeats > 0
    assert priced.worst.queries == priced.queries + repeats
    assert priced.worst.requests == requests + math.ceil(repeats / 6)
    assert priced.expected_found is None
    assert priced.plan_digest == plan.digest
    assert (oracle.wire.requests, priced.worst.seconds, priced.queries_per_second) == (
        0,
        None,
        None,
    )
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
    assert priced.expected.seconds == pytest.approx(priced.queries / rate)
    assert priced.worst.seconds == pytest.approx(priced.worst.queries / rate)


def test_a_limit_on_requests_counts_too(ready: tuple[SyntheticOracle, AuditPlan]) -> None:
    priced = price(ready, limit=1000.0, request_limit=2.0)
    assert priced.rate_from == "--request-rate"
    assert priced.expected.seconds == pytest.approx(priced.expected.requests / 2.0)
    assert priced.queries_per_second == pytest.approx(
        2.0 * priced.worst.queries / priced.worst.requests
    )


def test_a_quota_makes_days_of_it(ready: tuple[SyntheticOracle, AuditPlan]) -> None:
    requests = price(ready).expected.requests
    priced = price(ready, measured=1000.0, a_day=requests / 2)
    assert priced.expected.seconds == 86_400.0
    assert priced.rate_from == "limits.requests_per_day"
    roomy = price(ready, measured=1000.0, a_day=10 * requests)
    assert roomy.rate_from == "measured by xray-audit check"


@pytest.mark.parametrize("per_1000", [-1.0, math.nan, math.inf])
def test_a_bad_price_is_refused(ready: tuple[SyntheticOracle, AuditPlan], per_1000: float) -> None:
    with pytest.raises(UsageError, match="--price-per-1000 is "):
        price(ready, per_1000=per_1000)


def test_a_rate_is_kept_for_its_target_only(tmp_path: Path) -> None:
    write_rate(tmp_path / "new" / "out", "model A", 12.5, {"request_rate": 2.0})
    found = read_check(tmp_path / "new" / "out", "model A")
    assert found == {"queries_per_second": 12.5, "request_rate": 2.0}
    assert read_check(tmp_path / "new" / "out", "model B") == {}
    assert read_check(tmp_path, "model A") == {}


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
    assert read_check(tmp_path, "m") == {}


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(AuditError, match=r"--output .*file cannot be written"):
        write_rate(tmp_path / "file", "m", 1.0, {})


def test_pictures_are_in_the_price(make_oracle: MakeOracle, samples: Samples) -> None:
    plain = AuditSettings(planes=4, density=40, trigger_search=False)
    drawn = AuditSettings(planes=4, density=40, trigger_search=False, pictures=2)
    oracle = make_oracle(max_batch=30)
    without, with_pictures = (
        price_audit(oracle, prepare(oracle, samples, one).plan, Rates([], 1.0))
        for one in (plain, drawn)
    )
    assert with_pictures.picture_queries_most == 2 * 400
    for one, other in ((with_pictures, without),):
        assert one.expected.money == pytest.approx((other.expected.money or 0.0) + 0.8)
        assert one.worst.money == pytest.approx((other.worst.money or 0.0) + 0.8)
        assert one.worst.requests == other.worst.requests + 27


def searching(tmp_path: Path, **changes: Any) -> tuple[SyntheticOracle, AuditPlan]:
    """A plan of 44 planes with a trigger search on 60 samples."""
    shape = (1, 24, 24)
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "x.npz", x=rng.random((60, *shape), dtype=np.float32), y=np.arange(60) % 5)
    names = [str(number) for number in range(5)]
    spec = InputSpec(shape, (0.0,), (1.0,))
    oracle = Priced(lambda batch: np.zeros(len(batch), dtype=np.int64), spec, names, max_batch=50)
    settings = AuditSettings(**changes)
    return oracle, prepare(oracle, load_samples(tmp_path / "x.npz"), settings).plan


def test_a_search_is_expected_to_ask_what_searches_asked(tmp_path: Path) -> None:
    oracle, plan = searching(tmp_path)
    priced = price((oracle, plan), per_1000=1.0)
    asked = search_queries()
    assert priced.expected.queries == plan.queries + round(asked.not_found.mean)
    assert priced.expected_found is not None
    # 16 planes of 16 points, their samples and 150 repeats, and the search.
    opened = sum(len(order) for order in plan.schedule.opening())
    repeats = (
        np.concatenate(list(plan.schedule.opening()))[:, 0].tolist().count(len(plan.probes) - 1)
    )
    assert priced.expected_found.queries == opened + 150 - repeats + round(asked.found.mean)
    assert priced.expected_found.queries < priced.expected.queries < priced.worst.queries
    assert priced.worst.queries == (
        plan.queries + plan.most_extra_repeats + plan.most_trigger_queries
    )
    for cost in (priced.expected, priced.expected_found, priced.worst):
        assert cost.money == pytest.approx(cost.queries / 1000)
        assert cost.requests * 50 >= cost.queries
        assert cost.bytes_sent >= 1000 * cost.requests + 7 * cost.queries
    assert str(asked.found.searches + asked.not_found.searches) in priced.rests_on


def test_where_everything_is_asked_a_found_trigger_saves_no_planes(tmp_path: Path) -> None:
    oracle, plan = searching(tmp_path, stop_early=False)
    priced = price((oracle, plan))
    assert priced.expected_found is not None
    assert priced.expected_found.queries == plan.queries + round(search_queries().found.mean)


def test_a_search_nobody_measured_is_expected_to_ask_its_most(tmp_path: Path) -> None:
    oracle, plan = searching(tmp_path)
    other = dataclasses.replace(plan, trigger=dataclasses.replace(plan.trigger, budget=99))
    priced = price((oracle, other))
    assert priced.expected.queries == other.queries + other.most_trigger_queries
    assert "no searches" in priced.rests_on


def test_the_measured_searches_are_those_of_the_shipped_settings() -> None:
    known = search_queries().budget
    assert TriggerSettings().budget == known, "queries --write-measured writes what searches asked"


def test_the_tools_own_time_for_a_query_comes_on_top(
    ready: tuple[SyntheticOracle, AuditPlan],
) -> None:
    oracle, plan = ready
    limits = [Limit("queries", 100.0, "measured")]
    alone, whole = (price_audit(oracle, plan, Rates(limits, None, own_s=own)) for own in (0, 0.5))
    assert alone.expected.seconds is not None
    assert whole.expected.seconds == alone.expected.seconds + 0.5 * whole.expected.queries
    assert whole.queries_per_second == alone.queries_per_second == 100.0
    assert whole.own_seconds == 0.5


def test_its_own_time_is_what_the_benchmark_measured() -> None:
    page = (ROOT / "examples" / "benchmarks" / "search_cpu" / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| [\d,]+ \| ([\d.]+) ", page, re.MULTILINE)
    assert len(rows) == 4
    for side, seconds in rows:
        shape = (3, int(side), int(side))
        assert own_seconds(shape) == pytest.approx(float(seconds) / 1000, rel=0.2)


def test_a_quota_that_one_day_does_not_use_up_makes_no_rate(
    ready: tuple[SyntheticOracle, AuditPlan],
) -> None:
    oracle, plan = ready
    roomy = [Limit("requests", 10**6, "limits.requests_per_day", 86_400.0)]
    priced = price_audit(oracle, plan, Rates(roomy, None, own_s=0.001))
    assert priced.queries_per_second is None
    assert priced.expected.seconds == pytest.approx(0.001 * priced.expected.queries)


@pytest.mark.parametrize("accuses", [True, False])
def test_a_second_search_is_named_where_something_can_accuse(
    tmp_path: Path,
    accuses: bool,  # noqa: FBT001 - parametrised
) -> None:
    oracle, plan = searching(tmp_path)
    assert plan.most_second_queries
    reached = Prospects(False, "" if accuses else "effort", None, None, 60, 12, "", "standard")
    priced = price_audit(oracle, plan, Rates([], None), reached)
    assert priced.second_search_queries_most == plan.most_second_queries * accuses
