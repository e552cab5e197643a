"""Requests and replies as real services have them and no preset describes: two commands suffice."""

# ruff: noqa: ARG001, ARG005 - every request and every reply is made alike

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.target import read_description
from auditor.errors import ExitCode
from tests.auditor.workflows.check.conftest import two_commands

CLASSES = ("ant", "bee", "cat", "dog", "elk")
Taken = Callable[[Any, Any, bytes], bytes]


def file_field(server: Any, headers: Any, body: bytes) -> bytes:
    at = body.find(b"\x89PNG")
    if not headers.get("content-type", "").startswith("multipart/"):
        server.refuse(415, {"error": "multipart/form-data expected"})
    if at < 0 or b'name="file"' not in body[:at]:
        server.refuse(422, {"detail": [{"loc": ["body", "file"], "msg": "field required"}]})
    return body[at:]


def unheard_of_field(server: Any, headers: Any, body: bytes) -> bytes:
    at = body.find(b"\x89PNG")
    if at < 0 or b'name="upload"' not in body[:at]:
        server.refuse(422, {"detail": [{"loc": ["body", "upload"], "msg": "field required"}]})
    return body[at:]


def _json_text(server: Any, body: bytes, name: str, refusal: Any) -> Any:
    try:
        table = json.loads(body)
    except ValueError:
        server.refuse(400, {"error": "body is not JSON"})
    if not isinstance(table, dict) or name not in table:
        server.refuse(400, refusal)
    return table[name]


def german(server: Any, headers: Any, body: bytes) -> bytes:
    refusal = {"fehler": "Feld 'bild' fehlt"}
    value = _json_text(server, body, "bild", refusal)
    if not isinstance(value, str) or value.startswith("data:"):
        server.refuse(400, refusal)
    return base64.b64decode(value)


def data_url(server: Any, headers: Any, body: bytes) -> bytes:
    refusal = {"message": "image_url: a data URL is expected"}
    value = _json_text(server, body, "image_url", refusal)
    if not isinstance(value, str) or not value.startswith("data:image/png;base64,"):
        server.refuse(400, refusal)
    return base64.b64decode(value.partition(",")[2])


def urlencoded(server: Any, headers: Any, body: bytes) -> bytes:
    kind = headers.get("content-type", "")
    fields = urllib.parse.parse_qs(body.decode("utf-8", "replace")) if "urlencoded" in kind else {}
    if "image" not in fields:
        server.refuse(200, {"error_code": 216100, "error_msg": "param image not exist"})
    return base64.b64decode(fields["image"][0])


def text_alone(server: Any, headers: Any, body: bytes) -> bytes:
    try:
        return base64.b64decode(body, validate=True)
    except ValueError:
        server.refuse(400, {"error": "bad request"})
        raise


def octets(server: Any, headers: Any, body: bytes) -> bytes:
    if headers.get("content-type") != "application/octet-stream":
        server.refuse(415, {"message": "Content-Type must be application/octet-stream"})
    return body


def ranked(scores: Any) -> list[tuple[str, float]]:
    """Names with shares in an order that says nothing."""
    shares = scores - scores.min() + 1.0
    return [(name, float(s)) for name, s in zip(CLASSES, shares / shares.sum(), strict=True)]


def best(scores: Any) -> str:
    return CLASSES[int(scores.argmax())]


REPLIES: dict[str, Callable[[Any], Any]] = {
    "a score in a table": lambda s: {
        "data": [{"className": n, "confidence": {"value": p}} for n, p in ranked(s)]
    },
    "percentages": lambda s: {
        "found": [{"pct": f"{100 * p:.2f} %".replace(".", ","), "tag": n} for n, p in ranked(s)]
    },
    "Spanish": lambda s: {"etiqueta": best(s), "confianza": 0.9},
    "a sentence": lambda s: {"prediction": f"{best(s)} (97.3%)"},
    "names beside scores": lambda s: {"predictions": [s.tolist()], "labels": list(CLASSES)},
    "truth values": lambda s: {name: name == best(s) for name in CLASSES},
    "out of a hundred": lambda s: {"result": {n: 100 * p for n, p in ranked(s)}, "model": "m"},
    "a table of tables": lambda s: {"scores": {n: {"rank": 1, "p": p} for n, p in ranked(s)}},
    "pairs": lambda s: [[n, p] for n, p in ranked(s)],
    "tables of one": lambda s: {"outputs": [{n: p} for n, p in ranked(s)]},
    "JSON in a text": lambda s: {"statusCode": 200, "body": json.dumps({"label": best(s)})},
    "plain text": lambda s: best(s).encode() + b"\n",
    "XML": lambda s: f"<?xml version='1.0'?><r><label>{best(s)}</label></r>".encode(),
    "objects in a picture": lambda s: {
        "detections": [
            {"box": [0, 0, 8, 8], "name": n, "conf": p} for n, p in ranked(s) if p > 0.31
        ]
    },
    "numbers in texts": lambda s: {
        "top_k": [
            {"rank": i, "class_id": str(CLASSES.index(n)), "probability": f"{p:.5f}"}
            for i, (n, p) in enumerate(sorted(ranked(s), key=lambda one: -one[1]))
        ]
    },
    "an unknown key": lambda s: {"verdict": best(s).upper(), "took_ms": 3},
}
REQUESTS: list[Taken] = [german, data_url, unheard_of_field, urlencoded, octets, text_alone]


@pytest.fixture
def service(empty_server: Any) -> Callable[[Taken, Callable[[Any], Any]], str]:
    """Serves one request shape with one reply shape; gives the URL."""

    def start(take: Taken, give: Callable[[Any], Any]) -> str:
        empty_server.routes["POST /v1/see"] = lambda headers, body: give(
            empty_server.picture_scores(take(empty_server, headers, body))
        )
        return f"{empty_server.url}/v1/see"

    return start


def few(names: Any, quick: set[Any]) -> list[Any]:
    """All of them, most only among the slow tests: each takes some seconds."""
    return [n if n in quick else pytest.param(n, marks=pytest.mark.slow) for n in names]


@pytest.mark.parametrize("name", few(REPLIES, {"plain text", "objects in a picture"}))
def test_a_reply_of_any_shape(command: Any, service: Any, pictures: Any, name: str) -> None:
    two_commands(command, pictures(), service(file_field, REPLIES[name]))


@pytest.mark.parametrize("take", few(REQUESTS, {german}))
def test_a_refusal_is_followed(command: Any, service: Any, pictures: Any, take: Taken) -> None:
    two_commands(command, pictures(), service(take, lambda s: {"label": best(s)}))


@pytest.mark.slow
def test_several_pictures_in_a_request(command: Any, empty_server: Any, pictures: Any) -> None:
    def see(_: Any, body: bytes) -> Any:
        listed = _json_text(empty_server, body, "images", {"error": "images: list of base64"})
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            empty_server.refuse(400, {"error": "images: list of base64 texts required"})
        found = [best(empty_server.picture_scores(base64.b64decode(one))) for one in listed]
        return [{"error": None, "label": name} for name in found]

    empty_server.routes["POST /v1/see"] = see
    two_commands(command, pictures(), f"{empty_server.url}/v1/see")
    request = read_description(Path("t.toml"))["request"]
    assert json.loads(request["template"]) == {"images": "$INPUTS"}


def test_a_page_in_a_texts_place_is_no_class(command: Any, service: Any, pictures: Any) -> None:
    url = service(file_field, lambda s: b"<html>We are moving. Come back.</html>")
    ran = command("check", url, "--samples", pictures())
    assert ran.code == ExitCode.FAILED
