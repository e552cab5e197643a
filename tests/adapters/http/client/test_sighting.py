"""What an endpoint gives away about itself, for the record."""

from __future__ import annotations

import asyncio
import contextlib
import time
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import numpy as np
import pytest

from adapters.contract import Identified
from adapters.http import open_oracle
from adapters.http.client.sighting import Sighting
from adapters.http.transport.addresses import AddressGuard
from adapters.target.description import HttpOptions, Target

Scripted = Callable[..., contextlib.AbstractAsyncContextManager[str]]
BATCH = np.zeros((1, 1, 2, 2), np.float32)
KEY = "k" * 100 + "-secret"


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_endpoint_is_identified_without_its_secrets(
    scripted: Scripted, transport: Any, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAY_AUDIT_API_KEY", KEY)

    async def talk(_: Reader, writer: Writer) -> None:
        head = [
            "HTTP/1.1 200 OK",
            "content-length: 7",
            "connection: close",
            f"date: {formatdate(time.time() + 3600, usegmt=True)}",
            "server: tested/1",
            f"x-model-id: {KEY}",
        ]
        writer.write(("\r\n".join(head) + "\r\n\r\n[[0,1]]").encode())

    async def run() -> None:
        async with scripted(talk) as address:
            url = address.replace("127.0.0.1", host)
            target = Target(
                "http", f"{url}?token=T0P", shape=(1, 2, 2), http=HttpOptions(transport=transport)
            )
            oracle = await open_oracle(target)
            assert isinstance(oracle, Identified)
            assert oracle.identity()["clock_offset_s"] is None
            await oracle.predict_labels(BATCH)
            found = oracle.identity()
            await oracle.aclose()
        assert found["url"] == f"{url}?…"
        assert set(found["addresses"]) <= {"127.0.0.1", "::1"}
        assert found["addresses"]
        assert found["certificate"] is None
        assert found["headers"] == {"server": "tested/1", "x-model-id": "***"}
        assert 3595 < found["clock_offset_s"]["low"] <= found["clock_offset_s"]["high"] < 3605
        assert KEY not in str(found)
        assert "T0P" not in str(found)

    asyncio.run(run())


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Foo 9999999999 99:99:99 GMT"])
def test_a_date_that_is_none_is_no_clock(date: str) -> None:
    seen = Sighting(AddressGuard("127.0.0.1", private=False))
    seen.reply({"date": date})
    assert seen.identity("u", {})["clock_offset_s"] is None


def test_offsets_span_what_was_seen() -> None:
    now = [0.0]
    seen = Sighting(AddressGuard("127.0.0.1", private=False), lambda: now[0])
    for ours, theirs in ((10.0, 12.0), (20.0, 19.0), (30.0, 31.0)):
        now[0] = ours
        seen.reply({"date": formatdate(theirs, usegmt=True)})
    assert seen.identity("u", {})["clock_offset_s"] == {"low": -1.0, "high": 2.0}
