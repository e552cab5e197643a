"""From what a server says to descriptions worth a try, the likeliest first. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx

from adapters.discovery.forms import (
    UPLOAD,
    Proposal,
    arrays,
    dig,
    multipart,
    table_in,
    text,
    urlencoded,
    ways,
)
from adapters.discovery.openapi import kind_of, likely_routes, openapi_proposals
from adapters.discovery.survey import Facts, model_names
from adapters.target import over

MAX_PROPOSALS = 32
"""Most descriptions that are tried; each costs one query."""

_FILE_FIELDS = ("image", "file", "content", "data")
GUESS = "a usual format"
"""Reason given for a format without evidence."""

_ARRAY_KEYS = ("inputs", "instances", "input", "data", "x")
_SAFE = "/:@%!$&'()*+,;=-._~"
_HOSTS: tuple[tuple[str, str], ...] = (
    (r"runtime\.sagemaker\..*amazonaws\.com", "sagemaker"),
    (r"rekognition\..*amazonaws\.com", "rekognition"),
    (r"vision\.googleapis\.com", "google-vision"),
    (r".*aiplatform\.googleapis\.com", "vertex"),
    (r"api\.clarifai\.com", "clarifai"),
    (r"api\.replicate\.com", "replicate"),
    (r".*\.inference\.ml\.azure\.com|.*azureml\.ms", "azureml"),
    (r".*huggingface\.(co|cloud)", "hf"),
)

Field = tuple[str, str, int]
"""Name of a field, its kind (``file``, ``text`` or ``array``) and the depth of its lists, or 0."""


def propose(facts: Facts, channels: int = 3, classes: Sequence[str] = ()) -> list[Proposal]:
    """At most ``MAX_PROPOSALS`` descriptions, the likeliest first, for samples of ``channels`` and
    ``classes``.
    """
    found = [
        *_by_host(facts),
        *_chats(facts, classes),
        *_by_protocol(facts, channels),
        *_by_path(facts, channels),
        *_by_schema(facts, channels),
    ]
    path = facts.endpoint.path.rstrip("/")
    if not path and not found and not facts.cloud:
        table = {"url": _at(facts, "/inference"), "preset": "mosec"}
        found.append(Proposal(table, "Mosec's usual path"))
    if not facts.cloud and not any(one.certain for one in found):
        for url in [facts.endpoint.address] if path else _usual_urls(facts):
            found += _any_format(url, channels)
    once: dict[str, Proposal] = {}
    for one in found:
        once.setdefault(json.dumps(one.table, sort_keys=True), one)
    return list(once.values())[:MAX_PROPOSALS]


def _by_host(facts: Facts) -> Iterator[Proposal]:
    host = facts.endpoint.url.host
    for pattern, preset in _HOSTS:
        if re.fullmatch(pattern, host):
            table: dict[str, Any] = {"url": facts.endpoint.address, "preset": preset}
            region = re.search(r"\.([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws", host)
            if region:
                table["auth"] = {"region": region[1]}
            yield Proposal(table, f"the host {host}", certain=True)


def _chats(facts: Facts, classes: Sequence[str]) -> Iterator[Proposal]:
    """Proposals for chat models that may see, with the classes to choose among."""
    path = facts.endpoint.path.rstrip("/")
    listed = dig(facts.answers.get("/v1/models"), "data")
    names = [dig(one, "id") for one in listed] if isinstance(listed, list) else []
    models = [name for name in names if isinstance(name, str) and name]
    told = path.endswith("/chat/completions")
    if not classes or not (told or (models and path in {"", "/v1"})):
        return
    url = facts.endpoint.address if told else _at(facts, "/v1/chat/completions")
    why = "the server lists chat models" if models else "the path of chat completions"
    for model in models[:2] or ["default"]:
        for preset in ("openai-vision", "openai-vision-text"):
            # An audit asks pictures between classes too, of which a model may name none.
            response = {"classes": list(classes), "no_label": "(no label)"}
            stated = {"request": {"model": model}, "response": response}
            yield Proposal({"url": url, "preset": preset, **stated}, why, certain=True)


def _by_protocol(facts: Facts, channels: int) -> Iterator[Proposal]:
    """Proposals for protocols that state their own input."""
    address, path = facts.endpoint.address, facts.endpoint.path
    if facts.endpoint.grpc:
        yield Proposal({"url": address, "preset": "v2-grpc"}, "gRPC of V2 is known", certain=True)
        return
    if "/v2/models/" in path:
        yield Proposal({"url": address, "preset": "v2"}, "the URL names a V2 model", certain=True)
        return
    wanted = re.match(r"/v1/models/([^/:]+)", path)
    if wanted:
        url = _at(facts, f"/v1/models/{wanted[1]}:predict")
        yield from _instances(url, "the URL names a V1 model", channels)
    if path.strip("/") and not path.startswith(("/v1", "/v2")):
        return
    for name in model_names(facts)[:3] if "/v2" in facts.answers else []:
        url = _at(facts, f"/v2/models/{quote(name, safe='')}")
        why = f"the server lists the V2 model {name}"
        yield Proposal({"url": url, "preset": "v2"}, why, certain=True)
    if isinstance(facts.answers.get("/v1/models"), dict) and "/v2" not in facts.answers:
        for name in model_names(facts)[:3]:
            url = _at(facts, f"/v1/models/{quote(name, safe='')}:predict")
            yield from _instances(url, f"the server lists the V1 model {name}", channels)


def _instances(url: str, why: str, channels: int) -> Iterator[Proposal]:
    yield from _preset(url, "instances", why, channels)
    yield Proposal({"url": url, "preset": "instances-b64"}, why)


def _by_path(facts: Facts, channels: int) -> Iterator[Proposal]:
    """Proposals suggested by the usual path of a kind of server."""
    address, path = facts.endpoint.address, facts.endpoint.path.rstrip("/")
    usual = {
        "/invocations": ("hf", "mlflow", "instances"),
        "/predictions": ("replicate",),
        "/score": ("azureml", "azureml-image"),
        "/inference": ("mosec",),
    }
    for preset in usual.get(path, ()):
        yield from _preset(address, preset, f"the path {path}", channels)
    for start, preset, server in (
        ("/predictions/", "torchserve", "TorchServe"),
        ("/gradio_api/run/", "gradio", "Gradio"),
        ("/gradio_api/call/", "gradio-events", "Gradio"),
    ):
        if path.startswith(start):
            yield from _preset(address, preset, f"a path like {server}'s", channels)
    if not path and dig(facts.answers.get("/openapi.json"), "info", "title") == "Cog":
        url = _at(facts, "/predictions")
        yield Proposal({"url": url, "preset": "replicate"}, "the server says Cog", certain=True)
    gradio = table_in(facts.answers.get("/gradio_api/info"), "named_endpoints")
    for name in list(gradio)[:2] if not path else ():
        url = _at(facts, f"/gradio_api/run/{quote(str(name).strip('/'), safe='')}")
        yield from _preset(url, "gradio", "the server describes a Gradio app", channels)


def _preset(url: str, preset: str, why: str, channels: int) -> Iterator[Proposal]:
    table = {"url": url, "preset": preset}
    if preset in {"mlflow", "instances", "azureml"}:
        for way in ways(channels, 0):
            if not way.single:
                yield Proposal(over(table, way.table), why)
    else:
        yield Proposal(table, why)


def _by_schema(facts: Facts, channels: int) -> Iterator[Proposal]:
    """Routes and fields that an OpenAPI document or BentoML's schema names."""
    for route, fields in _bento_routes(facts):
        if facts.endpoint.path.rstrip("/") not in {"", route.rstrip("/")}:
            continue
        url = _at(facts, route)
        for name, kind, depth in fields:
            why = f"the server's schema names the field {name!r} of {route}"
            if kind == "file":
                yield Proposal(multipart(url, name), why)
            elif kind == "text":
                yield Proposal(text(url, name, "base64"), why)
                yield Proposal(text(url, name, "data-uri"), why)
            else:
                for way in ways(channels, depth):
                    yield Proposal(arrays(url, name, way), why)
    path, document = facts.endpoint.path.rstrip("/"), facts.answers.get("/openapi.json")
    for one in openapi_proposals(document, "", path, channels):
        yield replace(one, table={**one.table, "url": _on_server(facts, str(one.table["url"]))})


def _bento_routes(facts: Facts) -> Iterator[tuple[str, list[Field]]]:
    routes = dig(facts.answers.get("/schema.json"), "routes")
    for entry in routes if isinstance(routes, list) else []:
        route, properties = dig(entry, "route"), dig(entry, "input", "properties")
        if isinstance(route, str) and isinstance(properties, dict):
            yield route, [(str(k), kind_of(v), 0) for k, v in list(properties.items())[:2]]


def _usual_urls(facts: Facts) -> list[str]:
    """Usual path of predictions, for a URL without one."""
    listed = [route for route, _ in _bento_routes(facts)]
    likely = [route for route in listed if re.search(r"predict|infer|classif|score|invoc", route)]
    described = likely_routes(facts.answers.get("/openapi.json"))
    routes = list(dict.fromkeys((*likely, *described)))[:2]
    if not routes:
        routes = ["/invocations"] if "/version" in facts.answers else ["/predict"]
    return [_at(facts, route) for route in routes]


def _any_format(url: str, channels: int) -> Iterator[Proposal]:
    yield Proposal({"url": url, **UPLOAD, "request": {"body": "raw"}}, GUESS)
    for name in _FILE_FIELDS:
        yield Proposal(multipart(url, name), GUESS)
    yield Proposal(text(url, _FILE_FIELDS[0], "base64"), GUESS)
    yield Proposal(urlencoded(url, _FILE_FIELDS[0]), GUESS)
    plain = {"body": "raw", "value": "base64"}
    yield Proposal({"url": url, **UPLOAD, "request": plain}, GUESS)
    for way in ways(channels, 0):
        for key in _ARRAY_KEYS:
            yield Proposal(arrays(url, key, way), GUESS)


def _on_server(facts: Facts, place: str) -> str:
    """The URL of ``place``, a path with or without a query, on the endpoint's own server."""
    path, _, query = place.partition("?")
    own = facts.endpoint.at(path).url
    return str(own.copy_merge_params(httpx.QueryParams(query)) if query else own)


def _at(facts: Facts, path: str) -> str:
    """The URL of ``path`` on the endpoint's own server, even if the document names another."""
    return facts.endpoint.at(quote("/" + path.lstrip("/"), safe=_SAFE)).address
