"""The command line against endpoints that fail in every way, on loopback."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest

from auditor.errors import ExitCode

pytestmark = pytest.mark.usefixtures("hurried")
KEY = "k3y-that-nobody-may-see-0123456789"
SMALL = ("--planes", "2", "--canaries", "4", "--quiet")
SHAPE = (1, 6, 6)
WEIGHTS = np.random.default_rng(4).normal(size=(36, 4))


class Ran(Protocol):
    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str: ...


RunCommand = Callable[..., Ran]
Reply = tuple[int, bytes]


def honest(inputs: list[float], n: int) -> dict[str, Any]:
    scores = (np.array(inputs).reshape(n, 36) - 0.5) @ WEIGHTS
    return {"shape": [n, 4], "datatype": "FP32", "data": scores.ravel().tolist()}


@dataclass
class Model:
    """One server: its answers, and the requests it got.

    Attributes:
        output: the output tensor for ``(data, n)``.
        refuse: answer everything with this.
        refuse_queries: answer every inference request with this.
        shape: input shape in the metadata.
        key: demand this key.
        metadata_requests, queries: what was asked.
    """

    output: Callable[[list[float], int], dict[str, Any]] = honest
    refuse: Reply | None = None
    refuse_queries: Reply | None = None
    shape: tuple[int, ...] = SHAPE
    key: str = ""
    outputs: list[dict[str, Any]] = field(
        default_factory=lambda: [{"name": "scores", "datatype": "FP32", "shape": [-1, 4]}]
    )
    metadata_requests: int = 0
    queries: int = 0

    def get(self, path: str) -> Reply:
        self.metadata_requests += 1
        if not path.startswith("/v2/models/m"):
            return 200, b'{"name": "fake", "version": "1", "extensions": []}'
        metadata = {
            "name": "m",
            "versions": ["1"],
            "platform": "test",
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, *self.shape]}],
            "outputs": self.outputs,
        }
        return 200, json.dumps(metadata).encode()

    def post(self, body: bytes) -> Reply:
        tensor = json.loads(body)["inputs"][0]
        n = tensor["shape"][0]
        self.queries += n
        if self.refuse_queries is not None:
            return self.refuse_queries
        output = {"name": "scores", **self.output(np.ravel(tensor["data"]).tolist(), n)}
        return 200, json.dumps({"model_name": "m", "outputs": [output]}).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    model: Model

    def do_GET(self) -> None:
        self._answer(lambda: self.model.get(self.path))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(lambda: self.model.post(body))

    def _answer(self, reply: Callable[[], Reply]) -> None:
        wrong_key = (
            self.model.key and self.headers.get("Authorization") != f"Bearer {self.model.key}"
        )
        refusal = f"no entry with {self.headers.get('Authorization')}".encode()
        status, content = (401, refusal) if wrong_key else self.model.refuse or reply()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Silent."""


@pytest.fixture
def serve() -> Iterator[Callable[[Model], str]]:
    """Serves a model; gives its V2 URL."""
    servers: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(model: Model) -> str:
        handler = type("Handler", (_Handler,), {"model": model})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}/v2/models/m"

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Random pictures with the labels that the clean model gives them."""
    x = np.random.default_rng(3).integers(0, 256, (40, 6, 6), dtype=np.uint8)
    y = ((x.reshape(40, 36) / 255.0 - 0.5) @ WEIGHTS).argmax(axis=1)
    np.savez(tmp_path / "samples.npz", x=x[:30], y=y[:30])
    return tmp_path / "samples.npz"


@pytest.fixture
def ask(command: RunCommand, samples: Path) -> Callable[..., Ran]:
    """Runs a small audit of a URL."""

    def run(url: str, *words: str) -> Ran:
        return command("--endpoint", url, "--samples", samples, *SMALL, *words)

    return run


def test_an_audit_over_http(
    ask: Callable[..., Ran], serve: Callable[[Model], str], tmp_path: Path
) -> None:
    model = Model()
    ran = ask(serve(model), "--json")
    assert (ran.code, ran.err) == (ExitCode.INCONCLUSIVE, "")
    report = json.loads(ran.out)
    assert report["samples"]["accuracy"] == 1.0
    assert report["queries"]["sent"] == model.queries == report["queries"]["planned"]
    assert report["queries"]["bytes_sent"] > 0
    assert report["queries"]["by_status"] == {"200": report["queries"]["requests"]}
    log = (tmp_path / "xray-audit-report" / "log.jsonl").read_text()
    assert '"c":200,' in log
    assert '"addresses":["127.0.0.1"]' in log
    assert (tmp_path / "xray-audit-report" / "report.html").is_file()


def test_plan_sends_no_query(
    command: RunCommand, samples: Path, serve: Callable[[Model], str]
) -> None:
    model = Model()
    ran = command("plan", "--endpoint", serve(model), "--samples", samples, "--json")
    assert (ran.code, model.queries) == (0, 0)
    assert model.metadata_requests > 0
    assert json.loads(ran.out)["expected"]["bytes_sent"] > 200_000


def test_check_counts_what_it_sends(
    command: RunCommand, samples: Path, serve: Callable[[Model], str]
) -> None:
    model = Model()
    ran = command("check", "--endpoint", serve(model), "--samples", samples, "--json")
    found = json.loads(ran.out)
    assert (ran.code, found["problems"]) == (0, [])
    # One more than the model saw: the input that went out as a raw tensor, which it does not read.
    assert found["queries"] == model.queries + 1 < 100


def test_a_server_that_is_not_there(ask: Callable[..., Ran]) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    ran = ask(f"http://127.0.0.1:{port}/v2/models/m")
    assert ran.code == ExitCode.FAILED
    assert f"127.0.0.1:{port}" in ran.sentence


def test_a_host_that_is_not_there(ask: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    ran = ask("http://nohost.invalid/v2/models/m")
    assert ran.code == ExitCode.FAILED
    assert "nohost.invalid" in ran.sentence


def test_tls_with_a_server_that_speaks_none(
    ask: Callable[..., Ran], serve: Callable[[Model], str]
) -> None:
    ran = ask(serve(Model()).replace("http://", "https://"))
    assert ran.code == ExitCode.FAILED
    assert "tls" in ran.sentence.lower() or "ssl" in ran.sentence.lower()


@pytest.mark.parametrize("status", [401, 403, 404, 400, 302])
@pytest.mark.parametrize("when", ["refuse", "refuse_queries"])
def test_a_refusal(
    ask: Callable[..., Ran], serve: Callable[[Model], str], status: int, when: str
) -> None:
    model = Model(**{when: (status, b'{"error": "because \\u001b[31m of\\nthis"}')})  # type: ignore[arg-type]  # either field
    ran = ask(serve(model))
    assert ran.code == ExitCode.FAILED
    assert str(status) in ran.sentence
    assert "\x1b" not in ran.err
    if when == "refuse_queries":
        assert model.queries <= 64  # one request of each worker at most, never a retry


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "http:// or https://"),
        ("http://127.0.0.1:99999/v2/models/m", "ports go from 1 to 65535"),
        ("ftp://127.0.0.1/x", "http:// or https://"),
        ("http://user:secret@127.0.0.1/v2/models/m", "user name or password"),
    ],
)
def test_an_endpoint_that_is_no_url(ask: Callable[..., Ran], url: str, words: str) -> None:
    ran = ask(url)
    assert ran.code == ExitCode.USAGE
    assert words in ran.sentence
    assert "user:secret" not in ran.err


def test_a_model_of_another_shape(ask: Callable[..., Ran], serve: Callable[[Model], str]) -> None:
    model = Model(shape=(3, 32, 32))
    ran = ask(serve(model))
    assert (ran.code, model.queries) == (ExitCode.USAGE, 0)
    assert "--resize 32x32" in ran.sentence


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (lambda _, n: {"shape": [n, 4], "datatype": "FP32"}, ""),
        (lambda _, n: {"shape": [n, 4], "datatype": "FP32", "data": []}, ""),
        (lambda _, n: {"shape": [n - 1, 4], "datatype": "FP32", "data": [0.5] * 4 * (n - 1)}, ""),
        (lambda _, n: {"shape": [n + 1, 4], "datatype": "FP32", "data": [0.5] * 4 * (n + 1)}, ""),
        (lambda _, n: {"shape": [n, 4], "datatype": "FP32", "data": ["NaN"] * 4 * n}, ""),
        (lambda _, n: {"shape": [n, 4], "datatype": "FP32", "data": [float("nan")] * 4 * n}, ""),
        (lambda _, n: {"shape": [n, 1], "datatype": "FP32", "data": [0.5] * n}, "single class"),
        (lambda _, n: {"shape": [n], "datatype": "INT64", "data": [7] * n}, "label 7"),
        (lambda _, n: {"shape": [n], "datatype": "INT64", "data": [-1] * n}, "label -1"),
    ],
    ids=["none", "empty", "fewer", "more", "text", "nan", "one class", "beyond", "negative"],
)
def test_a_reply_without_one_usable_label_per_input(
    ask: Callable[..., Ran],
    serve: Callable[[Model], str],
    tmp_path: Path,
    output: Callable[[list[float], int], dict[str, Any]],
    words: str,
) -> None:
    (tmp_path / "classes.txt").write_text("a\nb\nc\nd\n")
    ran = ask(serve(Model(output=output, outputs=[])), "--classes", "classes.txt")
    assert ran.code == ExitCode.FAILED
    assert words in ran.sentence


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"{}", b'{"outputs": []}', b"\xff"])
@pytest.mark.parametrize("when", ["refuse", "refuse_queries"])
def test_a_reply_that_is_none(
    ask: Callable[..., Ran], serve: Callable[[Model], str], content: bytes, when: str
) -> None:
    ran = ask(serve(Model(**{when: (200, content)})))  # type: ignore[arg-type]  # either field
    assert ran.code in {ExitCode.FAILED, ExitCode.USAGE}
    assert ran.sentence


def everything_written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_the_key_reaches_the_server_and_nothing_else(
    ask: Callable[..., Ran],
    serve: Callable[[Model], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XRAY_AUDIT_API_KEY", KEY)
    model = Model(key=KEY)
    ran = ask(serve(model), "--json")
    assert (ran.code, ran.err) == (ExitCode.INCONCLUSIVE, "")
    assert model.queries > 0
    assert KEY not in ran.out
    assert KEY.encode() not in everything_written(tmp_path)


def test_a_key_the_server_repeats_is_not_shown(
    ask: Callable[..., Ran],
    serve: Callable[[Model], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XRAY_AUDIT_API_KEY", KEY)
    monkeypatch.setenv("XRAY_AUDIT_DEBUG", "1")
    ran = ask(serve(Model(key="another")))
    assert ran.code == ExitCode.FAILED
    assert "401" in ran.err
    assert KEY not in ran.err + ran.out
    assert KEY.encode() not in everything_written(tmp_path)
