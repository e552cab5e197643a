"""A server's account of itself before any image is sent: only questions, on its own origin."""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from adapters import strict_json
from adapters.errors import AccessDenied, BadReply, EndpointError, Unreachable
from adapters.http.client.client import open_client
from adapters.http.client.endpoint import Endpoint, read_endpoint
from adapters.http.client.exchange import Exchange
from adapters.http.transport.reading import Reply
from adapters.quoting import printable
from adapters.target import Target

PAGE = "the page that /docs names"
"""Question for an OpenAPI page that is not at its usual place."""

_PAGES = (
    "/v3/api-docs",  # springdoc
    "/swagger/v1/swagger.json",  # Swashbuckle and NSwag
    "/openapi/v1.json",  # ASP.NET 9
    "/api/openapi.json",  # Django Ninja
    "/api/schema/?format=json",  # drf-spectacular
    "/apispec_1.json",  # flasgger
)
"""Usual places of an OpenAPI page beside ``/openapi.json``, by what writes it."""
BESIDE = "openapi.json beside the path"
"""Question for the page of an application that is mounted below a path."""
GIVEN = "the page at the URL itself"
"""Question for a page whose URL stands in the place of the server's."""
_FOR_PAGES = (GIVEN, PAGE, BESIDE, *_PAGES)
_A_PAGE = re.compile(
    r"(/[^/]+)*/(docs|redoc|api-docs|openapi|swagger(-ui)?(/index\.html)?|[\w.-]+\.(json|ya?ml))/?"
)

QUESTIONS = (
    ("GET", "/v2"),
    ("GET", "/v2/models"),
    ("POST", "/v2/repository/index"),
    ("GET", "/v1/models"),
    ("GET", "/schema.json"),
    ("GET", "/gradio_api/info"),
    ("GET", "/openapi.json"),
    ("GET", "/info"),
    ("GET", "/ping"),
    ("GET", "/version"),
    ("GET", "/swagger.json"),
    ("GET", "/docs"),
    *(("GET", place) for place in _FOR_PAGES),
)
"""Questions in the order of asking, each put at most once. None of them is a query."""

_PAGE = re.compile(r"""(?:url:\s*|spec-url=)["']([^"'\s]{1,500})["']""")
_MOST_SILENT = 3
"""Questions that wait in vain before the others are left out."""
_KEPT = 20_000
"""Characters kept of an answer that is no JSON."""

_CLOUDS = (
    "amazonaws.com",
    "googleapis.com",
    "api.clarifai.com",
    "api.replicate.com",
    "azure.com",
    "azureml.ms",
    "huggingface.co",
    "huggingface.cloud",
)
"""Hosts that serve one known API and nothing that these questions would find."""


@dataclass
class Facts:
    """Answers of a server: ``answers`` by path, parsed JSON or text, of every question that got a
    good one; ``asked``, questions and answers in words, in order; ``wants_key`` if any answer was
    that a key is missing or wrong; ``cloud`` if the host serves one known API, so that nothing was
    asked; ``given``, the stated URL if that is a page about the server and no place to ask.
    """

    endpoint: Endpoint
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    wants_key: bool = False
    cloud: bool = False
    given: Endpoint | None = None


Patiently = Callable[[Callable[[], Awaitable[Reply]]], Awaitable[Reply]]


async def _at_once(ask: Callable[[], Awaitable[Reply]]) -> Reply:
    return await ask()


async def survey(
    target: Target,
    patiently: Patiently = _at_once,
    watch: Callable[[Exchange], None] | None = None,
) -> Facts:
    """Ask the server at ``target``'s origin what it is. At most ``len(QUESTIONS)`` requests, each
    made by ``patiently``, which may repeat it; ``watch`` receives every exchange. Raises
    TargetError if the URL, key or certificates cannot work, Unreachable if no server answers there.
    """
    endpoint = read_endpoint(target.location)
    facts = _facts_of(endpoint)
    if facts.cloud or "/v2/models/" in endpoint.path or endpoint.grpc:
        return facts
    client = open_client(target, endpoint)
    client.watch = watch
    silent = 0
    try:
        for method, path in QUESTIONS:
            place = _place(facts, path)
            if place is None:
                continue
            body = b"{}" if method == "POST" else b""
            headers = {"content-type": "application/json"} if body else {}
            try:
                asking = functools.partial(client.send, method, place, body, headers)
                reply = await patiently(asking)
            except Unreachable as error:
                answered = error.advice.outcome_unknown and error.advice.kind != "never"
                if not facts.asked and not answered:
                    raise
                facts.asked.append(f"{method} {path}: no answer")
                silent += error.advice.silent
                if silent == len(facts.asked) == _MOST_SILENT:
                    break
            except EndpointError as error:
                facts.wants_key = facts.wants_key or isinstance(error, AccessDenied)
                facts.asked.append(f"{method} {path}: refused ({type(error).__name__})")
            else:
                _note(facts, method, path, reply.body)
    finally:
        await client.aclose()
    return facts


def _facts_of(endpoint: Endpoint) -> Facts:
    """Facts that the URL alone tells."""
    facts = Facts(endpoint)
    if _A_PAGE.fullmatch(endpoint.path):
        facts.endpoint, facts.given = endpoint.at("/"), endpoint
    host = endpoint.url.host
    facts.cloud = any(host == end or host.endswith(f".{end}") for end in _CLOUDS)
    return facts


def _place(facts: Facts, path: str) -> Endpoint | None:
    """The place of a question; None if earlier answers make it needless."""
    known = isinstance(facts.answers.get("/openapi.json"), dict)
    # Only a V2 server that did not list its models is asked for its repository.
    listed = isinstance(facts.answers.get("/v2/models"), dict)
    if path == "/v2/repository/index" and (listed or "/v2" not in facts.answers):
        return None
    if path in {"/swagger.json", "/docs", *_FOR_PAGES} and known:
        return None
    if path == GIVEN:
        return facts.given
    if path == BESIDE:
        above = facts.endpoint.path.rpartition("/")[0]
        return facts.endpoint.at(f"{above}/openapi.json") if above else None
    if path == PAGE:
        named = _PAGE.search(str(facts.answers.get("/docs", "")))
        return (facts.given or facts.endpoint).beside(named[1]) if named else None
    place, _, query = path.partition("?")
    at = facts.endpoint.at(place)
    return at.beside(at.with_query(query)) if query else at


def _note(facts: Facts, method: str, path: str, body: bytes) -> None:
    try:
        value = strict_json.parse(body)
    except BadReply:
        value = body[:_KEPT].decode("utf-8", errors="replace").strip()
    if path in {"/swagger.json", *_FOR_PAGES} and isinstance(value, dict) and "paths" in value:
        facts.answers["/openapi.json"] = value
    facts.answers["/docs" if path == GIVEN else path] = value
    shown = f"an object with {', '.join(list(value)[:6])}" if isinstance(value, dict) else value
    facts.asked.append(f"{method} {path}: {printable(str(shown), 100)}")


def model_names(facts: Facts) -> list[str]:
    """Names of the models that the server lists, V2 first."""
    listed: list[Any] = []
    for path in ("/v2/models", "/v2/repository/index", "/v1/models"):
        value = facts.answers.get(path)
        entries = value.get("models", []) if isinstance(value, dict) else value
        listed += entries if isinstance(entries, list) else []
    names = [entry.get("name") if isinstance(entry, dict) else entry for entry in listed]
    return list(dict.fromkeys(name for name in names if isinstance(name, str) and name))
