"""A time-stamp authority on loopback: ``openssl ts`` behind a small HTTP server."""

from __future__ import annotations

import datetime as dt
import secrets
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = dt.timedelta(days=1)
CONFIG = """
[tsa]
default_tsa = it
[it]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
ess_cert_id_alg = sha256
"""


def make_authority(folder: Path, *, days: tuple[int, int] = (-1, 1)) -> Path:
    """Keys, certificates and settings of an authority, in ``folder``; its CA's certificate.

    ``days``: from when to when its certificate is valid.
    """
    folder.mkdir(parents=True)
    now = dt.datetime.now(dt.UTC)
    root, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    whose = secrets.token_hex(8)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, whose)])
    authority = [(x509.BasicConstraints(ca=True, path_length=None), True)]

    def certificate(subject: str, key: Any, since: int, until: int, extensions: list[Any]) -> Any:
        who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
        builder = x509.CertificateBuilder().subject_name(who).issuer_name(name)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now + since * DAY).not_valid_after(now + until * DAY)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(root, hashes.SHA256())

    use = {field: False for field in x509.KeyUsage.__init__.__annotations__ if field != "return"}
    sign = x509.KeyUsage(**{**use, "digital_signature": True})
    certify = x509.KeyUsage(**{**use, "key_cert_sign": True})
    purpose = ExtendedKeyUsageOID.TIME_STAMPING
    ca = certificate(whose, root, -9, 9, [*authority, (certify, True)])
    leaf = certificate(
        "authority", own, *days, [(sign, True), (x509.ExtendedKeyUsage([purpose]), True)]
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "tsa.pem").write_bytes(leaf.public_bytes(pem))
    held = own.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    (folder / "tsa.key").write_bytes(held)
    (folder / "serial").write_text("01")
    (folder / "tsa.cnf").write_text(CONFIG.format(folder=folder))
    return folder / "ca.pem"


def stamp(folder: Path, query: bytes) -> bytes:
    """Reply of the authority in ``folder`` to ``query``."""
    (folder / "query").write_bytes(query)
    words = ("-config", folder / "tsa.cnf", "-queryfile", folder / "query")
    made = ("openssl", "ts", "-reply", *map(str, words), "-out", str(folder / "reply"))
    subprocess.run(made, check=True, capture_output=True, timeout=20)
    return (folder / "reply").read_bytes()


@contextmanager
def serving(
    answer: Callable[[bytes, BaseHTTPRequestHandler], tuple[int, bytes]],
) -> Iterator[str]:
    """Serves ``answer(body, request)``, status and body, to every POST; gives the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, body = answer(self.rfile.read(int(self.headers["Content-Length"])), self)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Silent."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
