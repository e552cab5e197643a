"""TLS: which authorities are trusted, what we show, and what went wrong in one sentence."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path

import certifi
import httpx

from adapters.errors import TargetError
from adapters.target import Tls

_FAULTS = (
    (
        "expired",
        "the server's TLS certificate has expired: whoever runs the server must renew it, unless "
        "the clock of this machine is wrong",
    ),
    (
        "not yet valid",
        "the server's TLS certificate is not valid yet: check the clock of this machine",
    ),
    (
        "mismatch",
        "the server's TLS certificate is for another host name: use the name in the certificate "
        "as the URL's host",
    ),
    ("revoked", "the server's TLS certificate was revoked: ask whoever runs the server"),
)
_UNTRUSTED = (
    "the server's TLS certificate is not trusted: name the authority that signed it as tls.ca"
)
_OWN = (
    "the server wants a TLS certificate of ours that it trusts: name it as tls.cert and its "
    "private key as tls.key"
)
_ALERTS = ("certificate_required", "certificate required", "unknown_ca", "unknown ca")
"""Alerts for a client certificate that is missing, or not known to the server."""


def tls_context(tls: Tls) -> ssl.SSLContext:
    """Certificates that an https connection trusts and shows; the environment has no say."""
    try:
        context = (
            ssl.create_default_context(cafile=tls.ca)
            if tls.ca
            else httpx.create_ssl_context(trust_env=False)
        )
    except (OSError, ValueError):
        raise TargetError(f"tls.ca {tls.ca!r} is no readable PEM file of authorities") from None
    if tls.cert:
        try:
            # Asking for a password at a terminal would hang a job; an empty one fails at once.
            context.load_cert_chain(tls.cert, tls.key or None, password=lambda: "")
        except (OSError, ValueError):
            raise TargetError(
                f"tls.cert {tls.cert!r} and its key are no readable, unencrypted PEM pair"
            ) from None
    # Set by SSLKEYLOGFILE even if the environment is not trusted: it would write session keys.
    # The stub knows only the getter's "str", the setter takes None.
    context.keylog_filename = None  # type: ignore[assignment]
    return context


def pem_files(tls: Tls) -> tuple[bytes, bytes | None, bytes | None]:
    """Authorities, our certificate and its key as PEM: the parts of a context for gRPC."""
    tls_context(tls)  # gRPC itself would only write a cryptic line to the terminal
    roots = Path(tls.ca or certifi.where()).read_bytes()
    if not tls.cert:
        return roots, None, None
    return roots, Path(tls.cert).read_bytes(), Path(tls.key or tls.cert).read_bytes()


def certificate_problem(chain: Iterable[BaseException]) -> str:
    """Sentence on the certificate at fault in an attempt's failure and its causes; or empty."""
    for cause in chain:
        text = str(cause).lower()
        if isinstance(cause, ssl.SSLCertVerificationError):
            return next((words for fault, words in _FAULTS if fault in text), _UNTRUSTED)
        if isinstance(cause, ssl.SSLError) and any(alert in text for alert in _ALERTS):
            return _OWN
    return ""
