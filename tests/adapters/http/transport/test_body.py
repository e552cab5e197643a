"""Large bodies arrive whole, from the pieces that they lie in."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter

import pytest

from adapters.http.transport.addresses import AddressGuard
from adapters.http.transport.body import CHUNK_BYTES, Body, Pieces, chunks
from adapters.http.transport.transports import open_transport

HEAD, TENSOR = b'{"inputs": []}', bytes(range(256)) * (1 << 13)


def test_pieces_are_one_body() -> None:
    async def sent() -> list[bytes]:
        return [bytes(chunk) async for chunk in chunks(Pieces(HEAD, memoryview(TENSOR)))]

    arrived = asyncio.run(sent())
    assert b"".join(arrived) == HEAD + TENSOR == bytes(Pieces(HEAD, TENSOR))
    assert len(Pieces(HEAD, TENSOR)) == len(HEAD) + len(TENSOR)
    assert max(map(len, arrived)) <= CHUNK_BYTES


@pytest.mark.parametrize("body", [Pieces(HEAD, memoryview(TENSOR)), TENSOR, Pieces(HEAD), b""])
@pytest.mark.parametrize("name", ["aiohttp", "httpx"])
def test_a_body_arrives_whole_and_with_its_length(name: str, body: Body) -> None:
    arrived: list[tuple[bytes, bytes]] = []

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        arrived.append((head, await reader.readexactly(len(body))))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    async def run() -> bytes:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)
        port = server.sockets[0].getsockname()[1]
        guard = AddressGuard("127.0.0.1", private=True)
        transport = open_transport("aiohttp" if name == "aiohttp" else "httpx", 5, None, guard)
        try:
            url = f"http://127.0.0.1:{port}/infer"
            return (await transport.exchange("POST", url, {}, body, 100)).body
        finally:
            await transport.aclose()
            server.close()

    assert asyncio.run(run()) == b"ok"
    [(head, data)] = arrived
    assert data == bytes(body)
    assert f"content-length: {len(body)}\r\n".encode() in head
    assert b"transfer-encoding" not in head
