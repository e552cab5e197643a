"""Servers on loopback that are busy, down or not ready for a moment, over both transports: every
label is that of a quiet server, and nothing is answered twice.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from adapters.http import open_oracle
from adapters.target import read_target
from auditor.engine.contract import EngineLimits, EngineResult
from auditor.engine.engine import QueryEngine
from auditor.engine.patience import ComeBackError, OutageError
from auditor.engine.store import LabelStore

CLASSES = 31
PLAN = tuple(float(i) for i in range(40))
Reply = tuple[int, Any] | tuple[int, Any, dict[str, str]]
Manner = Callable[["Server"], Reply | None]
"""What the server says instead of an answer, None for an answer; an int status 0 hangs up."""


class Server:
    """One endpoint with one bad manner.

    Attributes:
        manner: what it says instead of answers.
        seen: requests so far.
        inputs: those of the newest one.
        answered: how often each input was answered.
        began: time of the first request.
        settled: that of the first one after three answers.
        keeps_alive: False to close every connection after its reply.
    """

    def __init__(self, manner: Manner) -> None:
        self.manner = manner
        self.seen = self.inputs = 0
        self.answered: Counter[float] = Counter()
        self.began = self.settled = 0.0
        self.taken_at = float("-inf")
        self.keeps_alive, self.was_away = True, False
        self.lock = threading.Lock()
        self._listen(0)

    def _listen(self, port: int) -> None:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_POST(self) -> None:
                server.handle(self)

        self._http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        self.port = self._http.server_port

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def away_for(self, seconds: float) -> None:
        """Refuse connections for a while."""

        def restart() -> None:
            self.close()
            time.sleep(seconds)
            self._listen(self.port)

        threading.Thread(target=restart, daemon=True).start()

    @property
    def age(self) -> float:
        return time.monotonic() - self.began

    @property
    def since(self) -> float:
        """Seconds since it began to behave badly in mid-run; negative before."""
        return time.monotonic() - self.settled if self.settled else -1.0

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        raw = handler.rfile.read(int(handler.headers["content-length"]))
        with self.lock:
            self.seen += 1
            now = time.monotonic()
            self.began = self.began or now
            if self.answered.total() >= 12 and not self.settled:
                self.settled = now
            values = [one[0][0][0] for one in json.loads(raw)["inputs"]]
            self.inputs = len(values)
            said = self.manner(self)
            if said is None:
                self.answered.update(values)
                said = (200, [int(value) * 7 % CLASSES for value in values])
        self._say(handler, *said)

    def _say(
        self, handler: Any, status: int, body: Any, headers: dict[str, str] | None = None
    ) -> None:
        if not status:
            linger = b"\1\0\0\0\0\0\0\0"
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            handler.close_connection = True
            return
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        handler.send_response(status)
        if not self.keeps_alive:
            handler.send_header("connection", "close")
        for name, value in {**(headers or {}), "content-length": str(len(data))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)


@pytest.fixture
def served() -> Iterator[Callable[[Manner], Server]]:
    open_now: list[Server] = []

    def serve(manner: Manner) -> Server:
        open_now.append(Server(manner))
        return open_now[-1]

    yield serve
    for server in open_now:
        server.close()


def run(lab: Any, server: Server, transport: str, **limits: Any) -> EngineResult:
    """Ask the plan of ``server``."""
    retry = limits.pop("retry", {})
    table = {
        "retry": retry,
        "url": f"http://127.0.0.1:{server.port}/predict",
        "transport": transport,
        "input": {"shape": [1, 2, 2], "range": [0.0, 255.0]},
        "batch": {"max": 4},
        "response": {"kind": "index"},
        "limits": {"timeout": limits.pop("timeout", 5.0)},
    }
    allowed = EngineLimits(**{"backoff_s": 0.05, "concurrency": 3, "patience_s": 20.0, **limits})

    async def ask() -> EngineResult:
        store = LabelStore(lab.path)
        oracle = await open_oracle(read_target(table))
        try:
            return await QueryEngine(oracle, store, allowed).run([lab.Probe(PLAN)], "audit")
        finally:
            await oracle.aclose()
            store.close()

    return asyncio.run(ask())


def at_first(seconds: float, *reply: Any) -> Manner:
    return lambda server: reply if server.age < seconds else None


def in_mid_run(seconds: float, *reply: Any) -> Manner:
    return lambda server: reply if 0.0 <= server.since < seconds else None


def spaced(seconds: float, *reply: Any) -> Manner:
    """One answer every ``seconds``."""

    def manner(server: Server) -> Any:
        now = time.monotonic()
        if now < server.taken_at + seconds:
            return reply
        server.taken_at = now
        return None

    return manner


def slow_start(server: Server) -> None:
    time.sleep(max(0.0, 0.6 - server.age))


def restarts(server: Server) -> None:
    server.keeps_alive = False
    if server.settled and not server.was_away:
        server.was_away = True
        server.away_for(0.5)


LOADING = {"error": "Model acme/shop is currently loading", "estimated_time": 0.4}
HTML = b"<html><body>502 Bad Gateway</body></html>"
MANNERS: dict[str, Manner] = {
    "a model that loads": at_first(0.4, 503, LOADING),
    "scale from zero, HTML": at_first(0.5, 503, b"<html>Service Temporarily Unavailable</html>"),
    "scale from zero, no headers": slow_start,
    "a gateway's 502": in_mid_run(0.5, 502, HTML),
    "a gateway's 504": in_mid_run(0.5, 504, HTML),
    "a plain 503": in_mid_run(0.5, 503, b""),
    "a 529": in_mid_run(0.3, 529, {"error": "overloaded, try again in 0.2 seconds"}),
    "connections refused": restarts,
    "connections reset": in_mid_run(0.5, 0, b""),
    "Triton reloads": in_mid_run(
        0.5, 400, {"error": "Request for unknown model: 'm' has no available versions"}
    ),
    "TensorFlow Serving reloads": in_mid_run(
        0.5, 404, {"error": "Servable not found for request: Latest(m)"}
    ),
    "a route that is away": in_mid_run(0.5, 404, HTML),
    "Retry-After in ms": spaced(0.03, 429, b"", {"Retry-After": "30ms"}),
    "Retry-After alone": spaced(0.05, 429, b"", {"Retry-After": "0.05"}),
    "a wait in the body": spaced(0.05, 429, {"error": {"message": "Please try again in 50 ms."}}),
    "a 403 with a wait": spaced(0.05, 403, {"message": "secondary limit"}, {"Retry-After": "0.05"}),
    "a quota in headers": spaced(
        0.05, 429, b"", {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "0.05"}
    ),
    "a refusal without a word": spaced(0.05, 429, b""),
}
both = pytest.mark.parametrize("transport", ["httpx", "aiohttp"])


@both
@pytest.mark.parametrize("manner", MANNERS)
def test_a_busy_server_ends_with_the_labels_of_a_quiet_one(
    lab: Any, served: Callable[[Manner], Server], manner: str, transport: str
) -> None:
    server = served(MANNERS[manner])
    result = run(lab, server, transport)
    assert result.labels[0].tolist() == lab.truth(PLAN)
    assert set(server.answered.values()) == {1}
    assert server.seen <= 10 + 15


@both
def test_a_server_that_stays_down_ends_the_run_after_the_patience_and_the_same_run_goes_on(
    lab: Any, served: Callable[[Manner], Server], transport: str
) -> None:
    server = served(in_mid_run(1e9, 502, HTML))
    began = time.monotonic()
    with pytest.raises(OutageError, match=r"the same command goes on where it stopped.*HTTP 502"):
        run(lab, server, transport, patience_s=0.6)
    assert 0.5 < time.monotonic() - began < 5.0
    answered = server.answered.total()
    assert answered >= 12
    server.manner = lambda _: None
    result = run(lab, server, transport)
    assert result.labels[0].tolist() == lab.truth(PLAN)
    assert result.ledger.cached == answered
    assert set(server.answered.values()) == {1}


@both
def test_a_days_quota_ends_the_run_with_its_time_and_the_same_run_goes_on_after_the_refill(
    lab: Any, served: Callable[[Manner], Server], transport: str
) -> None:
    spent = (429, {"error": "daily quota"}, {"Retry-After": "2"})
    refill = [float("inf")]

    def quota(server: Server) -> Reply | None:
        if server.answered.total() >= 20 and time.monotonic() < refill[0]:
            return spent
        return None

    server = served(quota)
    with pytest.raises(
        ComeBackError, match=r"daily quota; its quota comes back at .* UTC \(in 2 s"
    ):
        run(lab, server, transport, patience_s=1.0)
    assert server.answered.total() == 20
    refill[0] = time.monotonic() + 0.2
    time.sleep(0.2)  # the quota's own time, not luck
    result = run(lab, server, transport, patience_s=1.0)
    assert result.labels[0].tolist() == lab.truth(PLAN)
    assert set(server.answered.values()) == {1}


@both
@pytest.mark.parametrize("status", [0, 400, 500, 502, 503, 504])
def test_a_server_that_fails_for_large_requests_alone_gets_smaller_ones(
    lab: Any, served: Callable[[Manner], Server], transport: str, status: int
) -> None:
    server = served(lambda server: (status, HTML) if server.inputs > 2 else None)
    result = run(lab, server, transport)
    assert result.labels[0].tolist() == lab.truth(PLAN)
    assert set(server.answered.values()) == {1}
    assert server.seen <= len(PLAN) / 2 + 12


@both
@pytest.mark.parametrize("retry", [{}, {"statuses": [204]}, {"throttle": [204]}])
def test_a_204_now_and_then_is_asked_again_as_the_description_says(
    lab: Any, served: Callable[[Manner], Server], transport: str, retry: dict[str, Any]
) -> None:
    server = served(lambda server: (204, b"") if server.seen in {3, 4} else None)
    result = run(lab, server, transport, retry=retry, concurrency=1)
    assert result.labels[0].tolist() == lab.truth(PLAN)
    assert set(server.answered.values()) == {1}
    assert server.seen == 12
    assert result.ledger.retried == 8


@both
@pytest.mark.parametrize("refusal", [(413, b""), (400, b'{"error": "batch size must be <= 2"}')])
def test_inputs_refused_for_their_size_are_not_counted(
    lab: Any,
    served: Callable[[Manner], Server],
    transport: str,
    refusal: tuple[int, bytes],
) -> None:
    server = served(lambda server: refusal if server.seen == 1 else None)
    result = run(lab, server, transport, max_queries=len(PLAN), concurrency=1)
    assert result.labels[0].tolist() == lab.truth(PLAN)
    assert result.ledger.sent == len(PLAN)
    assert result.ledger.requests == server.seen - 1
