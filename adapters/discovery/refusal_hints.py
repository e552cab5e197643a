"""From a refusal that says what it misses to requests that carry it, the likeliest first. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from adapters import strict_json
from adapters.discovery.forms import UPLOAD, Proposal, arrays, multipart, text, urlencoded, ways
from adapters.errors import BadReply
from adapters.http.client.exchange import Exchange
from adapters.target import over
from adapters.target.presets import preset_table

MAX_HINTS = 12
"""Most requests that refusals lead to."""

_LOOK_AT, _MOST_NAMES = 2000, 2
_NAME = r"([^\W\d]\w{1,39}(?:[-_]\w{1,20}){0,3})"
_NAMED = (
    re.compile(rf"""[`'"“«「『]{_NAME}[`'"”»」』]"""),
    re.compile(
        rf"(?:missing|requires?|required|need(?:s|ed)?|expect(?:s|ed)?|provide|param(?:eter)?"
        rf"|field|key|property|argument|without|no)[ :]+(?:the |a |an )?(?:field |key "
        rf"|param(?:eter)? |argument |property )?{_NAME}"
    ),
    re.compile(
        rf"{_NAME}(?: field| key| param(?:eter)?)?\W{{1,3}}(?:is |are |was |an? )?"
        r"(?:missing|required|not |must|list|array|empty|data|base64|expected|string)"
    ),
)
_NO_NAME = re.compile(
    r"(?i)the|is|an?|body|request|json|input|field|fields|found|required|missing|error|message|code"
    r"|detail|key|param|parameter|value|type|msg|status|must|not|valid|invalid|data_?ur[il]|base64"
    r"|plain|multipart|form|content|application|string|strings|list|array|fehler|feld|be|for|in|of"
    r"|to|loc|success|false|true|none|null|expected|this|that|bad|fail(ed)?|errors?|path|property"
)
_MEDIA = re.compile(
    r"multipart/form-data|application/octet-stream|application/x-www-form-urlencoded"
    r"|application/json|image/(?:png|jpeg)"
)
_URI = re.compile(r"data[- ]?ur[il]|data:image", re.IGNORECASE)
_MANY = re.compile(r"\b(list|array|batch|several)\b", re.IGNORECASE)
CHATS, _TOKENS = "openai-vision", "max_completion_tokens"
_USUAL = ("image", "file", "img", "data")


def hinted(exchange: Exchange, table: dict[str, Any]) -> list[Proposal]:
    """Requests that the refusal in ``exchange``, of a request as in ``table``, asks for."""
    url, request = str(table["url"]), dict(table.get("request", {}))
    said = exchange.reply.body[:_LOOK_AT].decode("utf-8", errors="replace")
    names = _names(exchange, said)
    why = "the server's refusal asks for it"
    if str(table.get("preset", "")).startswith(CHATS):
        return [Proposal(one, why, certain=True) for one in _chat(table, said)]
    found = [
        *_of_media(url, said, names),
        *(_form(url, request, names) if request.get("body") == "multipart" else ()),
        *(_json(url, said, names) if "body" not in request else ()),
    ]
    return [Proposal(one, why) for one in found]


def _chat(table: dict[str, Any], said: str) -> Iterator[dict[str, Any]]:
    """A chat's request without the parameter that its model does not take: those that think first
    fix the temperature and count what they think among the tokens of an answer.
    """
    preset = preset_table([str(table["preset"])])
    body = json.loads(over(preset, table)["request"]["template"])
    for name in ("max_tokens", "temperature", "seed"):
        if name in body and re.search(rf"\b{name}\b", said):
            del body[name]
            more = {_TOKENS: 2000} if _TOKENS in said else {}
            yield over(table, {"request": {"template": json.dumps({**more, **body})}})


def _names(exchange: Exchange, said: str) -> list[str]:
    """Names of fields that the refusal holds: pydantic's places and tables of reasons first, then
    words.
    """
    found = []
    try:
        body = strict_json.parse(exchange.reply.body)
        detail = body.get("detail") if isinstance(body, dict) else None
        for one in detail if isinstance(detail, list) else []:
            place = one.get("loc") if isinstance(one, dict) else None
            if isinstance(place, list) and len(place) == 2 and isinstance(place[1], str):
                found.append(place[1])
        found += _keys_of_reasons(body)
        texts = list(_texts(body))
    except BadReply:
        texts = [said]
    if not found:
        for pattern in _NAMED:
            found += [name for one in texts for name in pattern.findall(one)]
    return [n for n in dict.fromkeys(found) if not _NO_NAME.fullmatch(n)][:_MOST_NAMES]


def _keys_of_reasons(body: Any) -> list[str]:
    """Fields that a table names with a list of reasons for each, at its top or one step below."""
    tables = [body, *body.values()] if isinstance(body, dict) else []
    return [
        name
        for table in tables
        if isinstance(table, dict)
        for name, said in list(table.items())[:20]
        if isinstance(said, list) and said and all(isinstance(one, str) for one in said)
    ]


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str):
        yield value[:_LOOK_AT]
    elif depth < 4 and isinstance(value, dict | list):
        for one in list(value.values() if isinstance(value, dict) else value)[:20]:
            yield from _texts(one, depth + 1)


def _of_media(url: str, said: str, names: list[str]) -> Iterator[dict[str, Any]]:
    """Bodies of the media types that the refusal names."""
    for media in dict.fromkeys(_MEDIA.findall(said.lower())):
        raw = {"url": url, **UPLOAD, "request": {"body": "raw"}}
        if media == "application/octet-stream":
            yield over(raw, {"request": {"content_type": media}})
        elif media == "image/jpeg":
            yield over(raw, {"input": {"encoding": "jpeg:95/444"}})
        elif media == "application/x-www-form-urlencoded":
            yield from (urlencoded(url, name) for name in names or _USUAL)


def _form(url: str, request: dict[str, Any], names: list[str]) -> Iterator[dict[str, Any]]:
    """A form with the picture in a field that is missed, or with that field beside it."""
    own = str(request.get("field", "file"))
    for name in names:
        if name != own:
            yield multipart(url, name)
    others = {name: "default" for name in names if name != own}
    if others:
        yield over(multipart(url, own), {"request": {"form": others}})


def _json(url: str, said: str, names: list[str]) -> Iterator[dict[str, Any]]:
    """JSON with the picture in a field that is missed, as text, as a list of such, as numbers."""
    for name in names:
        forms = ("data-uri", "base64") if _URI.search(said) else ("base64", "data-uri")
        single = [text(url, name, form) for form in forms]
        many = {"template": json.dumps({name: "$INPUTS"}), "value": forms[0]}
        listed = {"url": url, **UPLOAD, "request": many}
        yield from (listed, *single) if _MANY.search(said) else (*single, listed)
        yield arrays(url, name, ways(3, 0)[0])
