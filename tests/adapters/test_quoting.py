"""A server's own reason, wherever servers put it: short, on one line and harmless."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from adapters.quoting import MAX_CHARS, error_text

SHAPES: list[tuple[Any, str]] = [
    ({"error": "image needs to be bytes"}, "image needs to be bytes"),
    ({"error": {"code": 400, "message": "Bad image", "status": "INVALID"}}, "Bad image (INVALID)"),
    ([{"error": {"code": 3, "message": "Bad image", "details": []}}], "Bad image"),
    ({"__type": "com.amazon#ThrottlingException", "message": "Slow"}, "Slow (ThrottlingException)"),
    ({"Message": "User is not authorized"}, "User is not authorized"),
    ({"Code": "ModelNotReadyException"}, "ModelNotReadyException"),
    (
        {"type": "https://e.org/credit", "title": "Out of credit", "detail": "Balance is 30"},
        "Balance is 30 (Out of credit)",
    ),
    (
        {"detail": [{"loc": ["body", "inputs", 0], "msg": "Field required", "type": "missing"}]},
        "body.inputs.0: Field required (missing)",
    ),
    ({"detail": "Not authenticated"}, "Not authenticated"),
    ({"errors": [{"title": "Bad", "detail": "Wrong shape"}]}, "Wrong shape (Bad)"),
    ({"error": "invalid_grant", "error_description": "Token too old"}, "Token too old"),
    ({"error_code": "BAD_REQUEST", "message": "no column x"}, "no column x (BAD_REQUEST)"),
    ({"code": 503, "type": "InternalServerException", "message": "Prediction failed"}, "failed (I"),
    ({"error": True, "reason": "worker busy"}, "worker busy"),
    ({"predictions": [{"label": "a"}, {"error": "decode failed"}]}, "decode failed"),
    ({"status": "queued", "id": "7"}, "queued"),
    ({"status": {"code": 11102, "description": "Invalid request"}}, "Invalid request"),
    (
        {"status": {"description": "Ok"}, "outputs": [{"status": {"description": "No download"}}]},
        "No download",
    ),
    ({"errcode": 40001, "errmsg": "wrong credential"}, "wrong credential"),
    ({"error_code": 17, "error_msg": "daily limit"}, "daily limit"),
    ({"title": "Invalid.", "errors": {"image": ["It is required."]}}, "image: It is required."),
    (
        {"fault": {"faultstring": "No such route", "detail": {"errorcode": "steps.404"}}},
        "No such route: steps.404",
    ),
    ({"status": "error", "data": {"message": "worker gone"}}, "worker gone"),
    ({"success": False, "result": {"info": [{"description": "no licence"}]}}, "no licence"),
    ({"predictions": None, "failures": [{"cause": "out of memory"}]}, "out of memory"),
    ({"statusCode": 500, "body": '{"error": "bad image"}'}, "bad image"),
]


@pytest.mark.parametrize("failed", [True, False])
@pytest.mark.parametrize(("value", "words"), SHAPES)
def test_the_servers_own_words_are_found(value: Any, words: str, *, failed: bool) -> None:
    assert words in error_text(json.dumps(value).encode(), failed=failed)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"plain\r\ntext", "plain text"),
        (b"<!doctype html><head><title>502 Bad &amp; Gateway</title><body>x", "502 Bad & Gateway"),
        (b"<html><body><h1>Sign in</h1><form></form></body></html>", "Sign in"),
        (b"<p>We are <b>closed</b></p>", "We are closed"),
        (b"<Error><Code>NoKey</Code><Message>The key is gone</Message></Error>", "The key is gone"),
        (b"", ""),
    ],
)
def test_pages_and_plain_text(body: bytes, words: str) -> None:
    assert error_text(body) == words


@pytest.mark.parametrize("charset", ["shift_jis", "gbk", "iso-8859-1", "windows-1251"])
def test_a_reply_is_quoted_in_the_charset_that_it_states(charset: str) -> None:
    words = {"iso-8859-1": "Größe falsch", "windows-1251": "Плохо"}.get(charset, "無効")
    for body in (words, f'{{"error": "{words}"}}'):
        assert error_text(body.encode(charset), charset=charset) == words
    assert error_text(words.encode(charset), charset="unknown-8").isprintable()


def test_an_answer_that_is_fine_says_nothing() -> None:
    for fine in (
        {"status": {"code": 10000, "description": "Ok"}, "outputs": [{"id": "7"}]},
        {"success": True, "predictions": [{"description": "A cat"}]},
    ):
        assert error_text(json.dumps(fine).encode(), failed=False) == ""


def test_an_answer_without_words_on_an_error_is_quoted_only_if_it_failed() -> None:
    body = b'{"predictions": [[0.1, 0.9]]}'
    assert error_text(body, failed=False) == error_text(body[:-9], failed=False) == ""
    assert error_text(b'{"predictions": [' + b"1," * 100_000 + b"1]}", failed=False) == ""
    assert error_text(body) == body.decode()


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": "' + b"x" * 1_000_000 + b'"}',
        b'{"error": "\\u001b[2J\\u202e\\n\\n' + b"\\n" * 5000 + b'"}',
        b"<" * 3_000_000,
        b"<title" * 500_000,
        b'{"error":' * 60 + b'"deep"' + b"}" * 60,
        b'{"detail":[' + b'{"loc":["a"],"msg":"m"},' * 900 + b"{}]}",
        json.dumps({"error": {"message": ["a" * 300] * 300}}).encode(),
        b"\x00\xff" * 100_000,
    ],
)
def test_nothing_floods_the_terminal_or_takes_long(body: bytes) -> None:
    began = time.process_time()
    text = error_text(body)
    assert time.process_time() - began < 0.5
    assert len(text) <= MAX_CHARS
    assert text.isprintable()


def test_secrets_are_hidden_in_every_shape() -> None:
    body = b'{"error": {"message": "key abcdef-123 is wrong", "status": "abcdef-123"}}'
    assert "abcdef" not in error_text(body, ["abcdef-123"])
