"""Services behind keys that are computed: both commands, with a description written by hand."""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.http.client import credentials
from tests.auditor.workflows.check.conftest import two_commands

CLASSES = ["ant", "bee", "cat", "dog", "elk"]
SECRET = "s3cret-of-the-client"
AUTH = {
    "hmac": """
type = "hmac"
secret_env = "A_SECRET"
header = "X-Signature"
[auth.hmac]
headers = { "X-Timestamp" = "{timestamp}" }
""",
    "command": f"\ncommand = [{json.dumps(sys.executable)}, '-c', 'print(\"token-one\")']\n",
    "oauth2": """
type = "oauth2"
secret_env = "A_SECRET"
[auth.oauth2]
token_url = "URL/token"
client_id = "auditor"
""",
}


def signed(headers: Any, body: bytes) -> bool:
    said = (headers.get("x-timestamp") or "").encode() + body
    wanted = hmac.new(SECRET.encode(), said, hashlib.sha256).hexdigest()
    return bool(headers.get("x-signature") == wanted)


@pytest.mark.parametrize("kind", AUTH)
def test_two_commands_with_a_key_that_is_computed(
    command: Any,
    empty_server: Any,
    pictures: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    monkeypatch.setattr(credentials, "_sources", {})
    monkeypatch.setenv("A_SECRET", SECRET)

    def classify(headers: Any, body: bytes) -> Any:
        token = headers.get("authorization") == "Bearer token-one"
        if not (signed(headers, body) if kind == "hmac" else token):
            empty_server.refuse(401, {"error": "no entry"})
        return {"label": CLASSES[int(empty_server.picture_scores(body).argmax())]}

    empty_server.routes = {
        "POST /classify": classify,
        "POST /token": lambda *_: {"access_token": "token-one", "token_type": "Bearer"},
    }
    Path("mine.toml").write_text(
        f'url = "{empty_server.url}/classify"\naccess = "image"\n'
        f"[auth]{AUTH[kind].replace('URL', empty_server.url)}"
        '[input]\nshape = [3, 8, 8]\n[request]\nbody = "raw"\n'
        f'[response]\npath = "label"\nkind = "label"\nclasses = {CLASSES}\n'
    )
    two_commands(command, pictures(), "--target", "mine.toml")
    assert not [p for p in Path("out").rglob("*") if p.is_file() and SECRET in p.read_text("latin")]
