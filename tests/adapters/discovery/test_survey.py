"""A server's account of itself: where its OpenAPI page is looked for."""

from __future__ import annotations

import asyncio
import json

import pytest

from adapters.discovery.survey import survey
from adapters.errors import NotFound
from adapters.http.client import client as clients
from adapters.http.client.endpoint import Endpoint
from adapters.http.transport.reading import Reply
from adapters.target import Target

PAGE = {"openapi": "3.1.0", "paths": {"/see": {"post": {}}}}


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Answers of a server by path and query; it refuses every other."""
    found: dict[str, object] = {}

    async def send(
        _: object, method: str, place: Endpoint, body: bytes, headers: dict[str, str]
    ) -> Reply:
        assert method in {"GET", "POST"}
        assert isinstance(body, bytes)
        assert isinstance(headers, dict)
        path = place.url.raw_path.decode()
        if path not in found:
            raise NotFound("nothing there")
        said = found[path]
        return Reply(200, {}, said.encode() if isinstance(said, str) else json.dumps(said).encode())

    monkeypatch.setattr(clients.Client, "send", send)
    return found


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("", "/v3/api-docs"),
        ("/", "/swagger/v1/swagger.json"),
        ("/api/v1/classify", "/openapi/v1.json"),
        ("", "/api/schema/?format=json"),
        ("/mounted/v1/see", "/mounted/v1/openapi.json"),
        ("/deep/own-page.json", "/deep/own-page.json"),
    ],
)
def test_the_page_is_found_where_frameworks_put_it(
    pages: dict[str, object], url: str, place: str
) -> None:
    pages[place] = PAGE
    facts = asyncio.run(survey(Target("http", f"http://127.0.0.1:9{url}")))
    assert facts.answers["/openapi.json"] == PAGE


def test_a_url_of_a_page_leads_to_the_server(pages: dict[str, object]) -> None:
    pages["/api/docs"] = "<script> SwaggerUIBundle({ url: '/api/own.json' }) </script>"
    pages["/api/own.json"] = PAGE
    facts = asyncio.run(survey(Target("http", "http://127.0.0.1:9/api/docs")))
    assert facts.answers["/openapi.json"] == PAGE
    assert facts.endpoint.path == "/"


def test_other_json_is_no_page(pages: dict[str, object]) -> None:
    pages["/v3/api-docs"] = {"error": "none"}
    facts = asyncio.run(survey(Target("http", "http://127.0.0.1:9")))
    assert "/openapi.json" not in facts.answers
