"""The wait that a server asks for, in every way that servers state it, and within bounds."""

from __future__ import annotations

import email.utils
import json
import random
import time
from typing import Any

import httpx
import pytest

from adapters.http.client.quota_headers import pace_hint, stated_limits
from adapters.http.client.waits import seconds_of, wait_in_body, wait_in_headers

NOW = 1_800_000_000.0
"""2027-01-15 08:00:00 UTC."""


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", 5.0),
        (7, 7.0),
        ("0.5", 0.5),
        ("5s", 5.0),
        ('"5"', 5.0),
        ("1m30s", 90.0),
        ("6m0s", 360.0),
        ("120ms", 0.12),
        ("2h", 7200.0),
        ("1 minute and 5 seconds", 65.0),
        ("PT1M30S", 90.0),
        ("P1DT2H", 93_600.0),
        ("00:01:30", 90.0),
        ("1800000060", 60.0),
        (1_800_000_060.5, 60.5),
        ("1800000060000", 60.0),
        ("1800000060000000000", 60.0),
        ("2027-01-15T08:01:00Z", 60.0),
        ("2027-01-15T09:01:00+01:00", 60.0),
        ("2027-01-15 08:01:00.000 UTC", 60.0),
        ("2027-01-15T07:00:00Z", 0.0),
        ("Fri, 15 Jan 2027 08:01:00 GMT", 60.0),
        ("-3", 0.0),
    ],
)
def test_a_wait_is_read_however_it_is_written(value: Any, seconds: float) -> None:
    assert seconds_of(value, NOW) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value", ["", "soon", "inf", "nan", "5 apples", "1m30", True, None, [5], "9" * 300, "5s" * 200]
)
def test_what_states_no_wait_is_none(value: Any) -> None:
    assert seconds_of(value, NOW) is None


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({"error": "Model is currently loading", "estimated_time": 20.0}, 20.0),
        ({"retry_after": 7}, 7.0),
        ({"retry_after_ms": 1500}, 1.5),
        ({"retryAfterInSeconds": "7"}, 7.0),
        ({"error": {"details": [{"@type": "RetryInfo", "retryDelay": "5s"}]}}, 5.0),
        ({"error": {"details": [{"retryDelay": {"seconds": 4, "nanos": 0}}]}}, 4.0),
        ({"rate": {"limit": 10, "remaining": 0, "reset": NOW + 9}}, 9.0),
        ({"rate": {"reset": 900}, "wait_seconds": 3}, 3.0),
        ({"error": {"message": "Limit 3 per minute. Please try again in 20s."}}, 20.0),
        ({"error": "Please try again in 6m0s."}, 360.0),
        ({"detail": "Request was throttled. Expected available in 26 seconds."}, 26.0),
        ("Please wait 1.5 seconds", 1.5),
        ("<p>Come back: ready in about 1 minute</p>", 60.0),
        ("In 20 seconds you can try again", 20.0),
        ("retry after: 30", 30.0),
        ("Please try again at 2027-01-15T08:00:30Z", 30.0),
        ("Try again in a minute.", 60.0),
        ("please wait one hour and 5 minutes", 3900.0),
        ("Out of call volume quota. Quota will be replenished in 02:01:05.", 7265.0),
        ("<Error><RetryAfterSeconds>30</RetryAfterSeconds></Error>", 30.0),
        ({"retry_in_minutes": 2}, 120.0),
        ({"wait_ms": 200}, 0.2),
        ({"next_available_in": 8}, 8.0),
        ("a class that ends at 12:30:00", None),
        ({"error": "10 requests per 60 s are allowed"}, None),
        ({"retry": 3, "wait": True, "eta": None}, None),
        ("try 3 inputs of 20 pixels", None),
        ("", None),
    ],
)
def test_a_wait_stated_in_a_body_alone(body: Any, seconds: float | None) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    assert wait_in_body(text.encode(), NOW) == seconds


@pytest.mark.parametrize(
    ("headers", "limits"),
    [
        ({"RateLimit-Policy": '"default";q=100;w=60'}, [(100, 60.0)]),
        ({"RateLimit-Limit": "10, 10;w=1, 50;w=60"}, [(10, 1.0), (50, 60.0)]),
        ({"X-RateLimit-Limit-Day": "1000"}, [(1000, 86_400.0)]),
        ({"RateLimit-Policy": '"bytes";q=9;w=1;qu="content-bytes"', "X-RateLimit-Limit": "5"}, []),
    ],
)
def test_limits_that_headers_state(
    headers: dict[str, str], limits: list[tuple[int, float]]
) -> None:
    assert stated_limits(httpx.Headers(headers)) == limits


def test_of_several_quotas_the_one_that_is_used_up_counts() -> None:
    spent = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}
    plenty = {"x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "1s"}
    hint = pace_hint(httpx.Headers({**plenty, **spent}))
    assert hint is not None
    assert (hint.remaining, hint.reset_s) == (0, 360.0)


PIECES = [
    "retry", "wait ", "1", "s", " ", "in ", '{"', '":', "[", "9" * 40, "try again in ", "=", ";w=",
    ",", "2027-01-01T", "reset", "\n", "é", "m", ".", "-", "RateLimit", '"', "ms", ":",
]  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_whatever_a_server_writes_is_read_in_no_time(seed: int) -> None:
    rng = random.Random(seed)
    few = rng.sample(PIECES, rng.randint(1, 4))
    text = "".join(rng.choices(few, k=65_536))[:65_536]
    headers = dict.fromkeys(("retry-after", "ratelimit", "x-ratelimit-reset", "date"), text)
    began = time.process_time()
    wait_in_headers(headers)
    pace_hint(headers)
    stated_limits(headers)
    wait_in_body(text.encode(), NOW)
    wait_in_body(b'{"error": ' + json.dumps(text).encode() + b"}", NOW)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30, 60", 60.0),
        ("30 ; comment=x", 30.0),
        ("Fri, 15 Jan 2027 08:01:00 GMT, Fri, 15 Jan 2027 08:02:00 GMT", 60.0),
        ("\u0663\u0660", None),
        ("3_0", None),
        ("soon, later", None),
    ],
)
def test_a_header_given_twice_or_with_a_comment(value: str, seconds: float | None) -> None:
    date = email.utils.formatdate(NOW, usegmt=True)
    assert wait_in_headers({"date": date, "retry-after": value}) == seconds


def test_a_date_counts_from_the_servers_own_clock() -> None:
    date = email.utils.formatdate(NOW, usegmt=True)
    assert wait_in_headers(httpx.Headers({"Date": date, "Retry-After": str(NOW + 7)})) == 7.0
