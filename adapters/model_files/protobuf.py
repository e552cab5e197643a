"""Reads the wire format of Protocol Buffers without a schema, and without trusting a length."""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types; 3 and 4 (groups) are long deprecated and refused."""

_MAX_NUMBER = (1 << 29) - 1
_MAX_VARINT = 10


class NotProtobufError(ValueError):
    """The bytes are no message, or a larger one than is read; ``cut_short`` if they end within a
    part.
    """

    def __init__(self, message: str, *, cut_short: bool = False) -> None:
        super().__init__(message)
        self.cut_short = cut_short


class Budget:
    """Fields that may be read in all: a message of two-byte fields would take for ever."""

    def __init__(self, fields: int) -> None:
        self._left = fields

    def spend(self) -> None:
        """Count one field. Raises NotProtobufError if there were too many."""
        self._left -= 1
        if self._left < 0:
            raise NotProtobufError("it has too many parts")


def fields(message: memoryview, budget: Budget) -> Iterator[tuple[int, int, int | memoryview]]:
    """Yield ``(number, wire type, value)`` of each field; a value is a number or a view."""
    position, end = 0, len(message)
    while position < end:
        budget.spend()
        tag, position = _varint(message, position)
        number, wire = tag >> 3, tag & 7
        if not 1 <= number <= _MAX_NUMBER:
            raise NotProtobufError(f"a field has number {number}")
        value: int | memoryview
        if wire == VARINT:
            value, position = _varint(message, position)
        elif wire == BYTES:
            size, position = _varint(message, position)
            if size > end - position:
                raise NotProtobufError("a part is longer than the whole", cut_short=True)
            value = message[position : position + size]
            position += size
        elif wire in {FIXED32, FIXED64}:
            size = 4 if wire == FIXED32 else 8
            if size > end - position:
                raise NotProtobufError("it ends within a number", cut_short=True)
            value = int.from_bytes(message[position : position + size], "little")
            position += size
        else:
            raise NotProtobufError(f"a field has wire type {wire}")
        yield number, wire, value


def varints(packed: memoryview, budget: Budget) -> list[int]:
    """The numbers of a packed field. Raises NotProtobufError if it ends within one, or the budget
    is spent.
    """
    found, position = [], 0
    while position < len(packed):
        budget.spend()
        value, position = _varint(packed, position)
        found.append(value)
    return found


def signed(value: int) -> int:
    """``value`` read as an int64."""
    return value - (1 << 64) if value >= 1 << 63 else value


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for place in range(_MAX_VARINT):
        if position >= len(message):
            raise NotProtobufError("it ends within a number", cut_short=True)
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value & ((1 << 64) - 1), position
    raise NotProtobufError("a number is longer than 64 bits")
