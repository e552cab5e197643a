"""Keys that are computed: signatures, tokens that a program prints, OAuth 2 client credentials."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from adapters.errors import AccessDenied, TargetError
from adapters.http import open_oracle
from adapters.http.client import credentials
from adapters.http.client.tokens import read_token
from adapters.secrets import without_secrets
from adapters.target import read_target, refuse_secrets

Mount = Callable[[Any], str]
SECRET = "s3cret-of+the/client="
ZEROS = np.zeros((1, 1, 2, 2), np.float32)


@pytest.fixture(autouse=True)
def no_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """No token of another test is left."""
    monkeypatch.setattr(credentials, "_sources", {})


def asked(url: str, auth: dict[str, Any], times: int = 1) -> tuple[list[str], str]:
    """Errors of ``times`` requests, and all that could be printed on the way."""
    table = {"url": url, "preset": "http", "input": {"shape": [1, 2, 2]}, "auth": auth}
    errors: list[str] = []
    texts: list[str] = []

    async def run() -> None:
        watched: list[Any] = []
        oracle = await open_oracle(read_target(table), watched.append)
        for _ in range(times):
            try:
                await oracle.predict_labels(ZEROS)
            except Exception as error:  # noqa: BLE001 - its text is what counts
                errors.append(str(error))
        await oracle.aclose()
        texts.extend([repr(vars(oracle)), repr(watched), oracle.fingerprint])
        texts.extend(f"{one.request_text()} {one.reply_text()}" for one in watched)

    asyncio.run(run())
    return errors, "\n".join([*errors, *texts])


# ---- HMAC ----------------------------------------------------------------------------------------


def test_a_signature_over_timestamp_and_body(mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNING_KEY", SECRET)
    seen: list[str] = []

    async def answer(request: Request) -> Response:
        body, stamp = await request.body(), request.headers["x-timestamp"]
        wanted = hmac.new(SECRET.encode(), stamp.encode() + body, hashlib.sha256).hexdigest()
        seen.append(request.headers["x-signature"])
        assert abs(int(stamp) - time.time()) < 60
        good = request.headers["x-signature"] == wanted
        return Response("[[0, 1]]" if good else f"{dict(request.headers)}", 200 if good else 401)

    auth = {
        "type": "hmac",
        "secret_env": "SIGNING_KEY",
        "header": "X-Signature",
        "hmac": {"headers": {"X-Timestamp": "{timestamp}"}},
    }
    errors, printed = asked(mount(answer), auth, times=2)
    assert errors == []
    assert SECRET not in printed
    assert all(signature not in printed for signature in seen)


def test_a_recipe_of_many_parts(mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = b"\x00\xffkey of bytes"
    monkeypatch.setenv("SIGNING_KEY", base64.b64encode(raw).decode())
    refused: list[str] = []

    async def answer(request: Request) -> Response:
        fields = dict(
            part.split("=", 1) for part in request.headers["authorization"][5:].split(",")
        )
        digest = base64.b64encode(hashlib.sha512(await request.body()).digest()).decode()
        text = "\n".join(
            ["POST", request.url.path, "v=1", request.headers["host"], fields["n"], digest]
        )
        wanted = base64.b64encode(hmac.new(raw, text.encode(), hashlib.sha512).digest()).decode()
        if (fields["id"], fields["s"]) != ("me", wanted):
            refused.append(text)
        return Response("[[0, 1]]")

    auth = {
        "type": "hmac",
        "secret_env": "SIGNING_KEY",
        "hmac": {
            "algorithm": "sha512",
            "signs": "{method}\n{path}\n{query}\n{host}\n{nonce}\n{body_hash}",
            "digest": "base64",
            "value": "HMAC id={key_id},n={nonce},s={signature}",
            "key_id": "me",
            "key_form": "base64",
        },
    }
    assert asked(mount(answer) + "?v=1", auth, times=2)[0] == []
    assert refused == []


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ({"signs": "{time}{body}"}, r"auth.hmac.signs holds \{time\}; it may hold \{body\}"),
        ({"value": "{timestamp}"}, "does not hold {signature}"),
        ({"value": "{signature}{body}"}, r"auth.hmac.value holds \{body\}"),
        ({"key_form": "hex"}, "the key is not hex"),
        ({"key_form": "base64"}, "the key is not base64"),
        ({"algorithm": "md5"}, "auth.hmac.algorithm is 'md5'"),
    ],
)
def test_recipes_that_cannot_be_followed(
    monkeypatch: pytest.MonkeyPatch, recipe: dict[str, Any], words: str
) -> None:
    monkeypatch.setenv("SIGNING_KEY", "no*hex")
    auth = {"type": "hmac", "secret_env": "SIGNING_KEY", "hmac": recipe}
    with pytest.raises(TargetError, match=words):
        asked("http://127.0.0.1:9/x", auth)


@pytest.mark.parametrize("auth", [{"hmac": {"key": "x"}}, {"oauth2": {"client_secret": "x"}}])
def test_a_secret_in_a_recipe_is_refused(auth: dict[str, Any]) -> None:
    with pytest.raises(TargetError, match="looks like a secret"):
        refuse_secrets({"auth": auth})


# ---- a program -----------------------------------------------------------------------------------


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], list[str]]:
    """Words of a program that runs ``code``, which may count its runs in ``runs``."""

    def make(code: str) -> list[str]:
        path = tmp_path / "key.py"
        runs = tmp_path / "runs"
        path.write_text(
            "import json, pathlib, sys\n"
            f"runs = pathlib.Path({str(runs)!r})\n"
            "n = len(runs.read_text()) if runs.exists() else 0\n"
            "runs.write_text('x' * (n + 1))\n" + code
        )
        return [sys.executable, str(path)]

    return make


def bearer(taken: Callable[[str, int], bool], keys: list[str]) -> Any:
    """A handler that takes the key in ``Authorization`` if ``taken`` says so."""

    async def answer(request: Request) -> Response:
        key = request.headers.get("authorization", "")[7:]
        keys.append(key)
        good = taken(key, len(keys))
        return Response("[[0, 1]]" if good else f"no entry with {key}", 200 if good else 401)

    return answer


def test_a_program_s_key_is_kept_and_renewed_when_it_is_refused(
    mount: Mount, program: Callable[[str], list[str]]
) -> None:
    keys: list[str] = []
    url = mount(bearer(lambda key, n: key == f"printed-key-{0 if n < 3 else 1}", keys))
    command = program("print(f'printed-key-{n}'); print('noise', file=sys.stderr)")
    errors, printed = asked(url, {"command": command}, times=4)
    assert errors == []
    assert keys == ["printed-key-0"] * 3 + ["printed-key-1"] * 2
    assert "printed-key" not in printed


def test_a_key_runs_out_by_its_own_word(
    mount: Mount, program: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    keys: list[str] = []
    url = mount(bearer(lambda *_: True, keys))
    command = program("print(json.dumps({'token': f'printed-key-{n}', 'expires_in': 3600}))")
    assert asked(url, {"command": command}, times=2)[0] == []
    later = time.time() + 3600 - 20
    monkeypatch.setattr(time, "time", lambda: later)
    assert asked(url, {"command": command}, times=2)[0] == []
    assert keys == ["printed-key-0"] * 2 + ["printed-key-1"] * 2


def test_a_key_that_is_never_taken_is_fetched_once(
    mount: Mount, program: Callable[[str], list[str]]
) -> None:
    keys: list[str] = []
    url = mount(bearer(lambda *_: False, keys))
    errors, printed = asked(url, {"command": program("print('printed-key-of-none')")}, times=2)
    assert len(keys) == 2
    assert all("HTTP 401; check the key" in error for error in errors)
    assert "printed-key-of-none" not in printed


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("print('half-a-key'); sys.exit(3)", "ended with exit code 3; run it by hand"),
        ("print('first-key-line'); print('second')", "one line of printable ASCII"),
        ("", "one line of printable ASCII"),
        ('print(\'{"user": "me"}\')', "JSON without a token"),
        ("sys.stdout.buffer.write(bytes([255, 254, 253]))", "printed no text"),
    ],
)
def test_programs_that_give_no_key(
    mount: Mount, program: Callable[[str], list[str]], code: str, words: str
) -> None:
    errors, printed = asked(mount(bearer(lambda *_: True, [])), {"command": program(code)})
    assert words in errors[0]
    assert "-key" not in printed


def test_a_program_that_is_not_there_and_no_shell(mount: Mount) -> None:
    url = mount(bearer(lambda *_: True, []))
    assert "cannot be run: No such file" in asked(url, {"command": ["/no/such/program"]})[0][0]
    keys: list[str] = []
    url = mount(bearer(lambda *_: True, keys))
    assert asked(url, {"command": ["echo", "$HOME;", "`id`"]})[0] == []
    assert keys == ["$HOME; `id`"]


@pytest.mark.parametrize(
    ("printed", "end"),
    [
        ('{"access_token": "abcdef", "expires_in": 1000}', 970),
        ('{"access_token": "abcdef", "expires_in": "100"}', 90),
        ('{"credential": {"access_token": "abcdef", "token_expiry": "2100-01-01T00:00:00Z"}}', 1e9),
        ('{"status": {"token": "abcdef", "expirationTimestamp": "2100-01-01T00:00:00Z"}}', 1e9),
        ('{"accessToken": "abcdef", "expires_on": 4102444800}', 1e9),
        ("abcdef", None),
    ],
)
def test_the_end_of_a_token(printed: str, end: float | None) -> None:
    token = read_token(printed.encode(), None, "it printed")
    assert token.text == "abcdef"
    left = None if token.until is None else token.until - time.time()
    assert left == end or (left is not None and end is not None and left > min(end, 1e9) - 5)
    stated = read_token(printed.encode(), 50.0, "it printed")
    assert stated.until is not None


def test_the_end_of_a_web_token_is_its_own() -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": 4102444800}).encode()).decode().rstrip("=")
    token = read_token(f"e30.{claims}.c2ln".encode(), 50.0, "it printed")
    assert token.until == 4102444800 - 30


# ---- OAuth 2 -------------------------------------------------------------------------------------


@pytest.mark.parametrize("send_as", ["basic", "body"])
def test_client_credentials(mount: Mount, monkeypatch: pytest.MonkeyPatch, send_as: str) -> None:
    monkeypatch.setenv("CLIENT_SECRET", SECRET)
    granted: list[dict[str, list[str]]] = []

    async def grant(request: Request) -> Response:
        form = parse_qs((await request.body()).decode())
        if send_as == "basic":
            assert base64.b64decode(request.headers["authorization"][6:]) == (
                b"an+id%3A:s3cret-of%2Bthe%2Fclient%3D"
            )
        else:
            assert "authorization" not in request.headers
            assert (form["client_id"], form["client_secret"]) == (["an id:"], [SECRET])
        assert form["grant_type"] == ["client_credentials"]
        granted.append(form)
        token = {"access_token": f"granted-token-{len(granted)}", "token_type": "Bearer"}
        return JSONResponse({**token, "expires_in": 3600})

    keys: list[str] = []
    url = mount(bearer(lambda key, n: key == f"granted-token-{1 if n < 3 else 2}", keys))
    auth = {
        "type": "oauth2",
        "secret_env": "CLIENT_SECRET",
        "oauth2": {
            "token_url": mount(grant),
            "client_id": "an id:",
            "scope": "read infer",
            "send_as": send_as,
            "parameters": {"audience": "models"},
        },
    }
    errors, printed = asked(url, auth, times=3)
    assert errors == []
    assert asked(url, auth)[0] == []
    assert keys == ["granted-token-1"] * 3 + ["granted-token-2"] * 2
    assert [(form["scope"], form["audience"]) for form in granted] == [
        (["read infer"], ["models"])
    ] * 2
    for secret in (SECRET, "granted-token", "s3cret-of%2B"):
        assert secret not in printed


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (400, {"error": "invalid_client"}, "no token was given: .*invalid_client"),
        (401, {"error": "invalid_client"}, "HTTP 401; check the key"),
        (200, {"token_type": "Bearer"}, "answered with JSON without a token"),
    ],
)
def test_a_server_that_grants_nothing(
    mount: Mount, monkeypatch: pytest.MonkeyPatch, status: int, body: dict[str, Any], words: str
) -> None:
    monkeypatch.setenv("CLIENT_SECRET", SECRET)

    async def grant(_: Request) -> Response:
        return JSONResponse({**body, "echo": SECRET}, status)

    auth = {
        "type": "oauth2",
        "secret_env": "CLIENT_SECRET",
        "oauth2": {"token_url": mount(grant), "client_id": "me"},
    }
    table = {"url": "http://127.0.0.1:9/x", "preset": "http", "auth": auth}

    async def run() -> None:
        oracle = await open_oracle(read_target({**table, "input": {"shape": [1, 2, 2]}}))
        try:
            await oracle.predict_labels(ZEROS)
        finally:
            await oracle.aclose()

    with pytest.raises(AccessDenied, match=words) as caught:
        asyncio.run(run())
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        ({"oauth2": {"client_id": "me"}}, "auth.oauth2.token_url is missing"),
        ({"oauth2": {"token_url": "http://h/t"}}, "auth.oauth2.client_id is missing"),
        ({"oauth2": {"token_url": "ftp://h/t", "client_id": "me"}}, "http:// or https://"),
        ({"command": ["x"], "oauth2": {"token_url": "http://h/t", "client_id": "m"}}, "leave auth"),
    ],
)
def test_clients_that_cannot_ask(
    monkeypatch: pytest.MonkeyPatch, auth: dict[str, Any], words: str
) -> None:
    monkeypatch.setenv("XRAY_AUDIT_API_KEY", SECRET)
    with pytest.raises(TargetError, match=words):
        asked("http://127.0.0.1:9/x", {"type": "oauth2", **auth})


def test_a_signing_key_is_hidden_everywhere(mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNING_KEY", SECRET)

    async def answer(_: Request) -> Response:
        return JSONResponse({"error": f"wrong: {SECRET}"}, 400)

    errors, _ = asked(mount(answer), {"type": "hmac", "secret_env": "SIGNING_KEY"})
    assert SECRET not in errors[0]
    assert SECRET not in without_secrets(f"a class called {SECRET}")
