"""From a server's OpenAPI or Swagger page to requests worth a try, the likeliest first. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode

from adapters.discovery.forms import UPLOAD, Proposal, dig, table_in, ways
from adapters.target import over

_LIKELY = re.compile(
    r"predict|infer|classif|score|invoc|detect|label|moderat|recogni|analy", re.IGNORECASE
)
_JOB = re.compile(r"job|task|status|result|request|prediction|operation|poll", re.IGNORECASE)
_RISKY = re.compile(
    r"\b(train|fit|learn|enrol+|register|create|delete|remove|admin|users?|login|auth|tokens?"
    r"|feedback|reload|unload|shutdown|reset|webhooks?)\b",
    re.IGNORECASE,
)
"""Routes that may change something: no picture is sent there."""
_PICTURE = re.compile(
    r".*(image|img|photo|picture|file|b64|base64|bytes|pixel|tensor|array).*"
    r"|data|content|inputs?|instances?|x",
    re.IGNORECASE,
)
_DATA_URI = re.compile(r"data:|data[ -]?ur[il]", re.IGNORECASE)
_SLOT = '"$SLOT"'
_MOST_DEPTH, _MOST_SLOTS, _MOST_ROUTES = 3, 4, 40
_PLAIN: dict[str, Any] = {
    "string": "x",
    "integer": 1,
    "number": 0.5,
    "boolean": False,
    "array": [],
    "object": {},
}
"""Values of fields that must be there and say nothing of themselves, by type."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a picture: JSON around ``"$SLOT"``, for ``texts`` (forms of a text) or numbers in
    ``depth`` nested lists; ``many`` if it is a list of pictures, each in ``item``.
    """

    around: Any
    texts: tuple[str, ...] = ()
    depth: int | None = None
    many: bool = False
    item: Any = "$SLOT"


def openapi_proposals(document: Any, origin: str, path: str, channels: int) -> Iterator[Proposal]:
    """Requests that ``document`` describes at a server; those of a route that ``path``, if it is
    any, leads to.
    """
    for route, operation in _operations(document):
        given = _fits(route, path)
        if path and not given:
            continue
        place = path or _filled_route(document, route, operation)
        if place is None:
            continue
        asked = _parameters(document, operation, "query")
        url = f"{origin}{place}{'?' + urlencode(asked) if asked else ''}"
        why = f"the server's OpenAPI page describes {route}"
        for media, schema in _bodies(document, operation):
            for table in _requests(document, media, schema, channels):
                yield Proposal(over({"url": url, "preset": "http"}, table), why)


def likely_routes(document: Any) -> list[str]:
    """Routes that take requests and are called as predictions mostly are, without parameters."""
    routes = [route for route, _ in _operations(document)]
    return [route for route in routes if _LIKELY.search(route) and "{" not in route]


def look_routes(document: Any) -> list[str]:
    """Routes with one parameter that are asked for something that is there already, such as a job;
    those that sound like one first.
    """
    paths = table_in(document, "paths")
    found = [
        _prefix(document) + str(route)
        for route in list(paths)[:_MOST_ROUTES]
        if str(route).count("{") == 1 and isinstance(dig(paths[route], "get"), dict)
    ]
    return sorted(found, key=lambda route: not _JOB.search(route))[:_MOST_SLOTS]


def _prefix(document: Any) -> str:
    """The path that stands before all routes."""
    servers = dig(document, "servers")
    first = dig(servers[0], "url") if isinstance(servers, list) and servers else None
    base = first if isinstance(first, str) and first.startswith("/") else None
    return (base or str(dig(document, "basePath") or "")).rstrip("/")


def _operations(document: Any) -> Iterator[tuple[str, Any]]:
    """Routes that a picture may be sent to, the likeliest first, and their descriptions."""
    prefix = _prefix(document)
    found = [
        (prefix + str(route), dig(methods, "post"))
        for route, methods in list(table_in(document, "paths").items())[:_MOST_ROUTES]
        if isinstance(dig(methods, "post"), dict) and not _RISKY.search(str(route))
    ]
    yield from sorted(found, key=lambda one: not _LIKELY.search(one[0]))


def _fits(route: str, path: str) -> bool:
    pattern = re.sub(r"\\\{[^{}]*\\\}", "[^/]+", re.escape(route.rstrip("/")))
    return re.fullmatch(pattern, path.rstrip("/")) is not None


def _filled_route(document: Any, route: str, operation: Any) -> str | None:
    """``route`` with its parameters filled from the document; None if it does not say how."""
    known = _parameters(document, operation, "path", made_up=False)
    for name, value in known.items():
        route = route.replace(f"{{{name}}}", quote(str(value), safe=""))
    return None if "{" in route else quote(route, safe="/%:@")


def _parameters(
    document: Any, operation: Any, kind: str, *, made_up: bool = True
) -> dict[str, Any]:
    """Parameters of one ``kind`` that must be there, with values; some ``made_up`` if need be."""
    found = {}
    listed = dig(operation, "parameters")
    for one in listed if isinstance(listed, list) else []:
        parameter = resolved(document, one)
        if dig(parameter, "in") != kind or not dig(parameter, "required"):
            continue
        schema = dig(parameter, "schema") or parameter
        stated = _stated(over(dict(schema), {k: v for k, v in parameter.items() if k == "example"}))
        if stated is not None or made_up:
            found[str(dig(parameter, "name"))] = _value(document, schema, stated)
    return found


def _bodies(document: Any, operation: Any) -> Iterator[tuple[str, Any]]:
    """Media types and schemas of the bodies that an operation takes."""
    body = resolved(document, dig(operation, "requestBody"))
    for media, entry in table_in(body, "content").items():
        yield str(media), resolved(document, dig(entry, "schema"))
    listed = dig(operation, "parameters")
    old = [resolved(document, one) for one in listed] if isinstance(listed, list) else []
    for one in old:
        if dig(one, "in") == "body":
            yield "application/json", resolved(document, dig(one, "schema"))
    form = {str(dig(one, "name")): one for one in old if dig(one, "in") == "formData"}
    if form:
        required = [name for name, one in form.items() if one.get("required") is True]
        yield "multipart/form-data", {"properties": form, "required": required}


def _requests(document: Any, media: str, schema: Any, channels: int) -> Iterator[dict[str, Any]]:
    """Descriptions of requests with a body of this kind."""
    if media == "multipart/form-data":
        yield from _forms(document, schema)
    elif media.startswith("image/") or media in {"application/octet-stream", "*/*"}:
        kind = {"content_type": media} if media == "application/octet-stream" else {}
        yield {**UPLOAD, "request": {"body": "raw", **kind}}
    elif media.startswith("application/") and "json" in media:
        for slot in list(_slots(document, schema, 0))[:_MOST_SLOTS]:
            yield from _json_requests(slot, channels)


def _forms(document: Any, schema: Any) -> Iterator[dict[str, Any]]:
    fields = {n: resolved(document, v) for n, v in table_in(schema, "properties").items()}
    files = [name for name, field in fields.items() if _is_file(document, field)]
    named = [name for name in fields if _PICTURE.fullmatch(str(name))]
    for name in (files or named or list(fields))[:2]:
        form = _others(document, fields, schema, name)
        texts = {key: str(value).lower() if isinstance(value, bool) else str(value)
                 for key, value in form.items()}  # fmt: skip
        request = {"body": "multipart", "field": str(name), **({"form": texts} if texts else {})}
        yield {**UPLOAD, "request": request}


def _json_requests(slot: Slot, channels: int) -> Iterator[dict[str, Any]]:
    many = {"item": json.dumps(slot.item).replace(_SLOT, '"$INPUT"')} if slot.many else {}
    place = '"$INPUTS"' if slot.many else '"$INPUT"'
    for form in slot.texts:
        template = json.dumps(slot.around).replace(_SLOT, place)
        yield {**UPLOAD, "request": {"template": template, "value": form, **_without_default(many)}}
    if slot.depth is not None:
        for way in ways(channels, slot.depth):
            place = '"$INPUT"' if way.single else '"$INPUTS"'
            template = json.dumps(slot.around).replace(_SLOT, place)
            yield over({"request": {"template": template}}, way.table)


def _without_default(item: dict[str, str]) -> dict[str, str]:
    return {} if item.get("item") == '"$INPUT"' else item


def _slots(document: Any, schema: Any, depth: int, name: str = "") -> Iterator[Slot]:
    """Places for a picture in a value of ``schema``, under ``name``, the likeliest first."""
    schema = resolved(document, schema)
    kind = dig(schema, "type")
    if table_in(schema, "properties"):
        if depth < _MOST_DEPTH:
            yield from _slots_inside(document, schema, depth)
    elif kind == "string":
        if dig(schema, "enum") is None and dig(schema, "const") is None:
            yield Slot("$SLOT", _texts(schema))
    elif kind == "array":
        yield from _slots_of_list(document, schema, depth)
    elif kind is None or (kind == "object" and _PICTURE.fullmatch(name)):
        yield Slot("$SLOT", depth=0)
        yield Slot("$SLOT", ("base64",))


def _slots_of_list(document: Any, schema: Any, depth: int) -> Iterator[Slot]:
    nested = _nesting(document, schema)
    items = resolved(document, dig(schema, "items"))
    if nested or not isinstance(items, dict) or not items:
        yield Slot("$SLOT", depth=nested)
    elif depth < _MOST_DEPTH:
        for inner in _slots(document, items, depth + 1):
            if inner.texts and not inner.many:
                yield Slot("$SLOT", inner.texts, many=True, item=inner.around)


def _slots_inside(document: Any, schema: Any, depth: int) -> Iterator[Slot]:
    fields = {n: resolved(document, v) for n, v in table_in(schema, "properties").items()}
    named = [name for name in fields if _PICTURE.fullmatch(str(name))]
    for name in named or fields:
        others = _others(document, fields, schema, name)
        for inner in _slots(document, fields[name], depth + 1, str(name)):
            yield replace(inner, around={**others, name: inner.around})


def _others(document: Any, fields: dict[str, Any], schema: Any, name: str) -> dict[str, Any]:
    """Values of the fields that must be there beside ``name``."""
    required = dig(schema, "required")
    needed = [n for n in fields if n != name and isinstance(required, list) and n in required]
    return {n: _value(document, fields[n], _stated(fields[n])) for n in needed}


def _value(document: Any, schema: Any, stated: Any = None) -> Any:
    """A value for ``schema``: the ``stated`` one, one of its fields' own, or a plain one."""
    if stated is not None:
        return stated
    schema = resolved(document, schema)
    fields = table_in(schema, "properties")
    if fields:
        return _others(document, {n: resolved(document, v) for n, v in fields.items()}, schema, "")
    kind = dig(schema, "type")
    least = dig(schema, "minimum")
    return least if isinstance(least, int | float) else _PLAIN.get(str(kind), "x")


def _stated(schema: Any) -> Any:
    """The value that ``schema`` states as its own, its default, an example or a choice; or None."""
    for name in ("const", "default", "example"):
        if dig(schema, name) is not None:
            return schema[name]
    for name in ("examples", "enum"):
        listed = dig(schema, name)
        if isinstance(listed, list) and listed:
            return listed[0]
    return None


def _texts(schema: Any) -> tuple[str, ...]:
    words = json.dumps([dig(schema, n) for n in ("description", "example", "examples", "title")])
    uri = dig(schema, "format") in {"uri", "data-uri"} or _DATA_URI.search(words)
    return ("data-uri", "base64") if uri else ("base64", "data-uri")


def resolved(document: Any, schema: Any) -> Any:
    """``schema``, or what its ``$ref`` into the same document names, or the first real one of its
    alternatives.
    """
    for _ in range(8):
        name = dig(schema, "$ref")
        choices = [dig(schema, key) for key in ("allOf", "anyOf", "oneOf")]
        listed = next((one for one in choices if isinstance(one, list) and one), [])
        real = [one for one in listed if dig(one, "type") != "null"]
        if isinstance(name, str) and name.startswith("#/"):
            schema = dig(document, *name.removeprefix("#/").split("/"))
        elif real and not dig(schema, "type"):
            schema = real[0]
        else:
            break
    return schema


def kind_of(schema: Any) -> str:
    """``file``, ``text`` or ``array``: what a field takes."""
    plain = schema if isinstance(schema, dict) else {}
    if _is_file(None, plain) or plain.get("format") == "image":
        return "file"
    return "text" if plain.get("type") == "string" else "array"


def _is_file(document: Any, field: Any) -> bool:
    if dig(field, "type") == "array":
        field = resolved(document, dig(field, "items"))
    binary = dig(field, "format") == "binary" or dig(field, "contentMediaType") is not None
    return dig(field, "type") == "file" or binary


def _nesting(document: Any, schema: Any) -> int:
    """Depth of the lists in the schema of a field; 0 if it does not say."""
    depth = 0
    while dig(schema, "type") == "array" and depth < 5:
        depth += 1
        schema = resolved(document, dig(schema, "items"))
    return depth if dig(schema, "type") in {"number", "integer"} else 0
