"""Where the key comes from, how it travels, and that it goes nowhere else."""

from __future__ import annotations

import asyncio
import base64
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.requests import Request
from starlette.responses import Response

from adapters.errors import MissingExtra, TargetError
from adapters.http import open_oracle
from adapters.target import read_target

Mount = Callable[[Any], str]
KEY = "k3y of+the/test="
ZEROS = np.zeros((1, 1, 2, 2), np.float32)


def _sent(mount: Mount, auth: dict[str, Any], status: int = 200) -> tuple[Request, str]:
    """The request that goes out, and all that is printed on the way."""
    seen: list[Request] = []

    async def answer(request: Request) -> Response:
        seen.append(request)
        echo = f"{request.url} {dict(request.headers)}"
        return Response("[[0, 1]]" if status == 200 else echo, status)

    table = {"url": mount(answer), "preset": "http", "input": {"shape": [1, 2, 2]}, "auth": auth}
    texts = []

    async def run() -> None:
        watched: list[Any] = []
        oracle = await open_oracle(read_target(table), watched.append)
        try:
            await oracle.predict_labels(ZEROS)
        except Exception as error:  # noqa: BLE001 - its text is what counts
            texts.append(str(error))
        await oracle.aclose()
        texts.extend([repr(vars(oracle)), repr(watched), oracle.fingerprint])
        texts.extend([watched[0].request_text(), watched[0].reply_text()])

    asyncio.run(run())
    return seen[0], "\n".join(texts)


@pytest.fixture(params=["environment", "file", "keyring"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The fields that say where the key is; it is there."""
    if request.param == "environment":
        monkeypatch.setenv("MY_KEY", f" {KEY}\n")
        return {"secret_env": "MY_KEY"}
    if request.param == "file":
        (tmp_path / "key").write_text(f"{KEY}\n")
        return {"secret_file": str(tmp_path / "key")}
    ring = types.ModuleType("keyring")
    held = {("my service", "me/prod"): KEY}
    ring.get_password = lambda *entry: held.get(entry)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", ring)
    return {"keyring": "my service/me/prod"}


def test_a_key_from_anywhere_travels_as_a_bearer_token(mount: Mount, place: dict[str, str]) -> None:
    request, printed = _sent(mount, place)
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in printed


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    ("auth", "found"),
    [
        ({"type": "header", "header": "X-My-Key"}, lambda r: r.headers["x-my-key"]),
        (
            {"type": "header", "prefix": "Key "},
            lambda r: r.headers["authorization"].removeprefix("Key "),
        ),
        ({"type": "query", "parameter": "api key"}, lambda r: r.query_params["api key"]),
        (
            {"type": "basic", "user": "me"},
            lambda r: base64.b64decode(r.headers["authorization"][6:]).decode()[3:],
        ),
    ],
)
def test_every_way_to_carry_a_key(
    mount: Mount,
    monkeypatch: pytest.MonkeyPatch,
    auth: dict[str, Any],
    found: Callable[[Request], str],
    status: int,
) -> None:
    monkeypatch.setenv("XRAY_AUDIT_API_KEY", KEY)
    request, printed = _sent(mount, auth, status)
    assert found(request) == KEY
    coded = base64.b64encode(f"me:{KEY}".encode()).decode()
    for secret in (KEY, "k3y%20of", "k3y+of", coded):
        assert secret not in printed


def test_no_key_where_none_is_wanted(mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRAY_AUDIT_API_KEY", KEY)
    request, _ = _sent(mount, {"type": "none"})
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        ({"secret_env": "NOT_SET_ANYWHERE"}, "'NOT_SET_ANYWHERE' holds no key"),
        ({"type": "basic", "user": "me"}, "holds no key"),
        ({"secret_file": "/no/such/key"}, "cannot be read: No such file"),
        ({"secret_file": "/dev/null"}, "holds no key"),
        ({"keyring": "service"}, "it must be SERVICE/NAME"),
    ],
)
def test_a_key_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, auth: dict[str, Any], words: str
) -> None:
    monkeypatch.delenv("XRAY_AUDIT_API_KEY", raising=False)
    table = {"url": "http://127.0.0.1:9", "input": {"shape": [1, 2, 2]}, "auth": auth}
    with pytest.raises(TargetError, match=words):
        asyncio.run(open_oracle(read_target(table)))


def test_without_a_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    table = {"url": "http://127.0.0.1:9", "auth": {"keyring": "a/b"}}
    with pytest.raises(MissingExtra, match=r"install xray-audit\[keyring\]"):
        asyncio.run(open_oracle(read_target(table)))
