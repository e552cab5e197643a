"""Quoting a server: short, on one line, harmless in a terminal, and without our own secrets."""

from __future__ import annotations

from collections.abc import Iterable

from adapters import strict_json
from adapters.errors import BadReply

MAX_CHARS = 200
_MESSAGE_KEYS = (
    "error", "message", "detail", "error_message", "errorMessage", "description", "msg",
)  # fmt: skip
_LOOK_AT = 16_384


def printable(text: str, limit: int = MAX_CHARS) -> str:
    """``text`` with control and direction characters escaped, at most ``limit`` characters."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def error_text(body: bytes, secrets: Iterable[str] = ()) -> str:
    """Text of an error reply's ``body``, fit for a message, without ``secrets``; may be empty."""
    return printable(" ".join(hidden(_message(body), secrets).split()))


def hidden(text: str, secrets: Iterable[str]) -> str:
    """``text`` with every one of ``secrets`` replaced by asterisks."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def _message(body: bytes) -> str:
    try:
        value = strict_json.parse(body)
    except BadReply:
        value = None
    for _ in range(3):
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, dict):
            value = next((value[key] for key in _MESSAGE_KEYS if value.get(key)), None)
    if isinstance(value, str):
        return value
    return body[:_LOOK_AT].decode("utf-8", errors="replace")


def one_line(text: object, most: int = 200) -> str:
    """Foreign text as one short printable line: a model file can put anything in a message."""
    words = "".join(c if c.isprintable() else " " for c in str(text)).split()
    line = " ".join(words)
    return line if len(line) <= most else line[: most - 1] + "…"
