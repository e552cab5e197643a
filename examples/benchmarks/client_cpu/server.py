"""A server that reads requests and answers them with fixed scores, as cheaply as Python can."""

from __future__ import annotations

import asyncio
import json
import math
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from examples.benchmarks.child import first_line_of

CLASSES = 10
ARRIVED: list[float] = []
"""When each request with inputs came, seconds; ``/times`` answers them and begins anew."""
_LENGTH = re.compile(rb"\ncontent-length: *(\d+)", re.IGNORECASE)
_COUNT = re.compile(rb"/(\d+)/")


def _metadata(shape: list[int]) -> bytes:
    tensor = {"name": "input", "datatype": "FP32", "shape": [-1, *shape]}
    scores = {"name": "scores", "datatype": "FP32", "shape": [-1, CLASSES]}
    found = {"name": "m", "platform": "", "versions": ["1"], "inputs": [tensor]}
    return json.dumps({**found, "outputs": [scores]}).encode()


class _Answering(asyncio.Protocol):
    """One connection; the path holds the number of inputs of a request, ``/64/scores``, or 0 where
    the length of its body tells it.
    """

    def __init__(self, shape: list[int], delay_s: float) -> None:
        self._metadata = _metadata(shape)
        self._delay_s = delay_s
        self._data = bytearray()
        self._made: dict[tuple[bytes, int], bytes] = {}
        self._input_bytes = 4 * math.prod(shape)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._data[:end])
            length = _LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._data) < whole:
                return
            del self._data[:whole]
            path = head.split(b" ", 2)[1]
            if path == b"/times":
                self._transport.write(_told(json.dumps(ARRIVED).encode()))
                ARRIVED.clear()
                continue
            if path.endswith((b"/infer", b"/scores")):
                ARRIVED.append(time.monotonic())
            found = _COUNT.search(path)
            body = whole - end - 4
            count = (int(found[1]) if found else 0) or body // self._input_bytes
            if (path, count) not in self._made:
                self._made[path, count] = self._reply(path, count)
            made = self._made[path, count]
            if self._delay_s and path.endswith((b"/infer", b"/scores")):
                loop = asyncio.get_running_loop()
                loop.call_later(self._delay_s, self._transport.write, made)
            else:
                self._transport.write(made)

    def _reply(self, path: bytes, count: int) -> bytes:
        scores = [[round(0.01 * (k + row % 7), 4) for k in range(CLASSES)] for row in range(count)]
        body = json.dumps({"predictions": scores}).encode()
        if path.endswith(b"/infer"):
            flat = [value for row in scores for value in row]
            output = {"name": "scores", "datatype": "FP32", "shape": [count, CLASSES], "data": flat}
            body = json.dumps({"model_name": "m", "outputs": [output]}).encode()
        elif not path.endswith(b"/scores"):
            body = self._metadata
        return _told(body)


def _told(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


@contextmanager
def served(shape: tuple[int, ...], delay_s: float = 0.0) -> Iterator[str]:
    """The server in a process of its own, at the address given; labels come after ``delay_s``."""
    module = "examples.benchmarks.client_cpu.server"
    with first_line_of(module, [str(delay_s), *map(str, shape)]) as port:
        yield f"http://127.0.0.1:{port}"


async def _serve(shape: list[int], delay_s: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Answering(shape, delay_s), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve([int(side) for side in sys.argv[2:]], float(sys.argv[1])))
