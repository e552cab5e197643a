"""A server that misbehaves on request, and keeps its own ledger of what it was asked.

``python -m examples.benchmarks.hostile.server FOLDER`` prints one line of JSON with its ports.
``POST /KIND/RUN`` with ``{"inputs": [..]}`` answers like a classifier until its fault begins;
``GET /ledger/RUN`` says what the run asked; ``GET /release/RUN`` ends the wait of the kind
``held``. Every run has its own state, so nothing that a client
does can change another run's ledger or its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import sys
import time
from pathlib import Path

import numpy as np
import trustme
from numpy.typing import NDArray

from examples.benchmarks.hostile.kinds import FAULTS, FROM_THE_START
from examples.benchmarks.hostile.talk import SHAPE, Run, Talk, key_of


class Server:
    """Listens on plain and TLS ports; every run's ledger lives here."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side ends it."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError, RuntimeError):
            while await self._one(reader, writer):
                pass
        with contextlib.suppress(OSError):
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, path, *_ = head.split(" ", 2)
        headers = dict(
            line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line
        )
        kind, _, name = path.strip("/").partition("/")
        run = self.runs.setdefault(name, Run())
        if method == "GET":
            if kind == "release":
                run.gate.set()
            await Talk(run, np.empty((0, *SHAPE), np.float32), writer).send(
                200, json.dumps(run.facts()).encode()
            )
            return True
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        inputs = np.array(json.loads(body)["inputs"], dtype=np.float32).reshape(-1, *SHAPE)
        talk = self._count(run, inputs, headers, writer)
        begun = talk.faulty or kind in FROM_THE_START
        if begun and kind in FAULTS:
            await FAULTS[kind](talk)
        else:
            await talk.answer(
                [f"c{n}" for n in talk.labels] if kind.startswith("label") else talk.labels
            )
        return not writer.is_closing()

    def _count(
        self,
        run: Run,
        inputs: NDArray[np.float32],
        headers: dict[str, str],
        writer: asyncio.StreamWriter,
    ) -> Talk:
        run.requests += 1
        run.first = run.first or time.monotonic()
        run.inputs += len(inputs)
        run.asked.update(key_of(one) for one in inputs)
        key = headers.get("idempotency-key", "")
        run.billed += 0 if key and run.keys[key] else len(inputs)
        run.keys[key] += 1
        if "authorization" not in headers:
            run.secrets.append("no key")
        return Talk(run, inputs, writer)


async def serve(folder: Path) -> None:
    """Listen, print the ports, and serve until killed."""
    server = Server()
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    ports = {}
    listeners = []
    for name, issuer, host in (
        ("plain", None, ""),
        ("tls", authority, "localhost"),
        ("bad-ca", stranger, "localhost"),
        ("wrong-host", authority, "elsewhere.test"),
    ):
        context = None
        if issuer is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            issuer.issue_cert(host).configure_cert(context)
        listener = await asyncio.start_server(
            server.handle, "127.0.0.1", 0, ssl=context, limit=1 << 26, backlog=200
        )
        listeners.append(listener)
        ports[name] = listener.sockets[0].getsockname()[1]

    async def mute(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    listeners.append(await asyncio.start_server(mute, "127.0.0.1", 0))
    ports["tls-drip"] = listeners[-1].sockets[0].getsockname()[1]
    print(json.dumps(ports), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
