"""Requests from OpenAPI pages: one recorded from a real FastAPI 0.165, and others by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.discovery.openapi import openapi_proposals
from adapters.discovery.proposals import propose
from adapters.discovery.survey import Facts
from adapters.http.client.endpoint import read_endpoint
from adapters.target import read_target

FASTAPI = json.loads((Path(__file__).parents[2] / "data/fastapi_openapi.json").read_text("utf-8"))


def requests(document: Any, path: str = "", channels: int = 3) -> list[dict[str, Any]]:
    """Tables proposed for ``document``, without what all have."""
    found = [one.table for one in openapi_proposals(document, "", path, channels)]
    return [{k: v for k, v in t.items() if k not in {"preset", "access"}} for t in found]


def page(schema: Any, media: str = "application/json", **more: Any) -> dict[str, Any]:
    body = {"requestBody": {"content": {media: {"schema": schema}}}}
    return {"paths": {"/predict": {"post": {**body, **more}}}}


def test_the_routes_of_a_real_fastapi_application() -> None:
    found = {one["url"]: one for one in reversed(requests(FASTAPI))}  # the first of each route
    template = '{"model": "small", "options": {}, "image": "$INPUT"}'
    assert found["/v1/b64"]["request"] == {"template": template, "value": "base64"}
    form = {"body": "multipart", "field": "photo", "form": {"token": "abc"}}
    assert found["/v1/form"]["request"] == form
    assert found["/v1/raw"]["request"] == {"body": "raw"}
    assert found["/v1/a/files?lang=en"]["request"] == {"body": "multipart", "field": "files"}
    many = {"template": '{"instances": "$INPUTS"}', "item": '{"b64": "$INPUT"}', "value": "base64"}
    assert found["/v1/many"]["request"] == many
    nested = {"template": '{"input": {"b64": "$INPUT"}}', "value": "base64"}
    assert found["/v1/nested"]["request"] == nested
    arrays = {"template": '{"version": 1, "pixels": "$INPUT"}'}
    assert found["/v1/arr"] == {
        "url": "/v1/arr", "request": arrays, "input": {"layout": "NCHW"}
    }  # fmt: skip
    assert len(found) == 7


@pytest.mark.parametrize("path", ["/v1/a/files", "/v1/b64"])
def test_a_path_of_the_user_s_own_leaves_one_route(path: str) -> None:
    assert {one["url"].split("?")[0] for one in requests(FASTAPI, path)} == {path}


@pytest.mark.parametrize(
    ("schema", "wanted"),
    [
        ({"type": "string"}, {"template": '"$INPUT"', "value": "base64"}),
        (
            {"properties": {"url": {"type": "string", "description": "a data: URI"}}},
            {"template": '{"url": "$INPUT"}', "value": "data-uri"},
        ),
        (
            {"properties": {"images": {"type": "array", "items": {"type": "string"}}}},
            {"template": '{"images": "$INPUTS"}', "value": "base64"},
        ),
        (
            {"type": "array", "items": {"properties": {"image": {"type": "string"}}}},
            {"template": '"$INPUTS"', "item": '{"image": "$INPUT"}', "value": "base64"},
        ),
        (
            {"properties": {"image": {"anyOf": [{"type": "null"}, {"type": "string"}]}}},
            {"template": '{"image": "$INPUT"}', "value": "base64"},
        ),
    ],
)
def test_places_for_a_picture_in_a_body(schema: Any, wanted: dict[str, str]) -> None:
    assert requests(page(schema))[0]["request"] == wanted


def test_swagger_2_and_a_prefix() -> None:
    parameters = [
        {"name": "upload", "in": "formData", "type": "file", "required": True},
        {"name": "lang", "in": "formData", "type": "string", "enum": ["en"], "required": True},
        {"name": "v", "in": "query", "type": "integer", "required": True},
    ]
    document = {
        "swagger": "2.0",
        "basePath": "/api",
        "paths": {"/classify": {"post": {"parameters": parameters}}},
    }
    (found,) = requests(document)
    assert found["url"] == "/api/classify?v=1"
    assert found["request"] == {"body": "multipart", "field": "upload", "form": {"lang": "en"}}
    (found,) = requests({**page({}, "image/png"), "servers": [{"url": "/v3/"}]})
    assert found["url"] == "/v3/predict"


def test_no_picture_is_sent_where_it_may_change_something() -> None:
    body = page({"properties": {"image": {"type": "string"}}})["paths"]["/predict"]
    risky = ("/train", "/models/delete", "/users", "/admin/predict", "/faces/enroll", "/feedback")
    assert requests({"paths": dict.fromkeys(risky, body)}) == []
    urls = [one["url"] for one in requests({"paths": {"/other": body, "/v2/predict-it": body}})]
    assert urls == ["/v2/predict-it"] * 2 + ["/other"] * 2


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {"paths": []},
        {"paths": {"/predict": {"post": {"requestBody": {"$ref": "#/a"}}}}, "a": {"$ref": "#/a"}},
        page({"$ref": "http://elsewhere/x"}),
        page({"properties": {"image": {"$ref": "#/paths"}}, "required": 3}),
        page({"type": "array", "items": {"type": "array"}}, parameters=[None, {"in": "query"}]),
        page({"allOf": [None], "properties": {"x": None}}, parameters={"a": 1}),
        {"paths": {"/predict/{x": {"post": {}}, 3: {"post": {"requestBody": 3}}}, "servers": [3]},
    ],
)
def test_no_page_leads_off_the_server_or_breaks_anything(document: Any) -> None:
    facts = Facts(read_endpoint("http://host.invalid:8000"))
    facts.answers["/openapi.json"] = document
    for proposal in propose(facts):
        target = read_target({**proposal.table, "input": {"shape": [3, 8, 8]}})
        assert read_endpoint(target.location).origin == "http://host.invalid:8000"
