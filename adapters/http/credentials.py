"""The key and the user's headers: read once, sent, and never shown."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from adapters.errors import TargetError
from adapters.target import HttpOptions

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = {"accept-encoding", "connection", "content-length", "transfer-encoding"}
_MIN_SECRET = 6
"""Shorter values ("1", "true") are hardly secrets, and hiding them would garble messages."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Headers to send with every request.

    Attributes:
        headers: the user's headers and the key, names in lower case.
        secrets: their values, to be hidden wherever a server repeats them.
    """

    headers: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


def read_credentials(options: HttpOptions) -> Credentials:
    """Collect headers and the key from the environment.

    Raises:
        TargetError: the named variable is not set, or a header cannot travel.
    """
    headers = {name.lower(): value for name, value in options.headers.items()}
    secrets = [value for value in headers.values() if len(value) >= _MIN_SECRET]
    key = os.environ.get(options.key_env, "").strip()
    if key:
        headers[options.key_header.lower()] = f"{options.key_prefix}{key}"
        secrets += [f"{options.key_prefix}{key}", key]
    elif options.key_env != HttpOptions().key_env:
        raise TargetError(f"the environment variable {options.key_env!r} holds no key")
    for name, value in headers.items():
        check_header(name, value)
    return Credentials(headers, tuple(secrets))


def check_header(name: str, value: str) -> None:
    """Refuse a header that cannot travel; ``name`` in lower case.

    Raises:
        TargetError: says what is wrong with it; never shows the value.
    """
    if not _NAME.fullmatch(name):
        raise TargetError("a header has a name that HTTP does not allow")
    if name in _OURS:
        raise TargetError(f"the header {name} is set by the client itself; leave it out")
    if not value.isascii() or not value.isprintable():
        raise TargetError(f"the value of header {name} holds characters that HTTP does not allow")
