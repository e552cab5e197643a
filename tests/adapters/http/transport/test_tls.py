"""TLS to real servers on loopback, over HTTP and gRPC: each fault in one sentence of its own."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trustme

from adapters.errors import TargetError, Unreachable
from adapters.http import open_oracle
from adapters.target import read_target

grpc = pytest.importorskip("grpc")
pb = pytest.importorskip("tritonclient.grpc.service_pb2")
services = pytest.importorskip("tritonclient.grpc.service_pb2_grpc")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


CASES = {
    "trusted": "",
    "unknown authority": "is not trusted: name the authority that signed it as tls.ca",
    "wrong host": "is for another host name",
    "expired": "has expired",
    "not yet valid": "is not valid yet",
    "wants ours": "certificate of ours",
    "takes ours": "",
    "knows not ours": "certificate of ours",
}


def tls_server(
    case: str, authority: trustme.CA, folder: Path
) -> tuple[trustme.LeafCert, bytes | None, dict[str, str]]:
    """A server's certificate, the authority of its clients' ones, and our ``[tls]`` table."""
    now = dt.datetime.now(dt.UTC)
    days = dt.timedelta(days=1)
    since, until = {
        "expired": (now - 3 * days, now - days),
        "not yet valid": (now + days, now + 3 * days),
    }.get(case, (now - days, now + days))
    name = "other.test" if case == "wrong host" else "localhost"
    leaf = authority.issue_cert(name, not_before=since, not_after=until)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    tls = {} if case == "unknown authority" else {"ca": str(folder / "ca.pem")}
    if "ours" not in case:
        return leaf, None, tls
    theirs = trustme.CA()
    if case != "wants ours":
        ours = (authority if case == "knows not ours" else theirs).issue_cert("us@client.test")
        ours.private_key_and_cert_chain_pem.write_to_path(str(folder / "ours.pem"))
        tls["cert"] = str(folder / "ours.pem")
    return leaf, theirs.cert_pem.bytes(), tls


def _server_context(leaf: trustme.LeafCert, clients: bytes | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=clients.decode())
    return context


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
@pytest.mark.parametrize("case", CASES)
def test_https(
    scripted: Callable[..., Any],
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    case: str,
    transport: str,
) -> None:
    keylog = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(keylog))
    leaf, clients, tls = tls_server(case, authority, tmp_path)
    table = {"preset": "http", "transport": transport, "input": {"shape": [1, 2, 2]}, "tls": tls}

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n[[0,1]]")
        await writer.drain()

    async def run() -> None:
        async with scripted(answer, ssl=_server_context(leaf, clients)) as url:
            # Whether the server's word arrives before its broken connection is a race.
            kind = "never|transient|outage" if "ours" in CASES[case] else "never"
            zeros = np.zeros((1, 1, 2, 2), np.float32)
            await _ask({"url": url, **table}, zeros, CASES[case], [1], kind)

    asyncio.run(run())
    # OpenSSL may open the file; no session key may be in it.
    assert not keylog.exists() or b"SECRET " not in keylog.read_bytes()


class Servicer(services.GRPCInferenceServiceServicer):  # type: ignore[misc, name-defined]  # untyped
    """Answers every picture with the class of the test's model."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.asked = 0

    async def ModelMetadata(self, *_: Any) -> Any:  # noqa: N802 - the protocol names it
        reply = pb.ModelMetadataResponse(name="audit", versions=["1"], platform="onnx")
        reply.inputs.add(name="in", datatype="FP32", shape=[-1, *self.model.shape])
        reply.outputs.add(name="logits", datatype="FP32", shape=[-1, 10])
        return reply

    async def ModelInfer(self, request: Any, _: Any) -> Any:  # noqa: N802 - the protocol names it
        self.asked += 1
        values = np.frombuffer(request.raw_input_contents[0], "<f4")
        scores = self.model.scores(values.reshape(tuple(request.inputs[0].shape)))
        reply = pb.ModelInferResponse(model_name="audit", model_version="1")
        reply.outputs.add(name="logits", datatype="FP32", shape=list(scores.shape))
        reply.raw_output_contents.append(scores.astype("<f4").tobytes())
        return reply


def _credentials(leaf: trustme.LeafCert, clients: bytes | None) -> Any:
    chain = b"".join(part.bytes() for part in leaf.cert_chain_pems)
    return grpc.ssl_server_credentials(
        [(leaf.private_key_pem.bytes(), chain)], clients, require_client_auth=clients is not None
    )


async def _serve(servicer: Servicer, credentials: Any) -> tuple[Any, int]:
    server = grpc.aio.server()
    services.add_GRPCInferenceServiceServicer_to_server(servicer, server)
    port = (
        server.add_insecure_port("127.0.0.1:0")
        if credentials is None
        else server.add_secure_port("127.0.0.1:0", credentials)
    )
    await server.start()
    return server, port


GRPC_CASES = CASES | {
    # gRPC's client is not told why the server hung up.
    "wants ours": "the server hung up at once; .* wants a certificate of ours",
    "knows not ours": "the server hung up at once; .* wants a certificate of ours",
}


@pytest.mark.parametrize("case", GRPC_CASES)
def test_grpcs(
    authority: trustme.CA,
    tmp_path: Path,
    model: Any,
    case: str,
) -> None:
    leaf, clients, tls = tls_server(case, authority, tmp_path)
    servicer, batch = Servicer(model), model.batch(3)

    async def run() -> None:
        server, port = await _serve(servicer, _credentials(leaf, clients))
        table = {"url": f"grpcs://localhost:{port}/audit", "tls": tls, "input": {"range": [0, 1]}}
        try:
            kind = "outage" if "hung up" in GRPC_CASES[case] else "never"
            await _ask(table, batch, GRPC_CASES[case], model.labels(batch).tolist(), kind)
        finally:
            await server.stop(None)

    asyncio.run(run())
    assert servicer.asked == (not GRPC_CASES[case])


def test_the_sentence_stands_alone_on_the_terminal(authority: trustme.CA, model: Any) -> None:
    """gRPC would write lines of its own beside it."""
    samples = resources.files("auditor.workflows.demo") / "assets" / "fashion-mnist-samples.npz"

    async def run() -> tuple[bytes, bytes]:
        credentials = _credentials(authority.issue_cert("localhost"), None)
        server, port = await _serve(Servicer(model), credentials)
        words = ("check", f"grpcs://localhost:{port}/audit", "--samples", str(samples))
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "auditor", *words, stdout=PIPE, stderr=PIPE
        )
        try:
            return await child.communicate()
        finally:
            await server.stop(None)

    out, err = asyncio.run(run())
    assert out == b""
    assert len(err.splitlines()) == 1
    assert b"is not trusted: name the authority" in err


@pytest.mark.parametrize(
    ("scheme", "secure", "words"),
    [("grpcs", False, "no TLS there"), ("grpc", True, "hung up at once; check the scheme")],
)
def test_the_wrong_scheme_for_grpc(
    authority: trustme.CA, model: Any, scheme: str, words: str, *, secure: bool
) -> None:
    leaf = authority.issue_cert("localhost")

    async def run() -> None:
        credentials = _credentials(leaf, None) if secure else None
        server, port = await _serve(Servicer(model), credentials)
        try:
            table = {"url": f"{scheme}://localhost:{port}/audit"}
            await _ask(table, model.batch(1), words, [], "outage" if secure else "never")
        finally:
            await server.stop(None)

    asyncio.run(run())


@pytest.mark.parametrize("scheme", ["https", "grpcs"])
@pytest.mark.parametrize(
    ("tls", "words"),
    [
        ({"ca": "nowhere.pem"}, "tls.ca 'nowhere.pem' is no readable PEM file"),
        ({"ca": "text.pem"}, "tls.ca 'text.pem' is no readable PEM file"),
        ({"cert": "text.pem"}, "tls.cert 'text.pem' and its key are no readable"),
    ],
)
def test_files_that_cannot_be_read_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, tls: dict[str, str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.pem").write_text("no certificate")
    path = "/v2/models/audit" if scheme == "https" else "/audit"
    table = {"url": f"{scheme}://127.0.0.1:9{path}", "tls": tls}
    with pytest.raises(TargetError, match=words):
        asyncio.run(open_oracle(read_target(table)))


async def _ask(
    table: dict[str, Any], batch: Any, words: str, labels: list[int], kind: str = "never"
) -> None:
    """Labels where no words are expected, else the failure that they are the reason of."""

    async def ask() -> Any:
        oracle = await open_oracle(read_target(table))
        try:
            return (await oracle.predict_labels(batch)).tolist()
        finally:
            await oracle.aclose()

    if not words:
        assert await ask() == labels
        return
    with pytest.raises(Unreachable, match=words) as caught:
        await ask()
    assert caught.value.advice.kind in kind.split("|")
    assert "\n" not in str(caught.value)
