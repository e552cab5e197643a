"""Ed25519 signatures over in-toto statements, in DSSE envelopes.

A signature ties a bundle to a key's holder: without one its author could have made up every
answer and hashed the result. Keys are PEM files as OpenSSL writes them:
``openssl genpkey -algorithm ed25519 -out audit.key`` and ``openssl pkey -in audit.key -pubout``.
"""

from __future__ import annotations

import base64
import binascii
import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.strict_json import canonical
from auditor.errors import EvidenceError, UsageError
from auditor.evidence.canonical import parse_object, sha256

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PASSPHRASE = "XRAY_AUDIT_SIGN_PASSPHRASE"  # noqa: S105 - the name of a variable, not a secret
MAX_KEY_BYTES = 64 * 1024


@dataclass(frozen=True)
class PublicKey:
    """An Ed25519 public key of 32 ``raw`` bytes."""

    raw: bytes

    @property
    def keyid(self) -> str:
        """Hex SHA-256 of the raw key."""
        return sha256(self.raw)


class Signer:
    """Signs with an Ed25519 private key read from a PEM file."""

    def __init__(self, key: Any, public: PublicKey) -> None:
        self._key = key
        self.public = public

    def __repr__(self) -> str:
        return f"Signer({self.public.keyid[:16]})"

    def envelope(self, statement: bytes) -> bytes:
        """The DSSE envelope of an in-toto ``statement``."""
        return _envelope(statement, self.public, self._key.sign(_signed_bytes(statement)))


def read_signer(path: Path) -> Signer:
    """The private key in the PEM file ``path``; its passphrase, if any, is in the environment.

    Raises:
        UsageError: unreadable, not Ed25519, or the passphrase is missing or wrong.
    """
    serialization, ed25519 = _cryptography()
    data = _key_file("--sign-key", path)
    secret = os.environ.get(PASSPHRASE)
    try:
        key = serialization.load_pem_private_key(data, secret.encode() if secret else None)
    except TypeError as error:
        word = "needs a passphrase: put it into" if secret is None else "needs none: unset"
        raise UsageError(f"the key in --sign-key {path} {word} {PASSPHRASE}") from error
    except Exception:  # noqa: BLE001 - damaged keys raise many kinds, some quoting the key
        raise UsageError(
            f"--sign-key {path} holds no readable PEM private key, or {PASSPHRASE} is not its "
            "passphrase (make one: openssl genpkey -algorithm ed25519 -out audit.key)"
        ) from None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise UsageError(f"the key in --sign-key {path} is not an Ed25519 key")
    return Signer(key, PublicKey(key.public_key().public_bytes_raw()))


def read_public_key(path: Path) -> PublicKey:
    """The public key in the PEM file ``path``.

    Raises:
        UsageError: unreadable or not Ed25519.
    """
    serialization, ed25519 = _cryptography()
    data = _key_file("--key", path)
    try:
        key = serialization.load_pem_public_key(data)
    except Exception:  # noqa: BLE001 - damaged keys raise many kinds
        raise UsageError(
            f"--key {path} holds no PEM public key (openssl pkey -in audit.key -pubout)"
        ) from None
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise UsageError(f"the key in --key {path} is not an Ed25519 key")
    return PublicKey(key.public_bytes_raw())


def check_envelope(data: bytes, statement: bytes, public: PublicKey, name: str) -> None:
    """Check that ``data`` is the one envelope of ``statement`` under ``public``.

    Ed25519 signatures are deterministic, and the envelope has one spelling, so every other byte
    is a change.

    Raises:
        EvidenceError: it is not.
        UsageError: the extra that checks signatures is not installed.
    """
    envelope = parse_object(data, name)
    try:
        (held,) = envelope["signatures"]
        signature = base64.b64decode(held["sig"], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise EvidenceError(f"{name} is not an envelope with one signature") from None
    if _envelope(statement, public, signature) != data:
        raise EvidenceError(f"{name} does not sign what it should, or was changed")
    _, ed25519 = _cryptography()
    try:
        key = ed25519.Ed25519PublicKey.from_public_bytes(public.raw)
        key.verify(signature, _signed_bytes(statement))
    except Exception:  # noqa: BLE001 - InvalidSignature lives in the optional package
        raise EvidenceError(f"the signature in {name} is not valid") from None


def envelope_payload(data: bytes, name: str) -> bytes:
    """Statement inside an envelope; nothing about it is checked.

    Raises:
        EvidenceError: it is no envelope.
    """
    try:
        return base64.b64decode(parse_object(data, name)["payload"], validate=True)
    except (KeyError, TypeError, ValueError):
        raise EvidenceError(f"{name} is no envelope") from None


def _envelope(statement: bytes, public: PublicKey, signature: bytes) -> bytes:
    envelope = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(statement).decode("ascii"),
        "signatures": [{"keyid": public.keyid, "sig": base64.b64encode(signature).decode("ascii")}],
    }
    return canonical(envelope) + b"\n"


def _signed_bytes(statement: bytes) -> bytes:
    """DSSE's pre-authentication encoding, over which the signature is made."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(statement), statement)


def _key_file(flag: str, path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_KEY_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{flag} {path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_KEY_BYTES:
        raise UsageError(f"{flag} {path} is too large for a key")
    return data


def _cryptography() -> tuple[Any, Any]:
    try:
        return (
            importlib.import_module("cryptography.hazmat.primitives.serialization"),
            importlib.import_module("cryptography.hazmat.primitives.asymmetric.ed25519"),
        )
    except ImportError as error:
        raise UsageError(
            "signatures need the package cryptography; install xray-audit[sign]"
        ) from error
