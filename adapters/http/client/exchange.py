"""One request and its reply, as ``xray-audit check`` prints them: exact, short, without the key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from adapters.http.transport.reading import Reply
from adapters.quoting import hidden, printable

BODY_CHARS = 1200
"""Characters of a body that are printed."""

_MOST_HEADERS = 50
_NOT_TEXT = 0.3
"""Share of bytes outside printable ASCII from which a body counts as binary."""

_KEY_HEADERS = re.compile(r"auth|sign|token|secret|cookie|hmac|api-?key", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request (headers as sent, the key included), its reply, and the ``secrets`` to hide;
    ``look`` if it asks for the answer to an earlier one.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    reply: Reply = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    look: bool = False

    def request_text(self) -> str:
        """The request, headers and the start of the body."""
        shown = {k: "***" if _KEY_HEADERS.search(k) else v for k, v in self.headers.items()}
        lines = [f"{self.method} {self.url}", *self._header_lines(shown)]
        return "\n".join([*lines, "", *self._body(self.body)])

    def reply_text(self) -> str:
        """The reply, headers and the start of the body."""
        kept = {k.lower(): v for k, v in self.reply.headers.items() if k.lower() != "set-cookie"}
        lines = [f"HTTP {self.reply.status}", *self._header_lines(kept)]
        return "\n".join([*lines, "", *self._body(self.reply.body)])

    def rate_headers(self) -> dict[str, str]:
        """Headers of the reply about quotas and pauses."""
        return {
            name.lower(): printable(hidden(value, self.secrets), 100)
            for name, value in self.reply.headers.items()
            if any(word in name.lower() for word in ("ratelimit", "rate-limit", "retry-after"))
        }

    def _header_lines(self, headers: Mapping[str, str]) -> list[str]:
        pairs = sorted(headers.items())
        shown = pairs[:_MOST_HEADERS]
        more = [f"... ({len(pairs)} headers in all)"] if len(pairs) > len(shown) else []
        return [
            *(printable(hidden(f"{name}: {value}", self.secrets), 300) for name, value in shown),
            *more,
        ]

    def _body(self, body: bytes) -> list[str]:
        start = body[: BODY_CHARS + 200]
        odd = sum(byte < 9 or 13 < byte < 32 or byte > 126 for byte in start)
        if start and odd > _NOT_TEXT * len(start):
            return [f"({len(body)} bytes: {start[:16].hex(' ')} ...)"]
        text = hidden(start.decode("utf-8", errors="replace"), self.secrets)
        more = [f"... ({len(body)} bytes in all)"] if len(text) > BODY_CHARS else []
        return [*(printable(line, BODY_CHARS) for line in text[:BODY_CHARS].splitlines()), *more]
