"""Signatures by HMAC, computed by the recipe of a description."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime

import httpx

from adapters.errors import TargetError
from adapters.target import Auth

_PLACE = re.compile(rb"\{([a-z_]+)\}")
_PLACES = {
    "timestamp", "nonce", "method", "host", "path", "query", "url", "body", "body_hash", "key_id",
}  # fmt: skip


class HmacSigner:
    """Signs requests with ``key`` by the recipe in ``auth``."""

    def __init__(self, auth: Auth, key: str) -> None:
        self._recipe, self._header = auth.hmac, auth.header.lower()
        self._key = _key_bytes(key, auth.hmac.key_form)

    def sign(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> dict[str, str]:  # fmt: skip
        """Headers that sign this request, names in lower case; ``headers`` are not signed."""
        del headers
        recipe, place = self._recipe, httpx.URL(url)
        path, _, query = place.raw_path.partition(b"?")
        hashed = hashlib.new(recipe.algorithm, body).digest()
        parts = {
            "timestamp": _timestamp(recipe.timestamp).encode(),
            "nonce": secrets.token_hex(16).encode(),
            "method": method.encode(),
            "host": place.netloc,
            "path": path,
            "query": query,
            "url": url.encode(),
            "body": body,
            "body_hash": self._written(hashed),
            "key_id": recipe.key_id.encode(),
        }
        made = hmac.digest(self._key, _filled(recipe.signs, parts), recipe.algorithm)
        parts = {**parts, "signature": self._written(made), "body": b""}
        every = {self._header: recipe.value, **recipe.headers}
        return {name.lower(): _filled(text, parts).decode() for name, text in every.items()}

    def _written(self, digest: bytes) -> bytes:
        if self._recipe.digest == "hex":
            return digest.hex().encode()
        code = base64.b64encode if self._recipe.digest == "base64" else base64.urlsafe_b64encode
        return code(digest)


def check_recipe(auth: Auth) -> None:
    """Refuse a recipe that cannot be followed. Raises TargetError."""
    recipe = auth.hmac
    known = {
        "signs": (recipe.signs, _PLACES),
        "value": (recipe.value, {*_PLACES, "signature"} - {"body"}),
        **{
            f"headers.{name}": (text, {*_PLACES, "signature"} - {"body"})
            for name, text in recipe.headers.items()
        },
    }
    for name, (text, places) in known.items():
        strange = [found for found in _names(text) if found not in places]
        if strange:
            listed = ", ".join(f"{{{place}}}" for place in sorted(places))
            raise TargetError(f"auth.hmac.{name} holds {{{strange[0]}}}; it may hold {listed}")
    if "signature" not in [name for text, _ in known.values() for name in _names(text)]:
        raise TargetError("auth.hmac.value does not hold {signature}, so nothing would be signed")


def _names(text: str) -> list[str]:
    return [found.decode() for found in _PLACE.findall(text.encode())]


def _filled(text: str, parts: Mapping[str, bytes]) -> bytes:
    """``text`` with every place in it filled; what fills one is not looked at again."""
    return _PLACE.sub(lambda found: parts[found[1].decode()], text.encode())


def _timestamp(form: str) -> str:
    now = time.time()
    if form == "iso":
        return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(int(now * 1000) if form == "milliseconds" else int(now))


def _key_bytes(key: str, form: str) -> bytes:
    try:
        if form == "hex":
            return bytes.fromhex(key)
        if form == "base64":
            return base64.b64decode(key.translate(str.maketrans("-_", "+/")), validate=True)
    except (ValueError, binascii.Error):
        raise TargetError(f"the key is not {form}, as auth.hmac.key_form says") from None
    return key.encode()
