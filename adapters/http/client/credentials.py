"""The key and the user's headers: read once, sent, and never shown."""

from __future__ import annotations

import base64
import functools
import importlib
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from adapters.errors import MissingExtra, TargetError
from adapters.http.client.hmac_signer import HmacSigner, check_recipe
from adapters.http.client.oauth2 import check_client
from adapters.http.client.sigv4 import SigV4Signer, open_signer
from adapters.http.client.tokens import Token, TokenSource, printed_token
from adapters.secrets import MIN_SECRET, remember, remember_key
from adapters.target import Auth, HttpOptions

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = {"accept-encoding", "connection", "content-length", "transfer-encoding"}
_NEED_A_KEY = {"basic", "query", "hmac", "oauth2"}
_MAX_KEY_BYTES = 64 * 1024


Grant = Callable[[str], Awaitable[Token]]
"""A function that makes a token of a client's secret."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Headers (names in lower case), percent-encoded query part and signer for a request, the
    ``key`` in them, and their ``secrets``, to be hidden wherever a server repeats them.
    """

    headers: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    query: str = field(default="", repr=False)
    signer: SigV4Signer | HmacSigner | None = field(default=None, repr=False)
    key: str = field(default="", repr=False)


class KeyRing:
    """The Credentials to send now; they change where ``source`` gives keys that run out."""

    def __init__(
        self, fixed: Credentials, auth: Auth | None = None, source: TokenSource | None = None
    ) -> None:
        self._fixed, self._auth, self._source = fixed, auth, source
        self.now = fixed

    async def current(self) -> Credentials:
        """The Credentials for the next request. Raises EndpointError if no key can be had."""
        if self._source is not None and self._auth is not None:
            key = await self._source.current()
            if key != self.now.key:
                self.now = _with_key(self._fixed, self._auth, key)
        return self.now

    def refused(self, used: Credentials, status: int) -> bool:
        """Note the ``status`` of an answer; True if the request should be sent again with a new
        key, as the one ``used`` has run out.
        """
        return self._source is not None and self._source.answered(used.key, status)


def read_credentials(options: HttpOptions, grant: Grant) -> KeyRing:
    """Collect headers, and the key from the place that ``options`` name, with ``grant`` to make a
    token of a client's secret. Raises TargetError if the key is not in its place or a header cannot
    travel, MissingExtra without the keyring or the signer.
    """
    auth = options.auth
    headers = {name.lower(): value for name, value in options.headers.items()}
    secrets = [value for value in headers.values() if len(value) >= MIN_SECRET]
    remember(*secrets)
    for name, value in headers.items():
        check_header(name, value)
    _check_auth(auth)
    fixed = Credentials(headers, tuple(secrets))
    if auth.type in {"none", "sigv4"}:
        signer = open_signer(auth) if auth.type == "sigv4" else None
        return KeyRing(Credentials(headers, tuple(secrets), signer=signer))
    if auth.command and auth.type != "oauth2":
        print_key = functools.partial(printed_token, auth.command, auth.lifetime)
        return KeyRing(fixed, auth, _source(repr(auth), print_key))
    key = _read_key(auth)
    if auth.type == "oauth2":
        _hide(key)
        return KeyRing(fixed, auth, _source(f"{auth!r} {key}", functools.partial(grant, key)))
    return KeyRing(_with_key(fixed, auth, key) if key else fixed)


_sources: dict[str, TokenSource] = {}
"""A run opens many clients of one target, and one token serves them all."""


def _source(name: str, fetch: Callable[[], Awaitable[Token]]) -> TokenSource:
    return _sources.setdefault(name, TokenSource(fetch))


def _check_auth(auth: Auth) -> None:
    check_header(auth.header.lower(), "")
    if auth.type == "hmac":
        check_recipe(auth)
    if auth.type == "oauth2":
        check_client(auth)
        if auth.command:
            raise TargetError('auth.command gives a key itself: leave auth.type "oauth2" out')


def _hide(key: str) -> tuple[str, str]:
    """Let no text show ``key`` in any form; gives those that a server may repeat."""
    quoted = quote(key, safe="")
    for form in (key, quoted, base64.b64encode(key.encode()).decode("ascii")):
        remember_key(form)
    return key, quoted


def _with_key(fixed: Credentials, auth: Auth, key: str) -> Credentials:
    """``fixed`` and the ``key``, in the place where ``auth`` sends it."""
    secrets = [*fixed.secrets, *_hide(key)]
    if auth.type == "hmac":
        return replace(fixed, secrets=tuple(secrets), signer=HmacSigner(auth, key), key=key)
    if auth.type == "query":
        query = f"{quote(auth.parameter)}={secrets[-1]}"
        return replace(fixed, secrets=tuple(secrets), query=query, key=key)
    value = _header_value(auth, key)
    check_header(auth.header.lower(), value)
    remember(value)
    headers = {**fixed.headers, auth.header.lower(): value}
    # The longest first: a part must not go before the whole.
    return replace(fixed, headers=headers, secrets=(value, *secrets), key=key)


def _header_value(auth: Auth, key: str) -> str:
    if auth.type == "basic":
        return "Basic " + base64.b64encode(f"{auth.user}:{key}".encode()).decode("ascii")
    return f"{auth.prefix or ('Bearer ' if auth.type in {'bearer', 'oauth2'} else '')}{key}"


def _read_key(auth: Auth) -> str:
    """The key, or nothing if only the default variable was to hold it."""
    if auth.secret_file:
        return _from_file(auth.secret_file)
    if auth.keyring:
        return _from_keyring(auth.keyring)
    key = os.environ.get(auth.secret_env, "").strip()
    if not key and (auth.secret_env != Auth().secret_env or auth.type in _NEED_A_KEY):
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
