"""Sigstore: a signature over the head by an identity (a mail address, a workflow), without a key.

The in-toto statement of ``head.json`` is signed with a key that lives for minutes, certified for
the holder of an OpenID Connect token and entered into a public log. Off by default: that log tells
the world who audits whom.
"""

from __future__ import annotations

import base64
import importlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditor.errors import AuditError, EvidenceError, UsageError
from auditor.evidence.attest.signing import PAYLOAD_TYPE
from auditor.evidence.canonical import parse_object

MAX_FILE = 4 * 1024 * 1024
EXTRA = "Sigstore signatures need the package sigstore; install xray-audit[sigstore]"


@dataclass(frozen=True)
class Signatory:
    """Identity that must have signed, and the roots by which that is judged.

    Attributes:
        identity: as the certificate names it, such as a mail address.
        issuer: URL of the OpenID Connect provider that vouched for it.
        trust: file with a Sigstore instance's ``TrustedRoot`` or ``ClientTrustConfig``; None for
            those of the public instance that come with the library.
    """

    identity: str
    issuer: str
    trust: Path | None = None


def sign_keyless(statement: bytes, token: Path | None, trust: Path | None) -> bytes:
    """The Sigstore bundle (JSON) over an in-toto ``statement``.

    Args:
        statement: the head.
        token: file with an OpenID Connect identity token; None asks the environment (GitHub
            Actions, GitLab, Google Cloud, Buildkite).
        trust: file with the ``ClientTrustConfig`` of a Sigstore instance; None for the public one.

    Raises:
        UsageError: no token, an unreadable file, or the extra is missing.
        AuditError: the instance did not sign.
    """
    models, sign = _module("sigstore.models"), _module("sigstore.sign")
    dsse = _module("sigstore.dsse")
    identity = _token(token)
    config = None if trust is None else _trust_config(trust)
    try:
        config = config or models.ClientTrustConfig.production()
        context = sign.SigningContext.from_trust_config(config)
        with context.signer(identity) as signer:
            made: str = signer.sign_dsse(dsse.Statement(statement)).to_json()
    except Exception as error:  # noqa: BLE001 - network, HTTP, JSON and Sigstore errors alike
        raise AuditError(f"Sigstore did not sign the head: {_first_line(error)}") from None
    return made.encode("utf-8") + b"\n"


def signed_statement(bundle: bytes, name: str) -> bytes:
    """Statement inside a Sigstore bundle; nothing about it is checked.

    Raises:
        EvidenceError: it holds no in-toto statement.
    """
    try:
        envelope = parse_object(bundle, name)["dsseEnvelope"]
        if envelope["payloadType"] != PAYLOAD_TYPE:
            raise EvidenceError(f"{name} signs no in-toto statement")
        return base64.b64decode(envelope["payload"], validate=True)
    except (KeyError, TypeError, ValueError):
        raise EvidenceError(f"{name} is no Sigstore bundle over a statement") from None


def check_keyless(bundle: bytes, statement: bytes, who: Signatory, name: str) -> None:
    """Check, without a network, that ``bundle`` is a signature by ``who`` over ``statement``.

    Raises:
        EvidenceError: it is not.
        UsageError: the trust file is unusable, or the extra is missing.
    """
    models, verify = _module("sigstore.models"), _module("sigstore.verify")
    errors = _module("sigstore.errors")
    # It would warn that it is offline, as intended.
    logging.getLogger("sigstore").setLevel(logging.ERROR)
    root = None if who.trust is None else read_trusted_root(who.trust)
    try:
        if root is None:
            verifier = verify.Verifier.production(offline=True)
        else:
            verifier = verify.Verifier(trusted_root=root)
        policy = verify.policy.Identity(identity=who.identity, issuer=who.issuer)
        kind, payload = verifier.verify_dsse(models.Bundle.from_json(bundle), policy)
    except errors.Error as error:
        raise EvidenceError(f"{name} does not verify: {_first_line(error)}") from None
    except Exception as error:  # noqa: BLE001 - hostile bundles raise many kinds
        raise EvidenceError(f"{name} cannot be read ({type(error).__name__})") from None
    if (kind, payload) != (PAYLOAD_TYPE, statement):
        raise EvidenceError(f"{name} is a signature over something else than this bundle's head")


def _token(path: Path | None) -> Any:
    oidc = _module("sigstore.oidc")
    try:
        raw = oidc.detect_credential() if path is None else _text("--identity-token", path)
        if not raw:
            raise UsageError(
                "there is no identity token in this environment; name a file with one with "
                "--identity-token"
            )
        return oidc.IdentityToken(raw.strip())
    except UsageError:
        raise
    except Exception:  # noqa: BLE001 - the original may quote the token
        where = "of this environment" if path is None else f"in --identity-token {path}"
        raise UsageError(f"the identity token {where} is malformed or expired") from None


def _trust_config(path: Path) -> Any:
    raw = _text("--sigstore-trust", path)
    try:
        return _module("sigstore.models").ClientTrustConfig.from_json(raw)
    except Exception:  # noqa: BLE001 - damaged files raise many kinds
        raise UsageError(f"--sigstore-trust {path} is no ClientTrustConfig of Sigstore") from None


def read_trusted_root(path: Path) -> Any:
    """The roots in ``path``, a ``TrustedRoot`` or a ``ClientTrustConfig`` of a Sigstore instance.

    Raises:
        UsageError: it is neither, or the extra is missing.
    """
    raw = _text("--sigstore-trust", path)
    models = _module("sigstore.models")
    try:
        if "trustedroot" in str(json.loads(raw).get("mediaType")):
            return models.TrustedRoot.from_file(str(path))
        return models.ClientTrustConfig.from_json(raw).trusted_root
    except Exception:  # noqa: BLE001 - damaged files raise many kinds
        raise UsageError(
            f"--sigstore-trust {path} is neither a TrustedRoot nor a ClientTrustConfig of Sigstore"
        ) from None


def _text(flag: str, path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_FILE).decode("utf-8")
    except OSError as error:
        raise UsageError(f"{flag} {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise UsageError(f"{flag} {path} is not text") from None


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UsageError(EXTRA) from error
