"""The key of a target and the ways to compute one, a table of a description."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from adapters.target.kinds import Span, Texts


@dataclass(frozen=True, slots=True)
class Hmac:
    """Recipe of a signature that is computed anew for every request.

    In ``signs`` and ``value``, ``{timestamp}``, ``{nonce}``, ``{method}``, ``{host}``, ``{path}``,
    ``{query}``, ``{url}``, ``{body}``, ``{body_hash}`` (the body's digest by the same algorithm, as
    ``digest`` writes it) and ``{key_id}`` stand for parts of the request.
    """

    algorithm: Literal["sha256", "sha512", "sha384", "sha1"] = "sha256"
    """Hash function of the HMAC."""
    signs: str = "{timestamp}{body}"
    """Text that is signed."""
    digest: Literal["hex", "base64", "base64url"] = "hex"
    """Form of the signature, and of ``{body_hash}``."""
    value: str = "{signature}"
    """Text of the header ``auth.header``, around ``{signature}``."""
    key_form: Literal["text", "hex", "base64"] = "text"
    """Form of the key: its text is the key, or it writes the key's bytes."""
    key_id: str = ""
    """Public name of the key."""
    timestamp: Literal["seconds", "milliseconds", "iso"] = "seconds"
    """Form of ``{timestamp}``: since 1970, or ``2026-11-28T14:12:00Z``."""
    headers: Texts = field(default_factory=dict)
    """Further headers, such as ``{"X-Timestamp" = "{timestamp}", "X-Key" = "{key_id}"}``."""


@dataclass(frozen=True, slots=True)
class OAuth2:
    """Client credentials of OAuth 2: ``client_id`` and the key, its secret, get a token."""

    token_url: str = ""
    """URL of the authorisation server's token endpoint."""
    client_id: str = ""
    """Public name of the client."""
    scope: str = ""
    """Scopes to ask for, separated by spaces."""
    send_as: Literal["basic", "body"] = "basic"
    """Place of the secret in the request for a token: ``basic`` authentication or its ``body``."""
    parameters: Texts = field(default_factory=dict)
    """Further parameters, such as ``audience`` or ``resource``."""


@dataclass(frozen=True, slots=True)
class Auth:
    """The key: never itself in a description, only its place."""

    type: Literal["bearer", "header", "query", "basic", "hmac", "oauth2", "sigv4", "none"] = (
        "bearer"
    )
    """``bearer`` and ``header`` send the key in a header, ``query`` in the URL's query,
    ``basic`` as the password of ``user``, ``hmac`` signs every request with it, ``oauth2`` gets
    tokens for it, ``sigv4`` signs for AWS with the credentials that the AWS command line would
    use; ``none`` sends no key."""
    header: str = "Authorization"
    """Header that carries the key."""
    prefix: str = ""
    """Text before the key, with its space ("Key "). ``bearer`` sets "Bearer "."""
    parameter: str = "key"
    """Name of the query parameter that carries the key."""
    user: str = ""
    """User name of ``basic``."""
    secret_env: str = "XRAY_AUDIT_API_KEY"  # noqa: S105 - a variable's name, not its content
    """Environment variable that holds the key."""
    secret_file: str = ""
    """File that holds the key, and nothing else."""
    keyring: str = ""
    """``SERVICE/NAME`` of the key in the system's keyring (extra ``keyring``)."""
    command: tuple[str, ...] = ()
    """Program and arguments that print the key, or JSON with the key and its end: run without a
    shell, when a key is first needed, when it has expired and when the target refuses it. Its
    output is never shown. ``["gcloud", "auth", "print-access-token"]``."""
    lifetime: Span | None = None
    """Seconds, or a text such as ``50m``, that a key of ``command`` or a token is good for where
    neither says itself; without it until the target refuses it."""
    hmac: Hmac = field(default_factory=Hmac)
    """Recipe of ``hmac``."""
    oauth2: OAuth2 = field(default_factory=OAuth2)
    """Client of ``oauth2``."""
    region: str = ""
    """AWS region of ``sigv4``."""
    service: str = ""
    """AWS service of ``sigv4``: ``sagemaker``, ``rekognition``, ``execute-api``."""
    profile: str = ""
    """AWS profile of ``sigv4``, or empty for the default credentials."""
