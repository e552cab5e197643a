"""The hostile server's view of one request: the honest answer, the run's ledger, ways to reply."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import socket
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHAPE, CLASSES = (1, 6, 6), 10
FAULT_FROM = 4
"""Number of the request from which a fault shows: something was answered before."""
BOMB = 1 << 30


def prototypes(seed: int) -> NDArray[np.float64]:
    """``(classes, c, h, w)`` of the classifier with this seed; 1 is the model under audit."""
    return np.random.default_rng(seed).random((CLASSES, *SHAPE))


def classify(inputs: NDArray[np.float32], seed: int = 1) -> list[int]:
    """Labels of the nearest prototype."""
    flat = prototypes(seed).reshape(CLASSES, -1)
    points = inputs.reshape(len(inputs), -1).astype(np.float64)
    labels: list[int] = ((flat**2).sum(axis=1) - 2.0 * points @ flat.T).argmin(axis=1).tolist()
    return labels


def key_of(one: NDArray[np.float32]) -> str:
    """The ledger's name of one input."""
    return hashlib.sha256(np.ascontiguousarray(one, dtype="<f4").tobytes()).hexdigest()[:24]


@dataclass
class Run:
    """One client's run: its ledger, and how far its fault is."""

    requests: int = 0
    inputs: int = 0
    answered: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)
    billed: int = 0
    secrets: list[str] = field(default_factory=list)
    first: float = 0.0
    last: float = 0.0
    memory: list[int] = field(default_factory=list)
    tokens: float = 5.0
    filled: float = 0.0
    held: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    rng: random.Random = field(default_factory=lambda: random.Random(7))

    def facts(self) -> dict[str, Any]:
        """The ledger, as ``GET /ledger/RUN`` gives it."""
        return {
            "requests": self.requests,
            "inputs": self.inputs,
            "answered": self.answered,
            "billed": self.billed,
            "asked": dict(self.asked),
            "secrets": self.secrets,
            "held": self.held,
            "seconds": self.last - self.first,
        }


class Talk:
    """One request under way: what was asked, and how to answer it."""

    def __init__(self, run: Run, inputs: NDArray[np.float32], writer: asyncio.StreamWriter) -> None:
        self.run, self.inputs, self.writer = run, inputs, writer
        self.number = run.requests

    @property
    def faulty(self) -> bool:
        """True from the request on that shows the fault."""
        return self.number >= FAULT_FROM

    @property
    def labels(self) -> list[int]:
        """The labels of the honest model."""
        return classify(self.inputs)

    async def answer(self, labels: list[Any]) -> None:
        """Send ``labels`` as a good reply."""
        self.run.answered += len(self.inputs)
        self.run.last = time.monotonic()
        await self.send(200, json.dumps({"labels": labels}).encode())

    async def send(self, status: int, body: bytes, **headers: str) -> None:
        """Send one whole reply."""
        lines = [f"HTTP/1.1 {status} x", f"content-length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.raw(("\r\n".join(lines) + "\r\n\r\n").encode() + body)

    async def raw(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """End the connection with RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.writer.transport.abort()

    async def forever(self, piece: bytes, pause: float = 0.0) -> None:
        """Send ``piece`` again and again, until the other side has enough."""
        for _ in range(BOMB // max(1, len(piece))):
            await self.raw(piece)
            if pause:
                await asyncio.sleep(pause)
