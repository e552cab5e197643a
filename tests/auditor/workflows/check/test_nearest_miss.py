"""The nearest miss that ``check`` shows where no format gives a label, and its transcripts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.target import read_description
from auditor.errors import ExitCode

KEY = "canary-key-Zq83-of-this-test"


@pytest.fixture
def odd(make_server: Callable[..., tuple[Any, str]]) -> str:
    """A server whose reply no rule reads: the class is the name of the only true flag."""
    server, _ = make_server("torchserve")
    honest = server.routes["POST /predictions/audit"]

    def predict(headers: Any, body: bytes) -> Any:
        chances = honest(headers, body)
        best = max(chances, key=chances.get)
        key = headers.get("authorization", "")
        return {"meta": {"echo": key}, "flags": [{"n": {name: name == best}} for name in chances]}

    server.routes = {"POST /classify": predict}
    return f"{server.url}/classify"


def test_the_nearest_miss_is_shown_and_kept(
    command: Callable[..., Any],
    odd: str,
    pictures: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XRAY_AUDIT_API_KEY", KEY)
    words = ("check", odd, "--samples", pictures(), "--write", "t.toml", "--transcript", "all.txt")
    ran = command(*words)
    assert ran.code == ExitCode.FAILED
    assert "xray-audit: error: none of " in ran.err
    assert "Nearest miss: request:\n  POST http://127.0.0.1" in ran.out
    assert "Its reply:\n  HTTP 200" in ran.out
    assert "Looked like an answer: flags.0.n.ant = " in ran.out
    kept = Path("t.toml").read_text()
    assert kept in "\n".join(line[2:] for line in ran.out.splitlines()) + "\n"
    assert "# UNFINISHED: no label was read" in kept
    table = read_description(Path("t.toml"))
    assert table["url"] == odd
    assert table["request"] == {"body": "raw"}
    assert table["response"] == {"path": "", "kind": "label"}
    saved = Path("all.txt").read_text()
    assert saved.startswith("=== 1. Asking the server what it is\n\nGET http://127.0.0.1")
    assert saved.count("\n=== ") > 10
    assert "authorization: ***" in saved
    for text in (ran.out, ran.err, kept, saved):
        assert KEY not in text


@pytest.mark.slow
def test_the_nearest_miss_as_json(
    command: Callable[..., Any], odd: str, pictures: Callable[..., Path]
) -> None:
    ran = command("check", odd, "--samples", pictures(), "--json")
    miss = json.loads(ran.out)["nearest_miss"]
    assert sorted(miss) == ["candidates", "problem", "reply", "request", "table"]
    assert miss["table"]["url"] == odd


def test_a_server_that_says_what_it_wants_is_nearer_than_one_that_is_silent(
    command: Callable[..., Any],
    make_server: Callable[..., tuple[Any, str]],
    pictures: Callable[..., Path],
) -> None:
    server, _ = make_server("torchserve")

    def predict(headers: Any, _: bytes) -> Any:
        if headers.get("content-type", "").startswith("multipart/"):
            server.refuse(422, {"detail": [{"loc": ["body", "picture_id"], "msg": "required"}]})
        server.refuse(404, {"error": "no"})

    server.routes = {"POST /classify": predict}
    ran = command("check", f"{server.url}/classify", "--samples", pictures())
    assert ran.code == ExitCode.FAILED
    assert "Its reply:\n  HTTP 422" in ran.out
    assert '"loc": ["body", "picture_id"]' in ran.out


def test_a_transcript_of_a_check_that_went_well(
    command: Callable[..., Any],
    make_server: Callable[..., tuple[Any, str]],
    pictures: Callable[..., Path],
) -> None:
    server, url = make_server("mosec")
    ran = command("check", url, "--samples", pictures(), "--transcript", "all.txt")
    assert ran.code == ExitCode.NO_EVIDENCE
    saved = Path("all.txt").read_text()
    assert saved.count("HTTP 200\n") >= server.queries
    assert "Measuring accuracy" in saved
    again = command("check", url, "--samples", "pictures3", "--transcript", "all.txt")
    assert again.code == ExitCode.USAGE
    assert "--transcript all.txt exists already" in again.sentence
