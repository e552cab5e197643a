"""TorchServe's tokens live for an hour: an audit may outlive its key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auditor.errors import ExitCode

SMALL = ("--planes", "3", "--canaries", "4", "--no-trigger-search", "--quiet")


def test_a_token_that_expires_stops_the_audit_and_a_new_one_continues_it(
    command: Callable[..., Any],
    make_server: Callable[..., tuple[Any, str]],
    pictures: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, url = make_server("torchserve")
    honest = server.routes["POST /predictions/audit"]
    valid = {"key": "first-token-of-the-test"}

    def predict(headers: Any, body: bytes) -> Any:
        if server.queries == 60:
            valid["key"] = "second-token-of-the-test"
        if headers.get("authorization") != f"Bearer {valid['key']}":
            said = {"code": 400, "type": "InvalidKeyException", "message": "Token expired"}
            return server.refuse(400, said)
        return honest(headers, body)

    server.routes["POST /predictions/audit"] = predict
    monkeypatch.setenv("XRAY_AUDIT_API_KEY", valid["key"])
    words = ("--endpoint", url, "--preset", "torchserve", "--shape", "3,8,8", "--concurrency", "1")
    rest = ("--samples", pictures(), *SMALL, "--json")
    stopped = command(*words, *rest)
    assert stopped.code == ExitCode.FAILED
    assert "refused the key (HTTP 400): Token expired" in stopped.sentence
    monkeypatch.setenv("XRAY_AUDIT_API_KEY", valid["key"])
    report = json.loads(command(*words, *rest).out)
    assert report["queries"]["cached"] == 60
    assert not report["partial"]
    assert server.queries == report["queries"]["sent_all_runs"] - 1
