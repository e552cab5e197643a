"""The output tensor of a V2 reply: scores, indices or names, reduced to labels."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import Labels, LabelSpace
from adapters.errors import BadReply
from adapters.http.oracle import known_name
from adapters.http.payload.numbers import numbers, top_labels
from adapters.http.transport.reading import Reply
from adapters.http.v2.input import DTYPES
from adapters.strict_json import MAX_MEMORY

LENGTH_HEADER = "inference-header-content-length"
"""Length of the JSON before the raw tensors, of requests and replies alike."""

TEXT_RATIO = 6
"""Bytes of memory for each byte of a text: itself, a copy, and four that its character may take."""

_MOST_AXES = 16
_MOST_TEXTS = 500_000
_CLASSIFICATION = re.compile(r"([-+.0-9eE]+):([0-9]{1,6})(?::.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Output:
    """One output tensor as received: datatype and values in their stated shape."""

    datatype: str
    values: NDArray[Any]


def read_reply(reply: Reply) -> tuple[dict[str, Any], bytes]:
    """The JSON of a reply and the raw bytes behind it. Raises BadReply without such JSON."""
    stated = reply.headers.get(LENGTH_HEADER)
    head, raw = reply.body, b""
    if stated is not None:
        if not (stated.isdecimal() and len(stated) < 19) or int(stated) > len(reply.body):
            raise BadReply("the reply is shorter than its own header says")
        head, raw = reply.body[: int(stated)], reply.body[int(stated) :]
    message = reply.json(head)
    if not isinstance(message, dict):
        raise BadReply("the reply is not a V2 inference reply: no JSON object")
    return message, raw


def find_output(message: dict[str, Any], raw: bytes, name: str) -> Output:
    """The output called ``name``; the only one if ``name`` is empty."""
    outputs = message.get("outputs")
    if not isinstance(outputs, list) or not all(isinstance(o, dict) for o in outputs):
        raise BadReply("the reply is not a V2 inference reply: no outputs")
    found = None
    at = 0
    for output in outputs:
        size = _binary_size(output)
        if output.get("name") == name or (not name and len(outputs) == 1):
            found = _read(output, raw[at : at + size] if size is not None else None)
        at += size or 0
    if at > len(raw):
        raise BadReply("the reply's raw tensors are shorter than they say")
    if found is None:
        raise BadReply(f"the reply has no output {name!r}")
    return found


def labels_of(output: Output, sent: int, space: LabelSpace, *, batched: bool) -> Labels:
    """Labels ``(sent,)`` of one output. Floats are scores, which teach ``space`` the class count;
    whole numbers ``(n,)`` or ``(n, 1)`` are indices; texts are class names or Triton's
    ``score:index[:label]``. Raises BadReply unless there is one label per input.

    Args:
        output: the tensor.
        sent: inputs that travelled, padding included.
        space: meaning of the labels.
        batched: True if the output has a batch axis.
    """
    values = output.values
    # A model without a batch axis may still answer with one.
    if not batched and (values.ndim < 2 or len(values) != 1):
        values = values[np.newaxis]
    if values.ndim == 0 or len(values) != sent:
        got = len(values) if values.ndim else 1
        raise BadReply(f"the target gave {got} labels for {sent} inputs")
    if output.datatype == "BYTES":
        rows = values.reshape(sent, -1)
        return np.asarray([_named([str(t) for t in row], space) for row in rows], dtype=np.int64)
    whole = np.dtype(DTYPES[output.datatype]).kind in "iu"
    if whole and values.size == sent:
        indices: Labels = values.reshape(sent).astype(np.int64)
        return indices
    if whole and np.dtype(DTYPES[output.datatype]).itemsize > 1:
        # Quantised scores have 8 bits; wide integers may as well be the five best indices.
        raise BadReply(
            f"the output holds {output.datatype} of shape {list(values.shape)}, "
            "which may be scores or indices; name another output with the reply path"
        )
    return top_labels(values, sent, space)


def sides_of(output: Output, sent: int, threshold: float) -> Labels:
    """Labels ``(sent,)`` of one number per input: 1 from ``threshold`` on, else 0. Raises BadReply
    for other values.
    """
    if output.datatype == "BYTES" or output.values.size != sent:
        raise BadReply(
            f"the output holds {output.datatype} of shape {list(output.values.shape)} for {sent} "
            'inputs, and response.kind "binary" reads one number for each'
        )
    values = output.values.reshape(sent).astype(np.float64)
    if np.isnan(values).any():
        raise BadReply("the model returned NaN instead of a score, so it gave no label")
    return (values >= threshold).astype(np.int64)


def _binary_size(output: dict[str, Any]) -> int | None:
    parameters = output.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is None:
        return None
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise BadReply("the reply states a binary size that is no size")
    return size


def _read(output: dict[str, Any], raw: bytes | None) -> Output:
    datatype = output.get("datatype")
    if not isinstance(datatype, str) or not (datatype in DTYPES or datatype == "BYTES"):
        raise BadReply("the output has no datatype that V2 knows")
    if raw is not None:
        values = _texts(raw) if datatype == "BYTES" else _raw_numbers(raw, DTYPES[datatype])
    else:
        values = _json_values(output.get("data"), datatype)
    shape = output.get("shape")
    if not isinstance(shape, list) or not all(isinstance(s, int) and s >= 0 for s in shape):
        raise BadReply("the output has no shape")
    if len(shape) > _MOST_AXES:
        raise BadReply(f"the output's shape has {len(shape)} axes")
    if math.prod(shape) != values.size:
        raise BadReply(f"the output has {values.size} values, its shape says {math.prod(shape)}")
    return Output(datatype, values.reshape(shape))


def _json_values(data: Any, datatype: str) -> NDArray[Any]:
    if not isinstance(data, list):
        raise BadReply("the output has no data")
    if datatype == "BYTES":
        texts = np.asarray(data, dtype=object)
        if not all(isinstance(text, str) for text in texts.flat):
            raise BadReply("the output says BYTES and holds something else than texts")
        return texts
    values = numbers(data)
    if np.dtype(DTYPES[datatype]).kind not in "iu":
        return values
    if (values != np.rint(values)).any() or np.abs(values).max(initial=0) > 2**53:
        raise BadReply(f"the output says {datatype} and holds other numbers")
    return values.astype(np.int64)


def _raw_numbers(raw: bytes, dtype: str) -> NDArray[Any]:
    if len(raw) % np.dtype(dtype).itemsize:
        raise BadReply("the output's raw bytes are no whole number of values")
    return np.frombuffer(raw, dtype)


def _texts(raw: bytes) -> NDArray[Any]:
    """Length-prefixed texts: four bytes little endian, then that many bytes."""
    if TEXT_RATIO * len(raw) > MAX_MEMORY:
        raise BadReply(f"the output holds {len(raw)} bytes of texts; send fewer inputs per request")
    texts: list[str] = []
    at = 0
    while at < len(raw):
        if len(texts) == _MOST_TEXTS:
            raise BadReply(f"the output holds more than {_MOST_TEXTS} texts")
        size = int.from_bytes(raw[at : at + 4], "little")
        text = raw[at + 4 : at + 4 + size]
        if len(text) != size or at + 4 > len(raw):
            raise BadReply("the output's raw texts end too early")
        try:
            texts.append(text.decode("utf-8"))
        except UnicodeDecodeError:
            raise BadReply("the output holds a text that is not UTF-8") from None
        at += 4 + size
    return np.asarray(texts, dtype=object)


def _named(texts: list[str], space: LabelSpace) -> int:
    """The label of one input: its best classification, or its only name."""
    matches = [_CLASSIFICATION.fullmatch(text) for text in texts]
    if texts and all(matches) and not set(texts) & set(space.names):
        best = max((m for m in matches if m), key=lambda match: _score(match[1]))
        return int(best[2])
    if len(texts) != 1:
        raise BadReply(f"the target named {len(texts)} classes for one input")
    return known_name(space, texts[0])


def _score(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadReply("the target sent a classification without a score") from None
