"""Inputs that were asked already, and their labels: a table that stays small for millions."""

from __future__ import annotations

import struct
from collections.abc import Iterable

KEY_BYTES = 16
ASKED = -1
"""Stands for an input that was asked and is not answered yet."""

_FREE = -2
_HALVES = struct.Struct("<QQ").unpack
_FIRST_SLOTS, _MOST_SLOTS_AT_ONCE = 1 << 10, 1 << 22


class KnownAnswers:
    """Labels by input key: open addressing in three flat arrays, 20 bytes a slot.

    A dictionary of 16-byte keys takes about 150 bytes an entry and grows for as long as an
    audit runs; this one has its final size from the start for ``expected`` inputs, and grows only
    for plans of more than millions.
    """

    def __init__(self, expected: int) -> None:
        slots = _FIRST_SLOTS
        while slots < min(expected + expected // 2, _MOST_SLOTS_AT_ONCE):
            slots *= 2
        self._make(slots)

    def get(self, key: bytes) -> int | None:
        """The label of ``key``, :data:`ASKED`, or None if it was never put in."""
        label = self._labels[self._slot(key)]
        return None if label == _FREE else label

    def put(self, key: bytes, label: int) -> None:
        """Let ``key`` have ``label``, which may be :data:`ASKED`."""
        slot = self._slot(key)
        if self._labels[slot] == _FREE:
            self._fill(slot, key, label)
        else:
            self._labels[slot] = label

    def claim(self, key: bytes) -> int | None:
        """:meth:`get`, and :data:`ASKED` from now on if it was never put in: one search."""
        slot = self._slot(key)
        label = self._labels[slot]
        if label != _FREE:
            return label
        self._fill(slot, key, ASKED)
        return None

    def _fill(self, slot: int, key: bytes, label: int) -> None:
        """Put ``key`` into the free ``slot`` that it belongs to."""
        if 3 * self._used > 2 * self._mask:
            self._grow()
            slot = self._slot(key)
        self._used += 1
        self._high[slot], self._low[slot] = _HALVES(key)
        self._labels[slot] = label

    def update(self, pairs: Iterable[tuple[bytes, int]]) -> None:
        """Put in many."""
        for key, label in pairs:
            self.put(key, label)

    def __len__(self) -> int:
        return self._used

    def _make(self, slots: int) -> None:
        self._mask = slots - 1
        self._used = 0
        # Views of plain bytes: indexing them costs a third of indexing a numpy array.
        self._high = memoryview(bytearray(8 * slots)).cast("Q")
        self._low = memoryview(bytearray(8 * slots)).cast("Q")
        self._labels = memoryview(bytearray(_FREE.to_bytes(4, "little", signed=True) * slots)).cast(
            "i"
        )

    def _slot(self, key: bytes) -> int:
        """Slot of ``key``, or the free slot that it would go to."""
        high: int
        low: int
        high, low = _HALVES(key)
        mask, labels = self._mask, self._labels
        slot = low & mask
        while labels[slot] != _FREE and (self._low[slot] != low or self._high[slot] != high):
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        high, low, labels = self._high, self._low, self._labels
        self._make(2 * (self._mask + 1))
        for slot, label in enumerate(labels):
            if label != _FREE:
                key = high[slot].to_bytes(8, "little") + low[slot].to_bytes(8, "little")
                self.put(key, label)
