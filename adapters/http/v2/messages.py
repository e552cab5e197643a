"""V2 inference messages: a batch to one request, one reply to labels."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import Batch, Labels, LabelSpace
from adapters.http.oracle import Outgoing
from adapters.http.payload.numbers import flat
from adapters.http.transport.body import Pieces
from adapters.http.transport.reading import Reply
from adapters.http.v2.input import Geometry, ImageWriter, InputWriter, Tensor
from adapters.http.v2.output import (
    LENGTH_HEADER,
    Output,
    find_output,
    labels_of,
    read_reply,
    sides_of,
)
from adapters.quoting import printable

_JSON = {"content-type": "application/json"}


@dataclass(slots=True)
class V2Format:
    """Tensors to and from V2 messages.

    Attributes:
        tensor: the model's input, with the datatype that travels.
        output: the output that holds the label; None takes the only one of the reply.
        threshold: number from which on the only one of an input stands for the second of two
            classes, or None.
        binary: True if values travel raw behind the JSON.
        classify: True if Triton's classification extension is asked for the label itself.
        version: model version that the newest reply names; the oracle watches it.
    """

    tensor: Tensor
    output: Tensor | None
    geometry: Geometry
    writer: InputWriter | ImageWriter
    space: LabelSpace
    threshold: float | None = None
    binary: bool = False
    classify: bool = False
    version: str = field(default="", init=False)
    _one_bytes: int = field(default=0, init=False, repr=False)
    _heads: dict[tuple[int, int], bytes] = field(default_factory=dict, init=False, repr=False)

    def encode(self, batch: Batch) -> Outgoing:
        """See :meth:`adapters.http.oracle.WireFormat.encode`."""
        if self.binary or isinstance(self.writer, ImageWriter):
            raw = self.writer.raw(batch)
            head = self._head(len(batch), len(raw))
            kind = {"content-type": "application/octet-stream"}
            return Outgoing(Pieces(head, raw), {**kind, LENGTH_HEADER: str(len(head))})
        array = self.writer.array(batch)
        head, tail = json.dumps(self._message(len(batch), {"data": 0})).encode().rsplit(b"0", 1)
        return Outgoing(head + flat(_as_text(array)) + tail, _JSON)

    def _head(self, n: int, size: int) -> bytes:
        """The JSON before ``n`` inputs in ``size`` bytes: nearly always that of the last ones."""
        if (n, size) not in self._heads:
            values = {"parameters": {"binary_data_size": size}}
            self._heads = {(n, size): json.dumps(self._message(n, values)).encode()}
        return self._heads[n, size]

    def decode(self, reply: Reply, n: int) -> Labels:
        """See :meth:`adapters.http.oracle.WireFormat.decode`."""
        message, raw = read_reply(reply)
        version = message.get("model_version")
        if isinstance(version, str) and version:
            self.version = printable(version, 40)
        output = find_output(message, raw, self.output.name if self.output else "")
        return self.labels(output, n)

    def labels(self, output: Output, n: int) -> Labels:
        """Labels ``(n,)`` of the reply's output; padding is cut off."""
        sent, batched = self.geometry.sent(n), self.geometry.batched
        if self.threshold is not None:
            return sides_of(output, sent, self.threshold)[:n]
        return labels_of(output, sent, self.space, batched=batched)[:n]

    def body_bytes(self, n: int) -> int:
        """See :meth:`adapters.http.oracle.WireFormat.body_bytes`."""
        sent = self.geometry.sent(n)
        if isinstance(self.writer, ImageWriter):
            return 150 + sent * self.writer.one_bytes
        if self.binary:
            return 150 + sent * int(np.prod(self.geometry.dims)) * self.writer.dtype.itemsize
        if not self._one_bytes:  # measured once: how many digits a value takes varies
            self._one_bytes = len(flat(_as_text(self.writer.noise())))
        return 150 + sent * self._one_bytes

    def _message(self, n: int, values: dict[str, Any]) -> dict[str, Any]:
        """The request's JSON; ``values`` ends the input, and ``outputs`` comes before it."""
        tensor = {
            "name": self.tensor.name,
            "shape": self.geometry.wire_shape(n),
            "datatype": self.tensor.datatype,
            **values,
        }
        outputs = {} if self.output is None else {"outputs": [self._wanted(self.output)]}
        return {**outputs, "inputs": [tensor]}

    def _wanted(self, output: Tensor) -> dict[str, Any]:
        if self.classify:
            return {"name": output.name, "parameters": {"classification": 1}}
        raw = self.binary and output.datatype != "BYTES"
        return {"name": output.name, **({"parameters": {"binary_data": True}} if raw else {})}


def _as_text(array: NDArray[Any]) -> NDArray[Any]:
    """FP16 is written through float32, which holds each of its values exactly."""
    return array.astype(np.float32) if array.dtype == np.float16 else array
