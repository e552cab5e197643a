"""Inputs that were taken before: a table that stays small for millions."""

from __future__ import annotations

import struct
from collections.abc import Callable

KEY_BYTES = 16
LEAST_TAG_BITS = 8
"""Of a key, so many bits at least stand in its slot: one comparison in 256 looks further."""

_WORDS = struct.Struct("<QQ").unpack
_FEWEST_SLOTS = 1 << 10


class TakenInputs:
    """Places of inputs by their keys: open addressing in one flat array, five slots for every
    four of at most ``count`` places, each of 4 bytes (8 for more than 16 million places).

    A dictionary of keys takes some 150 bytes an entry. A slot here holds the place of an input and
    a few bits of its key; the rest of the key is compared by making it again: hardly ever in vain.
    """

    def __init__(self, count: int) -> None:
        self._place_bits = count.bit_length()
        wide = self._place_bits + LEAST_TAG_BITS > 32
        self._tag_bits = (64 if wide else 32) - self._place_bits
        self._slots = max(_FEWEST_SLOTS, count + count // 4)
        # A view of plain bytes: indexing it costs a third of indexing a numpy array.
        self._table = memoryview(bytearray((8 if wide else 4) * self._slots)).cast(
            "Q" if wide else "I"
        )

    def take(self, key: bytes, place: int, key_of: Callable[[int], bytes]) -> int | None:
        """Let ``place``, below ``count``, have ``key``, of :data:`KEY_BYTES` random bytes; if
        another place has it already, that place, and nothing changes. ``key_of`` makes the key of
        a place again; it is no attribute, so that the table is freed with its last owner.
        """
        low, high = _WORDS(key)
        table, bits, slots = self._table, self._place_bits, self._slots
        tag, slot = high >> (64 - self._tag_bits), low % slots
        while held := table[slot]:
            if held >> bits == tag:
                found: int = (held & ((1 << bits) - 1)) - 1
                if key_of(found) == key:
                    return found
            slot = slot + 1 if slot + 1 < slots else 0
        table[slot] = tag << bits | place + 1
        return None
