"""What a refusal that names what it misses leads to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.discovery.refusal_hints import hinted
from adapters.http.client.exchange import Exchange
from adapters.http.transport.reading import Reply

URL = "http://h/see"
JSON, FORM = (
    {"url": URL, "request": {"template": "{}"}},
    {
        "url": URL,
        "request": {"body": "multipart", "field": "image"},
    },
)


def requests(said: Any, table: dict[str, Any]) -> list[Any]:
    body = said.encode() if isinstance(said, str) else json.dumps(said).encode()
    reply = Reply(400, {}, body)
    return [
        one.table["request"] for one in hinted(Exchange("POST", URL, {}, b"", reply, ()), table)
    ]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"detail": [{"loc": ["body", "upload"], "msg": "field required"}]}, "upload"),
        ({"error": "missing picture"}, "picture"),
        ({"fehler": "Feld 'bild' fehlt"}, "bild"),
        ({"error": {"message": "Parameter «foto» no encontrado"}}, "foto"),
        ('KeyError: "img_b64"', "img_b64"),
        ({"message": "photo_data is required"}, "photo_data"),
        ({"errors": {"Bild1": ["Darf nicht fehlen."]}, "title": "Validation failed"}, "Bild1"),
        ({"upload": ["No file was submitted."]}, "upload"),
        ({"title": "The snap_shot field is required."}, "snap_shot"),
        ({"err": "缺少参数「image_base64」"}, "image_base64"),
    ],
)
def test_a_field_that_is_missed_is_tried(said: Any, field: str) -> None:
    assert requests(said, JSON)[0] == {"template": json.dumps({field: "$INPUT"}), "value": "base64"}
    assert requests(said, FORM)[0] == {"body": "multipart", "field": field}


def test_a_chat_is_asked_without_what_its_model_refuses() -> None:
    chat = {"url": URL, "preset": "openai-vision", "request": {"model": "m"}}
    said = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    (renamed,) = requests({"error": {"message": said}}, chat)
    body = json.loads(renamed["template"])
    assert (body["max_completion_tokens"], body["temperature"]) == (2000, 0)
    assert "max_tokens" not in body
    assert renamed["model"] == "m"
    (free,) = requests(
        {"error": {"message": "'temperature' does not support 0 with this model."}},
        {**chat, "request": renamed},
    )
    assert json.loads(free["template"]).keys() == body.keys() - {"temperature"}
    assert requests({"error": "no such model"}, chat) == []


def test_the_form_that_is_named_comes_first() -> None:
    assert requests({"error": "image_url: data URL expected"}, JSON)[0]["value"] == "data-uri"
    assert "$INPUTS" in requests({"error": "images: list of texts required"}, JSON)[0]["template"]
    assert requests("Content-Type must be application/octet-stream", FORM)[0] == {
        "body": "raw",
        "content_type": "application/octet-stream",
    }


@pytest.mark.parametrize("said", ["", "{}", "Internal Server Error", {"error": "bad request"}, [1]])
def test_words_without_a_name_lead_nowhere(said: Any) -> None:
    assert requests(said, JSON) == []
