"""Keys that run out: printed by a program or given by an authorisation server, kept until then."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from adapters.errors import AccessDenied, TargetError
from adapters.secrets import remember_key

COMMAND_S = 60.0
"""Seconds that ``auth.command`` may take."""
_MOST_BYTES = 64 * 1024
_MARGIN_S = 30.0
"""A token is renewed so long before its end, or a tenth of its life if that is less."""
_NAMES = ("access_token", "accessToken", "token", "id_token", "key")
_SPANS = ("expires_in", "expiresIn")
_ENDS = ("expires_on", "expiresOn", "expires_at", "token_expiry", "expirationTimestamp",
         "expiration", "expiry", "exp")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    """A key, and the time by ``time.time()`` from which it is not used any more, or None."""

    text: str = field(repr=False)
    until: float | None = None


class TokenSource:
    """The newest token of ``fetch``, fetched when it is first needed, when it has run out, and
    when the target refuses one that it has taken before.
    """

    def __init__(self, fetch: Callable[[], Awaitable[Token]]) -> None:
        self._fetch = fetch
        self._token: Token | None = None
        self._taken = ""
        self._lock: tuple[object, asyncio.Lock] | None = None

    async def current(self) -> str:
        """The token to send now. Raises EndpointError if none can be had, TargetError if the
        program is not there.
        """
        async with self._locked():
            token = self._token
            if token is None or (token.until is not None and time.time() >= token.until):
                self._token = token = await self._fetch()
                remember_key(token.text)
        return token.text

    def answered(self, text: str, status: int) -> bool:
        """Note the answer to a request with the token ``text``; True if it should be sent again,
        with a new one: the target refused a token that it has taken before.
        """
        if status != 401:
            self._taken = text
            return False
        if self._token is not None and self._token.text == text == self._taken:
            self._token, self._taken = None, ""
        return self._token is None or self._token.text != text

    def _locked(self) -> asyncio.Lock:
        """A lock of the running loop: a source outlives one."""
        loop = asyncio.get_running_loop()
        if self._lock is None or self._lock[0] is not loop:
            self._lock = (loop, asyncio.Lock())
        return self._lock[1]


async def printed_token(command: Sequence[str], lifetime: float | None) -> Token:
    """The token that ``command`` prints, run without a shell; nothing it prints is ever shown."""
    name = command[0]
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "its words are unusable"
        raise TargetError(f"auth.command {name!r} cannot be run: {why}") from None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(COMMAND_S):
            printed = b""
            while len(printed) < _MOST_BYTES and (more := await process.stdout.read(_MOST_BYTES)):
                printed += more
            status = await process.wait()
    except TimeoutError:
        raise AccessDenied(
            f"auth.command {name!r} did not end within {COMMAND_S:.0f} s; run it by hand to see why"
        ) from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    if status:
        raise AccessDenied(
            f"auth.command {name!r} ended with exit code {status}; run it by hand to see why "
            "(its output, which may hold a key, is not shown)"
        )
    return read_token(printed, lifetime, f"auth.command {name!r} printed")


def read_token(printed: bytes, lifetime: float | None, source: str) -> Token:
    """The token in ``printed``: JSON with it and its end, or its text alone. ``lifetime`` in
    seconds counts where it states no end. Raises AccessDenied, which begins with ``source``, if
    there is none; it shows nothing of it.
    """
    try:
        text = printed.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise AccessDenied(f"{source} no text") from None
    held: Mapping[str, Any] | None = {}
    if text.startswith("{"):
        try:
            held = _holder(json.loads(text))
        except ValueError:
            held = None
        if held is None:
            raise AccessDenied(f"{source} JSON without a token ({', '.join(_NAMES)})")
        text = next(held[name] for name in _NAMES if _is_token(held.get(name)))
    if not _is_token(text):
        raise AccessDenied(f"{source} no key: one line of printable ASCII is wanted, or JSON")
    now = time.time()
    end = _end(held or {}, now) or _end(_claims(text), now)
    if end is None and lifetime is not None:
        end = now + lifetime
    return Token(text, None if end is None else end - min(_MARGIN_S, 0.1 * max(0.0, end - now)))


def _is_token(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable() and bool(value)


def _holder(value: Any, depth: int = 0) -> Mapping[str, Any] | None:
    """The object that holds a token: the outermost, or one inside it."""
    if not isinstance(value, dict) or depth > 3:
        return None
    if any(_is_token(value.get(name)) for name in _NAMES):
        return value
    inner = (_holder(one, depth + 1) for one in value.values())
    return next((one for one in inner if one is not None), None)


def _end(held: Mapping[str, Any], now: float) -> float | None:
    """The time at which a token ends, as its holder states it."""
    for name in _SPANS:
        seconds = _number(held.get(name))
        if seconds is not None and seconds > 0:
            return now + seconds
    for name in _ENDS:
        value = held.get(name)
        end = _number(value)
        if end is None and isinstance(value, str):
            with contextlib.suppress(ValueError, OverflowError):
                end = datetime.fromisoformat(value).timestamp()
        if end is not None and end > 0:
            return end
    return None


def _number(value: Any) -> float | None:
    if isinstance(value, str) and value.isdecimal() and len(value) < 14:
        return float(value)
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if plain and abs(value) < 1e13 else None


def _claims(token: str) -> Mapping[str, Any]:
    """The claims of a JSON Web Token, unverified, as only its end is read; none of another."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
    return {"exp": claims["exp"]} if isinstance(claims, dict) and "exp" in claims else {}
