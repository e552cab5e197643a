"""Limits and settings, merged once for the command line and the Python API."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from adapters.errors import TargetError
from adapters.target import read_target
from auditor.engine.contract import EngineLimits
from auditor.errors import UsageError
from auditor.samples.samples import Samples
from auditor.workflows.profiles import load_profile
from auditor.workflows.request import MAX_CONCURRENCY, Spending, merge_settings
from auditor.workflows.targets import LOCAL_CONCURRENCY, locate, located

URL = "http://host.invalid/m"
STATED = {"max_queries": 9, "rate": 5.0, "request_rate": 4.0, "concurrency": 3}


def test_the_user_wins_over_the_description_field_by_field(samples: Samples) -> None:
    table = {"url": URL, "limits": STATED, "retry": {"max": 2}}
    target = locate(read_target(table), samples)
    assert Spending().limits(target) == EngineLimits(9, 5.0, 4.0, 3, attempts=2)
    assert Spending(max_queries=7).limits(target) == EngineLimits(7, 5.0, 4.0, 3, attempts=2)
    all_of_it = Spending(7, 6.0, 2.0, 11).limits(target)
    assert all_of_it == EngineLimits(7, 6.0, 2.0, 11, attempts=2)


def test_the_kind_of_target_decides_what_nothing_states(
    samples: Samples, make_oracle: Callable[..., Any]
) -> None:
    assert Spending().limits(locate(read_target({"url": URL}), samples)).concurrency == 8
    assert Spending().limits(located(make_oracle())) == EngineLimits(concurrency=LOCAL_CONCURRENCY)
    assert Spending().limits() == EngineLimits(concurrency=LOCAL_CONCURRENCY)


@pytest.mark.parametrize("name", ["max_queries", "rate", "request_rate", "concurrency"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_limit_out_of_its_range_is_named_as_the_user_writes_it(name: str, value: Any) -> None:
    flagged = Spending(**{name: value})
    with pytest.raises(UsageError, match=rf"^{name} is {value}, it must be above 0$"):
        flagged.checked()
    with pytest.raises(UsageError, match=rf"^<{name}> is {value}, it must be above 0$"):
        flagged.checked(lambda name: f"<{name}>")


def test_one_cap_on_requests_in_flight_holds_for_user_and_description() -> None:
    Spending(concurrency=MAX_CONCURRENCY).checked()
    read_target({"url": URL, "limits": {"concurrency": MAX_CONCURRENCY}})
    with pytest.raises(UsageError, match=f"concurrency is {MAX_CONCURRENCY + 1}, at most"):
        Spending(concurrency=MAX_CONCURRENCY + 1).checked()
    with pytest.raises(TargetError, match=f"limits.concurrency is {MAX_CONCURRENCY + 1}"):
        read_target({"url": URL, "limits": {"concurrency": MAX_CONCURRENCY + 1}})


def test_a_profile_without_a_sampler_makes_an_audit_by_the_papers() -> None:
    shipped = load_profile("paper-gtsrb")
    settings = {key: value for key, value in shipped.settings.items() if key != "sampler"}
    older = dataclasses.replace(shipped, settings=settings)
    assert merge_settings(older, {}) == merge_settings(shipped, {})
    assert merge_settings(older, {}).sampler == "paper"


def test_what_the_user_chose_wins_over_the_profile_over_the_default() -> None:
    profile = load_profile("fashion-mnist")
    assert merge_settings(None, {}).planes == 44
    merged = merge_settings(profile, {"seed": 5})
    assert (merged.planes, merged.seed) == (profile.settings["planes"], 5)
    assert merge_settings(profile, {"planes": 3}).planes == 3


def test_what_is_no_setting_is_left_alone() -> None:
    assert merge_settings(None, {"value_range": (0, 1)}) == merge_settings(None, {})
