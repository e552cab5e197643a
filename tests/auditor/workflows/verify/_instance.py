"""A Sigstore instance of our own: the real library signs and verifies against services on loopback.

Only the two network services are faked, Fulcio (certificates) and Rekor (the log), and they do what
the real ones do: the certificate carries a signed certificate timestamp, the log entry an inclusion
proof, a signed checkpoint and a signed entry timestamp.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import struct
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import jwt
import rfc8785
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ISSUER = "https://issuer.example"
IDENTITY = "auditor@example.com"
SHA256 = ec.ECDSA(hashes.SHA256())
SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
FULCIO_ISSUER = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
START = "2020-01-01T00:00:00Z"


def key_usage(*allowed: str) -> x509.KeyUsage:
    """Uses of a key: ``allowed`` and nothing else."""
    uses = [field for field in x509.KeyUsage.__init__.__annotations__ if field != "return"]
    return x509.KeyUsage(**{field: field in allowed for field in uses})


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def der_string(tag: int, data: bytes) -> bytes:
    size = len(data)
    length = bytes([size]) if size < 128 else b"\x81" + bytes([size])
    return bytes([tag]) + length + data


class Instance:
    """Keys and certificates of one instance."""

    def __init__(self) -> None:
        self.ca, self.log, self.ct = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        self.now = dt.datetime.now(dt.UTC)
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fulcio")])
        usage = key_usage("key_cert_sign", "crl_sign")
        identifier = x509.SubjectKeyIdentifier.from_public_key(self.ca.public_key())
        builder = self._builder(self.name, self.ca.public_key(), days=30)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        builder = builder.add_extension(usage, True).add_extension(identifier, False)
        self.root = builder.sign(self.ca, hashes.SHA256())

    def _builder(self, subject: x509.Name, key: Any, days: int) -> x509.CertificateBuilder:
        span = dt.timedelta(days=days)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name)
        builder = builder.public_key(key).serial_number(x509.random_serial_number())
        return builder.not_valid_before(self.now - span).not_valid_after(self.now + span)

    # ---- Fulcio ------------------------------------------------------------------------------

    def certify(self, request: dict[str, Any], identity: str) -> dict[str, Any]:
        """Reply of Fulcio to a signing request of ``identity``."""
        pem = base64.b64decode(request["certificateSigningRequest"])
        key = x509.load_pem_x509_csr(pem).public_key()
        usage = key_usage("digital_signature")
        ours = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.ca.public_key())
        names = x509.SubjectAlternativeName([x509.RFC822Name(identity)])
        code = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
        said = x509.UnrecognizedExtension(FULCIO_ISSUER, ISSUER.encode())
        builder = self._builder(x509.Name([]), key, days=1)
        for extension, critical in (
            (usage, True),
            (code, False),
            (ours, False),
            (names, True),
            (said, False),
        ):
            builder = builder.add_extension(extension, critical)
        bare = builder.sign(self.ca, hashes.SHA256())
        stamped = builder.add_extension(
            x509.UnrecognizedExtension(SCT_LIST, self._timestamps(bare.tbs_certificate_bytes)),
            False,
        ).sign(self.ca, hashes.SHA256())
        chain = [one.public_bytes(Encoding.PEM).decode() for one in (stamped, self.root)]
        return {"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}}

    def _timestamps(self, tbs: bytes) -> bytes:
        """RFC 6962: the signed certificate timestamp of a precertificate, as a DER list."""
        when = int(self.now.timestamp() * 1000)
        issuer = hashlib.sha256(spki(self.ca)).digest()
        entry = issuer + len(tbs).to_bytes(3, "big") + tbs
        signed = struct.pack("!BBQH", 0, 0, when, 1) + entry + struct.pack("!H", 0)
        signature = self.ct.sign(signed, SHA256)
        log = hashlib.sha256(spki(self.ct)).digest()
        sct = b"\0" + log + struct.pack("!QH", when, 0)
        sct += b"\4\3" + struct.pack("!H", len(signature)) + signature
        inner = struct.pack("!H", len(sct)) + sct
        return der_string(0x04, struct.pack("!H", len(inner)) + inner)

    # ---- Rekor -------------------------------------------------------------------------------

    def enter(self, proposed: dict[str, Any]) -> dict[str, Any]:
        """Reply of Rekor to a proposed entry, the only one in the log."""
        content = proposed["spec"]["proposedContent"]
        envelope = json.loads(content["envelope"])
        payload = base64.b64decode(envelope["payload"])
        body: Any = {
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "envelopeHash": {
                    "algorithm": "sha256",
                    "value": hashlib.sha256(content["envelope"].encode()).hexdigest(),
                },
                "payloadHash": {
                    "algorithm": "sha256",
                    "value": hashlib.sha256(payload).hexdigest(),
                },
                "signatures": [
                    {"signature": one["sig"], "verifier": content["verifiers"][0]}
                    for one in envelope["signatures"]
                ],
            },
        }
        canonical = rfc8785.dumps(body)
        root = hashlib.sha256(b"\0" + canonical).digest()
        log = hashlib.sha256(spki(self.log)).digest()
        note = f"rekor.example - 1\n1\n{b64(root)}\n"
        signed = b64(log[:4] + self.log.sign(note.encode(), SHA256))
        when = int(self.now.timestamp())
        facts: Any = {
            "body": b64(canonical),
            "integratedTime": when,
            "logID": log.hex(),
            "logIndex": 0,
        }
        promise = self.log.sign(rfc8785.dumps(facts), SHA256)
        verification = {
            "inclusionProof": {
                "logIndex": 0,
                "rootHash": root.hex(),
                "treeSize": 1,
                "hashes": [],
                "checkpoint": f"{note}\n\u2014 rekor.example {signed}\n",
            },
            "signedEntryTimestamp": b64(promise),
        }
        return {root.hex(): {**facts, "verification": verification}}

    # ---- for the client ----------------------------------------------------------------------

    def write(self, folder: Path, url: str) -> tuple[Path, Path]:
        """The ClientTrustConfig of the instance at ``url``, and an identity token; their files."""
        valid = {"start": START}

        def log(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
            return {
                "baseUrl": url,
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": b64(spki(key)),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": valid,
                },
                "logId": {"keyId": b64(hashlib.sha256(spki(key)).digest())},
            }

        service = {
            "url": url,
            "majorApiVersion": 1,
            "validFor": valid,
            "operator": "tests",
        }
        root = {"rawBytes": b64(self.root.public_bytes(Encoding.DER))}
        config = {
            "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
            "trustedRoot": {
                "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                "tlogs": [log(self.log)],
                "certificateAuthorities": [
                    {
                        "subject": {"organization": "tests", "commonName": "fulcio"},
                        "uri": url,
                        "certChain": {"certificates": [root]},
                        "validFor": valid,
                    }
                ],
                "ctlogs": [log(self.ct)],
                "timestampAuthorities": [],
            },
            "signingConfig": {
                "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
                "caUrls": [service],
                "oidcUrls": [service],
                "rekorTlogUrls": [service],
                "rekorTlogConfig": {"selector": "ANY"},
                "tsaUrls": [],
                "tsaConfig": {"selector": "ANY"},
            },
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "trust.json").write_text(json.dumps(config))
        (folder / "root.json").write_text(json.dumps(config["trustedRoot"]))
        now = int(self.now.timestamp())
        claims = {"iss": ISSUER, "sub": IDENTITY, "aud": "sigstore", "iat": now, "exp": now + 3600}
        (folder / "token").write_text(jwt.encode(claims, "k" * 32, algorithm="HS256"))
        return folder / "trust.json", folder / "token"

    def answer(self, body: bytes, request: BaseHTTPRequestHandler) -> tuple[int, bytes]:
        """Reply of both services to a POST."""
        asked = json.loads(body)
        if request.path == "/api/v1/log/entries":
            said = self.enter(asked)
        else:
            token = request.headers["Authorization"].removeprefix("Bearer ")
            claims = jwt.decode(token, options={"verify_signature": False})
            said = self.certify(asked, claims["sub"])
        return 201, json.dumps(said).encode()
