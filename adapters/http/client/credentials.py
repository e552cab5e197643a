"""The key and the user's headers: read once, sent, and never shown."""

from __future__ import annotations

import base64
import importlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from adapters.errors import MissingExtra, TargetError
from adapters.http.client.sigv4 import SigV4Signer, open_signer
from adapters.secrets import MIN_SECRET, remember, remember_key
from adapters.target import Auth, HttpOptions

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = {"accept-encoding", "connection", "content-length", "transfer-encoding"}
_MAX_KEY_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Credentials:
    """Headers (names in lower case), percent-encoded query part and signer for every request, and
    their ``secrets``, to be hidden wherever a server repeats them.
    """

    headers: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    query: str = field(default="", repr=False)
    signer: SigV4Signer | None = field(default=None, repr=False)


def read_credentials(options: HttpOptions) -> Credentials:
    """Collect headers, and the key from the place that ``options`` name. Raises TargetError if the
    key is not in its place or a header cannot travel, MissingExtra without the keyring or the
    signer.
    """
    auth = options.auth
    headers = {name.lower(): value for name, value in options.headers.items()}
    secrets = [value for value in headers.values() if len(value) >= MIN_SECRET]
    remember(*secrets)
    key = "" if auth.type in {"none", "sigv4"} else _read_key(auth)
    query = ""
    if key:
        quoted = quote(key, safe="")
        secrets += [key, quoted]
        for form in (key, quoted, base64.b64encode(key.encode()).decode("ascii")):
            remember_key(form)
        if auth.type == "query":
            query = f"{quote(auth.parameter)}={quoted}"
        else:
            headers[auth.header.lower()] = value = _header_value(auth, key)
            remember(value)
            secrets.insert(0, value)  # the longest first: a part must not go before the whole
    for name, value in headers.items():
        check_header(name, value)
    signer = open_signer(auth) if auth.type == "sigv4" else None
    return Credentials(headers, tuple(secrets), query, signer)


def _header_value(auth: Auth, key: str) -> str:
    if auth.type == "basic":
        return "Basic " + base64.b64encode(f"{auth.user}:{key}".encode()).decode("ascii")
    return f"{auth.prefix or ('Bearer ' if auth.type == 'bearer' else '')}{key}"


def _read_key(auth: Auth) -> str:
    """The key, or nothing if only the default variable was to hold it."""
    if auth.secret_file:
        return _from_file(auth.secret_file)
    if auth.keyring:
        return _from_keyring(auth.keyring)
    key = os.environ.get(auth.secret_env, "").strip()
    if not key and (auth.secret_env != Auth().secret_env or auth.type in {"basic", "query"}):
        raise TargetError(f"the environment variable {auth.secret_env!r} holds no key")
    return key


def _from_file(path: str) -> str:
    place = Path(path).expanduser()
    try:
        with place.open("rb") as stream:
            key = stream.read(_MAX_KEY_BYTES).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise TargetError(f"auth.secret_file {path} cannot be read: {why}") from None
    if not key:
        raise TargetError(f"auth.secret_file {path} holds no key")
    return key


def _from_keyring(entry: str) -> str:
    service, slash, name = entry.partition("/")
    if not (service and slash and name):
        raise TargetError(f"auth.keyring is {entry!r}, it must be SERVICE/NAME")
    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        raise MissingExtra("keyring is not installed; install xray-audit[keyring]") from None
    try:
        key = keyring.get_password(service, name)
    except Exception as error:  # noqa: BLE001 - every backend raises its own kinds
        kind = type(error).__name__
        raise TargetError(f"the keyring cannot be read ({kind}); unlock or install one") from None
    if not key:
        raise TargetError(f"the keyring holds no key for auth.keyring {entry!r}")
    return str(key).strip()


def check_header(name: str, value: str) -> None:
    """Refuse a header that cannot travel (``name`` in lower case), without showing its value."""
    if not _NAME.fullmatch(name):
        raise TargetError("a header has a name that HTTP does not allow")
    if name in _OURS:
        raise TargetError(f"the header {name} is set by the client itself; leave it out")
    if not value.isascii() or not value.isprintable():
        raise TargetError(f"the value of header {name} holds characters that HTTP does not allow")
