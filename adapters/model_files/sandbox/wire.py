"""Messages between the auditor and a model file's process, over two pipes.

    auditor -> child   setup, then one plan (both JSON), then requests: number, slot, rows
    child -> auditor   facts (JSON), then one reply per request: labels, or why there are none

Inputs lie in shared memory; a request only says where. Nothing is pickled. The auditor believes
no length: it states the most it takes before it reads, and a label is a number that it checks.
Standard library only: the child reads its setup before anything else is imported.
"""

from __future__ import annotations

import json
import os
import select
import struct
import time
from typing import Any

REQUEST = struct.Struct("=QII")
"""Number of the request, slot of its inputs, rows in it."""

HEADER = struct.Struct("=QIII")
"""Number of the request (0 before the first), kind, classes, bytes that follow."""

FACTS, LABELS, NAMES, FAILED = 1, 2, 3, 4
"""Kinds of message. LABELS: int32 per row; ``classes`` is how many the model scores, 0 if it
does not tell. NAMES: class names seen for the first time, before the labels that use them."""

MAX_FACTS = 8 * 1024**2
MAX_NAMES = 1024**2
MAX_FAILURE = 64 * 1024


class BrokenOffError(Exception):
    """The other side ended, or said something that is not in the protocol."""


class TooLateError(Exception):
    """Nothing was said in time."""


def send(file: int, data: bytes) -> None:
    """Write all of ``data``. Raises BrokenOffError if the other side no longer reads."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(file, view) :]
    except OSError as error:
        raise BrokenOffError(str(error)) from error


def receive(file: int, size: int, deadline: float | None = None) -> bytes:
    """Read exactly ``size`` bytes, until ``deadline`` on ``time.monotonic()``."""
    parts = bytearray()
    while len(parts) < size:
        if deadline is not None:
            _wait(file, deadline)
        try:
            part = os.read(file, min(size - len(parts), 1024**2))
        except OSError as error:
            raise BrokenOffError(str(error)) from error
        if not part:
            raise BrokenOffError("it ended")
        parts += part
    return bytes(parts)


def _wait(file: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(file, select.POLLIN)
    left = deadline - time.monotonic()
    if left <= 0 or not poll.poll(min(left, 86400.0) * 1000):
        raise TooLateError


def send_json(file: int, value: Any) -> None:
    """Send a JSON value to the child, its length before it."""
    data = json.dumps(value).encode()
    send(file, struct.pack("=I", len(data)) + data)


def receive_json(file: int) -> Any:
    """The JSON value that :func:`send_json` sent; for the child, which trusts the auditor."""
    (size,) = struct.unpack("=I", receive(file, 4))
    return json.loads(receive(file, size))


def send_message(file: int, number: int, kind: int, data: bytes, classes: int = 0) -> None:
    """Send one message of the child."""
    send(file, HEADER.pack(number, kind, classes, len(data)) + data)
