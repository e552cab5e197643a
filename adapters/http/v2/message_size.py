"""Size of a protobuf message once it is read, told from its bytes: protobuf's own reading has no
bound, and 16 MiB of empty parts would become gigabytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adapters.errors import BadReply
from adapters.http.v2.output import TEXT_RATIO
from adapters.strict_json import MAX_MEMORY

MOST_VALUES = 1 << 20
"""Parts of a reply that Python makes objects of; the numbers of a raw tensor are none."""
_MESSAGE, _TEXT, _NUMBER = 1000, 64, 40
"""Bytes of memory that each of these leads to, about and rather too many."""
_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5
"""Wire types; the others are groups, which no message of today holds."""
_WIDTHS = {1: 8, 6: 8, 16: 8, 2: 4, 7: 4, 15: 4}
"""Bytes of a packed number by field type; the others are varints."""
_TEXTS = {9, 12}
"""Field types of texts and bytes."""
_RAW = "raw_output_contents"


def check_size(descriptor: Any, body: bytes) -> None:
    """Raise BadReply unless ``body`` is a message of ``descriptor`` in its outline, and takes a
    bearable amount of memory once it is read.
    """
    try:
        _Outline(body).message(_fields(descriptor), 0, len(body))
    except IndexError:
        raise _not_of_the_protocol() from None


def _not_of_the_protocol() -> BadReply:
    return BadReply("the reply is no message of the V2 protocol")


_Field = tuple[Any, bool, dict[int, Any] | None]
"""Descriptor of a field, True if it is repeated, and the fields of its message if it is one."""


def _fields(descriptor: Any) -> dict[int, _Field]:
    """The fields of a message by their numbers. V2 has no message that holds itself."""
    return {
        field.number: (
            field,
            # Newer versions of protobuf warn of the one word, older ones lack the other.
            field.is_repeated if hasattr(field, "is_repeated") else field.label == 3,
            None if field.message_type is None else _fields(field.message_type),
        )
        for field in descriptor.fields
    }


class _Outline:
    """A walk over the parts of ``body`` that ends as soon as they are too many."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._values = self._memory = 0

    def message(self, fields: dict[int, _Field], at: int, end: int) -> None:
        """Walk over the message from ``at`` to ``end``. Raises IndexError beyond the body."""
        while at < end:
            tag, at = self._varint(at)
            known, wire = fields.get(tag >> 3), tag & 7
            if wire == _LENGTH:
                size, at = self._varint(at)
                if size > end - at:
                    raise _not_of_the_protocol()
                self._part(known, at, size)
                at += size
                continue
            self._spend(1 if known and known[1] else 0, _NUMBER)
            if wire == _VARINT:
                _, at = self._varint(at)
            elif wire in {_EIGHT, _FOUR}:
                at += 8 if wire == _EIGHT else 4
            else:
                raise _not_of_the_protocol()
        if at != end:
            raise _not_of_the_protocol()

    def _part(self, known: _Field | None, at: int, size: int) -> None:
        """Spend what ``size`` bytes of a field's value, from ``at`` on, take."""
        if known is None:
            return self._spend(0, _TEXT)
        field, repeated, inner = known
        values = 1 if repeated else 0
        if inner is not None:
            self._spend(values, _MESSAGE)
            self.message(inner, at, at + size)
        elif field.type in _TEXTS:
            # Raw tensors stay bytes.
            self._spend(values, _TEXT + (0 if field.name == _RAW else TEXT_RATIO * size))
        elif width := _WIDTHS.get(field.type):
            self._spend(size // width, size // width * _NUMBER)
        else:
            ends = np.frombuffer(self._body, np.int8, size, at) >= 0
            count = int(np.count_nonzero(ends))
            self._spend(count, count * _NUMBER)
        return None

    def _spend(self, values: int, memory: int) -> None:
        self._values += values
        self._memory += memory
        if self._values > MOST_VALUES:
            raise BadReply(
                f"the reply holds at least {self._values} values; send fewer inputs per request"
            )
        if self._memory > MAX_MEMORY:
            raise BadReply(
                f"the reply's texts and lists would take more than {MAX_MEMORY >> 20} MiB of "
                "memory; send fewer inputs per request"
            )

    def _varint(self, at: int) -> tuple[int, int]:
        """The whole number at ``at``, and the place behind it."""
        byte = self._body[at]
        if byte < 128:
            return byte, at + 1
        value, shift = byte & 127, 7
        while shift < 70:
            at += 1
            byte = self._body[at]
            value |= (byte & 127) << shift
            if byte < 128:
                return value, at + 1
            shift += 7
        raise _not_of_the_protocol()
