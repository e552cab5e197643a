"""RFC 3161 time stamps: an authority's word that the head existed at a moment.

A time stamp is over the *signed head*: ``head.dsse.json`` of a signed bundle, else ``head.json``.
It is asked of an authority that the user names, checked without a network against certificates
that the user trusts, and kept as the authority sent it, so that others can check it too:
``openssl ts -verify -in head.tsr -data head.dsse.json -CAfile ca.pem``.
"""

from __future__ import annotations

import hashlib
import importlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from auditor.errors import AuditError, EvidenceError, UsageError

TIMEOUT_S = 30.0
MAX_REPLY = 256 * 1024
MAX_FILE = 1024 * 1024
EXTRA = "time stamps need the package rfc3161-client; install xray-audit[timestamp]"
_QUERY, _REPLY = "application/timestamp-query", "application/timestamp-reply"
_DIGESTS = {
    "2.16.840.1.101.3.4.2.1": hashlib.sha256,
    "2.16.840.1.101.3.4.2.2": hashlib.sha384,
    "2.16.840.1.101.3.4.2.3": hashlib.sha512,
}


@dataclass(frozen=True)
class Authorities:
    """Certificates that time stamps are trusted by: roots and intermediate ones."""

    certificates: tuple[Any, ...]


def request_stamp(url: str, subject: bytes) -> bytes:
    """Ask the authority at ``url`` for a stamp over ``subject``; only its hash is sent.

    Returns:
        The reply as it came; who made it is not checked.

    Raises:
        UsageError: no usable URL, or the extra is missing.
        AuditError: no answer, or none that is a stamp over ``subject``.
    """
    tsp = _library()
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        raise UsageError("--tsa must be an http or https URL, without a user name in it")
    builder = tsp.TimestampRequestBuilder().data(subject)
    query = builder.hash_algorithm(tsp.base.HashAlgorithm.SHA256).build()
    reply = _post(url, parts.hostname, query.as_bytes())
    try:
        stamp = _read(reply)
        _check_subject(stamp, subject)
    except EvidenceError as error:
        raise AuditError(f"the time-stamp authority {parts.hostname}: {error}") from None
    if stamp.tst_info.nonce != query.nonce:
        raise AuditError(f"the time-stamp authority {parts.hostname} answered another request")
    return reply


def read_authorities(path: Path) -> Authorities:
    """The certificates in the PEM file ``path``.

    Raises:
        UsageError: unreadable, or it holds none.
    """
    _library()
    x509 = importlib.import_module("cryptography.x509")
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE)
    except OSError as error:
        raise UsageError(f"--tsa-cert {path} cannot be read: {error.strerror}") from error
    try:
        return Authorities(tuple(x509.load_pem_x509_certificates(data)))
    except ValueError:
        raise UsageError(f"--tsa-cert {path} holds no PEM certificate") from None


def stamp_time(stamp: bytes, subject: bytes) -> datetime:
    """Moment at which ``subject`` existed by a time stamp whose author is not checked.

    Raises:
        EvidenceError: it is no stamp, or over something else.
        UsageError: the extra is missing.
    """
    found = _read(stamp)
    _check_subject(found, subject)
    time: datetime = found.tst_info.gen_time
    return time


def check_stamp(stamp: bytes, subject: bytes, trusted: Authorities) -> datetime:
    """Moment at which ``subject`` existed, by the word of an authority that is ``trusted``.

    Raises:
        EvidenceError: it is no stamp, over something else, or not by a trusted authority.
        UsageError: the extra is missing.
    """
    time = stamp_time(stamp, subject)
    tsp = _library()
    builder = tsp.VerifierBuilder(roots=list(trusted.certificates))
    try:
        # Read anew: checking one takes its parts out of it.
        builder.build().verify_message(_read(stamp), subject)
    except tsp.VerificationError as error:
        raise EvidenceError(_why(str(error), time)) from None
    return time


def _why(said: str, time: datetime) -> str:
    """The library's message, for people."""
    when = f"{time:%Y-%m-%d %H:%M:%S} UTC"
    if "expired" in said or "not yet valid" in said:
        return f"the authority's certificate was not valid when it stamped, {when}"
    if "issuer certificate" in said or "self-signed" in said or "self signed" in said:
        return "the time stamp is by another authority than --tsa-cert names"
    if "EKU" in said or "unsupported certificate purpose" in said or "purpose" in said:
        return "the certificate that made the time stamp is not one for time stamps"
    return "the signature of the time stamp is not valid"


def _read(stamp: bytes) -> Any:
    tsp = _library()
    try:
        found = tsp.decode_timestamp_response(stamp)
        if found.status != 0:
            raise EvidenceError(f"a time stamp was refused (status {found.status})")
        found.tst_info  # noqa: B018 - parsed on access
    except ValueError:
        raise EvidenceError("the answer is no RFC 3161 time stamp that can be read") from None
    return found


def _check_subject(stamp: Any, subject: bytes) -> None:
    imprint = stamp.tst_info.message_imprint
    digest = _DIGESTS.get(imprint.hash_algorithm.dotted_string)
    if digest is None or digest(subject).digest() != imprint.message:
        raise EvidenceError("the time stamp is over something else than this bundle's head")


def _post(url: str, host: str, query: bytes) -> bytes:
    headers = {"content-type": _QUERY, "accept": _REPLY}
    try:
        with (
            httpx.Client(timeout=TIMEOUT_S, follow_redirects=False) as client,
            client.stream("POST", url, content=query, headers=headers) as reply,
        ):
            body = b""
            for chunk in reply.iter_bytes():
                body += chunk
                if len(body) > MAX_REPLY:
                    raise AuditError(f"the time-stamp authority {host} sent too long an answer")
            status = reply.status_code
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        kind = type(error).__name__
        raise AuditError(f"the time-stamp authority {host} did not answer ({kind})") from None
    if status != httpx.codes.OK:
        raise AuditError(f"the time-stamp authority {host} answered with HTTP {status}")
    return body


def _library() -> Any:
    try:
        importlib.import_module("rfc3161_client.base")
        return importlib.import_module("rfc3161_client")
    except ImportError as error:
        raise UsageError(EXTRA) from error
