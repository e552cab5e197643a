"""Quoting a server: short, on one line, harmless in a terminal, and without our own secrets."""

from __future__ import annotations

import html
import itertools
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from adapters import strict_json
from adapters.errors import BadReply

MAX_CHARS = 200
_NAMES = (
    "__type",
    "type",
    "code",
    "Code",
    "status",
    "error_code",
    "errorCode",
    "errorcode",
    "title",
)
"""Keys of an error's name: AWS, TorchServe, Google, MLflow, RFC 9457."""
_FINE = {"ok", "success", "succeeded", ""}
_BARE = {"", "error", "fail", "failed", "failure"}
"""Names that say no more than that something failed."""
_INSIDE = ("error", "Error", "errors", "fault", "exception", "failures", "failure")
"""Keys that stand for an error wherever they stand."""
_TEXTS = (
    "faultstring", "message", "Message", "errorMessage", "error_message", "ErrorMessage",
    "detail", "details", "error_description", "description", "reason", "msg",
    "errmsg", "error_msg", "cause", "body",
)  # fmt: skip
_LOOK_AT = 16_384
_JSON = ("{", "[")
_MOST_PLACES = 10_000
_TAG = re.compile(r"<[^<>]*>")


def printable(text: str, limit: int = MAX_CHARS) -> str:
    """``text`` with control and direction characters escaped, at most ``limit`` characters."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def shown_value(value: Any) -> str:
    """The start of a JSON ``value`` on one line: text as it is, the rest as JSON."""
    if isinstance(value, str):
        return printable(value)
    # Piece by piece: only the start of a list of a million numbers is shown.
    return printable("".join(itertools.islice(json.JSONEncoder().iterencode(value), MAX_CHARS)))


def error_text(
    body: bytes, secrets: Iterable[str] = (), charset: str = "", *, failed: bool = True
) -> str:
    """Text of an error reply's ``body``, which states ``charset``, fit for a message, without
    ``secrets``; may be empty. JSON without words on an error is quoted only if the reply is known
    to have ``failed``.
    """
    try:
        body = strict_json.decoded(body[: 4 * _LOOK_AT], charset).encode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        body = body[: 4 * _LOOK_AT]
    text = _message(body, failed=failed)[:_LOOK_AT]
    return printable(" ".join(hidden(text, secrets).split()))


def hidden(text: str, secrets: Iterable[str]) -> str:
    """``text`` with every one of ``secrets`` replaced by asterisks."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def _message(body: bytes, *, failed: bool) -> str:
    try:
        value = strict_json.parse(body)
    except BadReply:
        text = body[:_LOOK_AT].decode("utf-8", errors="replace")
        return _plain(text) if failed or not text.lstrip("\ufeff \r\n\t").startswith(_JSON) else ""
    said = _said(_first(value, _states_error) or value)
    if said.lower() in _BARE and (failed or _denies(value)):
        said = _said(_first(value, _has_words)) or said
    return said or (body[:_LOOK_AT].decode("utf-8", errors="replace") if failed else "")


def _first(value: Any, wanted: Callable[[dict[str, Any]], object]) -> Any:
    """The first object in JSON that is ``wanted``, breadth first; None if none is."""
    level, looked = [value] if isinstance(value, dict | list) else [], 0
    while level and looked < _MOST_PLACES:
        level = level[: _MOST_PLACES - looked]
        looked += len(level)
        for one in level:
            if isinstance(one, dict) and wanted(one):
                return one
        inner = [one.values() if isinstance(one, dict) else one for one in level]
        level = [v for many in inner for v in many if isinstance(v, dict | list)]
    return None


def _states_error(holder: dict[str, Any]) -> bool:
    return any(holder.get(key) for key in _INSIDE) or _failure(holder) is not None


def _has_words(holder: dict[str, Any]) -> bool:
    return any(isinstance(text := holder.get(key), str) and text.strip() for key in _TEXTS)


def _denies(value: Any) -> bool:
    """True if a reply says of itself that it is no success."""
    if not isinstance(value, dict):
        return False
    word = value.get("status", "")
    failed = isinstance(word, str) and word.lower() in _BARE - {""}
    return failed or value.get("success") is False or value.get("ok") is False


def _failure(holder: dict[str, Any]) -> dict[str, Any] | None:
    """An object ``status`` that describes a failure, as Clarifai writes one; None for others."""
    status = holder.get("status")
    words = status.get("description", status.get("message")) if isinstance(status, dict) else ""
    return status if isinstance(words, str) and words.strip().lower() not in _FINE else None


def _said(value: Any, depth: int = 0) -> str:
    """The words of an error in JSON: its place in the request, its sentences, its name."""
    if isinstance(value, str):
        return _said_in_text(value[:_LOOK_AT], depth)
    if depth > 3:
        return ""
    if isinstance(value, list):
        return "; ".join(filter(None, (_said(one, depth + 1) for one in value[:3])))
    if not isinstance(value, dict):
        return ""
    place = value.get("loc")
    at = ".".join(map(str, place[:8])) if isinstance(place, list) else ""
    names = [value.get(key) for key in _NAMES]
    name = next((n.rpartition("#")[2] for n in names if isinstance(n, str) and ":" not in n), "")
    held = [_failure(value), *(value.get(key) for key in (*_INSIDE, *_TEXTS))]
    texts = [said for one in held if (said := _said(one, depth + 1))]
    texts = texts or ([] if name else _fields(value, depth))
    words = ": ".join(dict.fromkeys(filter(None, (at, *texts[:2])))).replace(".: ", ": ")
    return f"{words} ({name[:100]})" if words and name and name not in words else words or name


def _said_in_text(text: str, depth: int) -> str:
    """``text``, or the words of the JSON in it: a gateway may pass a reply on as a string."""
    if depth > 3 or not text.startswith("{"):
        return text
    try:
        return _said(strict_json.loads(text), depth + 1) or text
    except strict_json.StrictJsonError:
        return text


def _fields(value: dict[str, Any], depth: int) -> list[str]:
    """Complaints by the field of the request that they are about, where an error holds no more."""
    complaints = [
        (key, one[0] if isinstance(one, list) and one else one) for key, one in value.items()
    ]
    if not depth or not all(isinstance(one, str) for _, one in complaints):
        return []
    return [f"{key[:60]}: {one}" for key, one in complaints[:2]]


def _plain(text: str) -> str:
    """``text``, or the words of the page or the XML that it is."""
    if "<" not in text[:_LOOK_AT]:
        return text
    for tag in ("title", "Message", "message", "faultstring", "h1"):
        _, _, rest = text.partition(f"<{tag}")
        inside = rest.partition(">")[2].partition("</")[0].strip()
        if inside:
            return html.unescape(_TAG.sub(" ", inside))
    return html.unescape(_TAG.sub(" ", text))


def one_line(text: object, most: int = 200) -> str:
    """Foreign text as one short printable line: a model file can put anything in a message."""
    words = "".join(c if c.isprintable() else " " for c in str(text)).split()
    line = " ".join(words)
    return line if len(line) <= most else line[: most - 1] + "…"
