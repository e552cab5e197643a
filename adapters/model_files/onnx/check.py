"""Looks into an ONNX file before any runtime does: one pass over its bytes, nothing executed.

Refused: weights in other files unless they are the model's own and lie beside it, operators that no
image classifier needs or that are unknown, tensors whose dimensions and data disagree, absurd
dimensions, functions that unfold without end, and anything that is not plain ONNX. What passes
still runs isolated.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from adapters.errors import ModelFileError, ModelRefused
from adapters.file_kind import LOOK_AT, ONNX, file_kind
from adapters.model_files import protobuf
from adapters.model_files.beside import MAX_FILES, FileBeside, refused, why_foreign
from adapters.model_files.file import ModelFile
from adapters.model_files.onnx.operators import ALLOWED
from adapters.model_files.onnx.schema import BITS, MESSAGES
from adapters.model_files.protobuf import (
    Budget,
    NotProtobufError,
    fields,
    signed,
    varints,
)
from adapters.quoting import one_line

MAX_FIELDS = 1_000_000
MAX_DEPTH = 60
MAX_NODES = 1_000_000
MAX_DIMENSION = 1 << 31
MAX_RANK = 64

_WIRES = {"i": protobuf.VARINT, "s": protobuf.BYTES, "f": protobuf.FIXED32, "d": protobuf.FIXED64}
_STRING = 8

Key = tuple[str, str, str]
"""Domain, name and overload of an operator or a function."""


_NUMBERS = {"tensor": {1, 2, 14}, "dimension": {1}, "sparse": {3}}
"""Fields whose numbers are looked at; of all others only the size counts."""

_EXTERNAL = ("tensor", 13)
_TOP = 2
"""Depth of the main graph's own weights. Nothing else may be in another file: no exporter does so,
and no runtime reads it.
"""


@dataclass
class _Message:
    """Relevant content of one message by field number, without the messages in it: its ``numbers``
    if they are checked, its last ``texts`` (or bytes), its ``sizes`` in bytes, and the fields
    ``seen``.
    """

    numbers: dict[int, list[int]] = field(default_factory=dict)
    texts: dict[int, memoryview] = field(default_factory=dict)
    sizes: Counter[int] = field(default_factory=Counter)
    seen: set[int] = field(default_factory=set)
    external: dict[str, str] = field(default_factory=dict)


def check_onnx(file: ModelFile) -> tuple[FileBeside, ...]:
    """Check that ``file`` is plain ONNX and made of known operators; the files beside it that it
    keeps weights in.
    """
    look = _Look(file.name)
    with memoryview(file.data) as content:
        look.check(content)
    return tuple(FileBeside(name, least) for name, least in look.beside.items())


def files_beside(file: ModelFile) -> tuple[FileBeside, ...]:
    """The files beside ``file`` that it keeps weights in; nothing else of it is judged."""
    look = _Look(file.name)
    with contextlib.suppress(NotProtobufError, ModelRefused), memoryview(file.data) as content:
        look.read(content)
    return tuple(FileBeside(name, least) for name, least in look.beside.items())


class _Look:
    """One look into one file, which messages call ``file``."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._budget = Budget(MAX_FIELDS)
        self._calls: Counter[Key] = Counter()
        self._functions: dict[Key, Counter[Key]] = {}
        self.beside: dict[str, int] = {}
        """Name of a file beside the model -> the fewest bytes in it."""

    def read(self, content: memoryview) -> _Message:
        """Read all of ``content``."""
        return self._read("model", content, 0)

    def check(self, content: memoryview) -> None:
        """Look through all of ``content``; see :func:`check_onnx`."""
        try:
            model = self.read(content)
        except (NotProtobufError, ModelRefused) as error:
            instead = _instead(content, error)
            if not instead:
                raise
            raise ModelFileError(f"model file {self._file} {instead}") from error
        if 7 not in model.seen:
            raise ModelFileError(f"model file {self._file} is not ONNX: it holds no graph")
        for calls in (self._calls, *self._functions.values()):
            for key in calls:
                self._allow(key)
        if self._unfolded(self._calls, {}, frozenset()) > MAX_NODES:
            self._refuse(f"unfolds to more than {MAX_NODES:,} operators")

    # ---- reading -------------------------------------------------------------------------------

    def _read(self, kind: str, content: memoryview, depth: int) -> _Message:
        """Read one message and all within it."""
        if depth > MAX_DEPTH:
            self._refuse("is nested too deeply")
        found, outer = _Message(), self._calls
        if kind == "function":
            self._calls = Counter()
        for number, wire, value in fields(content, self._budget):
            form = self._form(kind, number, found, depth)
            if form in _WIRES:
                self._scalar(kind, number, wire, value, found)
            elif not isinstance(value, memoryview):
                raise NotProtobufError(f"{kind}.{number} is no message")
            elif form != "opaque":
                inner = self._read(form, value, depth + 1)
                if (kind, number) == _EXTERNAL:
                    key, said = (
                        bytes(inner.texts.get(n, b"")).decode("utf-8", "replace") for n in (1, 2)
                    )
                    found.external[key] = said
        if kind == "function":
            self._functions[_key(found, domain=10, name=1, overload=13)] = self._calls
            self._calls = outer
        self._judge(kind, found)
        return found

    def _form(self, kind: str, number: int, found: _Message, depth: int) -> str:
        """Kind of a field in the schema; parsers merge repeats, so only lists may have them."""
        form = MESSAGES[kind].get(number)
        if form is None:
            self._refuse(f"holds a part that is not known here ({kind} {number})")
        if (kind, number) == _EXTERNAL and depth != _TOP:
            self._refuse_external()
        if number in found.seen and not form.endswith("*"):
            raise NotProtobufError(f"{kind} {number} stands there twice")
        found.seen.add(number)
        return form.removesuffix("*")

    def _scalar(
        self, kind: str, number: int, wire: int, value: int | memoryview, found: _Message
    ) -> None:
        form = MESSAGES[kind][number]
        kept = number in _NUMBERS.get(kind, ())
        if isinstance(value, memoryview):
            found.sizes[number] += len(value)
            if form in {"s", "s*"}:
                found.texts[number] = value
            elif not form.endswith("*"):
                raise NotProtobufError(f"{kind} {number} is no number")
            elif kept:
                found.numbers.setdefault(number, []).extend(varints(value, self._budget))
        elif wire != _WIRES[form.removesuffix("*")]:
            raise NotProtobufError(f"{kind} {number} is of the wrong type")
        else:
            found.sizes[number] += {protobuf.FIXED32: 4, protobuf.FIXED64: 8}.get(wire, 1)
            if kept:
                found.numbers.setdefault(number, []).append(value)

    # ---- judging -------------------------------------------------------------------------------

    def _judge(self, kind: str, found: _Message) -> None:
        if kind == "tensor":
            self._tensor(found)
        elif kind == "sparse":
            self._elements([signed(dim) for dim in found.numbers.get(3, ())])
        elif kind == "dimension":
            if any(signed(value) > MAX_DIMENSION for value in found.numbers.get(1, ())):
                self._refuse("states an absurd dimension")
        elif kind == "node":
            self._calls[_key(found, domain=7, name=4, overload=8)] += 1

    def _tensor(self, tensor: _Message) -> None:
        """A tensor may not claim more than it brings: runtimes allocate what is claimed."""
        elements = self._elements([signed(dim) for dim in tensor.numbers.get(1, ())])
        kind = tensor.numbers.get(2, [0])[-1]
        if kind != _STRING and kind not in BITS:
            self._refuse(f"holds a tensor of unknown type {kind}")
        if any(tensor.numbers.get(14, ())) or tensor.external:
            self._external(tensor.external, math.ceil(elements * BITS.get(kind, 0) / 8))
            return
        if kind == _STRING:
            return  # a string may be empty, and then it takes no byte
        if 9 in tensor.seen:
            fits = tensor.sizes[9] == math.ceil(elements * BITS[kind] / 8)
        else:
            fits = elements <= 4 * sum(tensor.sizes[number] for number in (4, 5, 7, 10, 11))
        if not fits:
            self._refuse("holds a tensor whose dimensions and data disagree")

    def _external(self, stated: Mapping[str, str], size: int) -> None:
        """A tensor whose ``size`` bytes are in a file beside the model, as ``stated``."""
        name = stated.get("location", "")
        why = why_foreign(self._file, name)
        if why:
            self._refuse_external(f"{one_line(name, 80)!r} {why}")
        start, length = (stated.get(key) or "0" for key in ("offset", "length"))
        known = all(text.isascii() and text.isdigit() for text in (start, length))
        if not known or len(start) > 15 or (length != "0" and int(length) != size) or not size:
            self._refuse("holds a tensor whose dimensions and data disagree")
        self.beside[name] = max(self.beside.get(name, 0), int(start) + size)
        if len(self.beside) > MAX_FILES:
            self._refuse_external(f"more than {MAX_FILES} of them")

    def _elements(self, dims: list[int]) -> int:
        elements = math.prod(dims) if len(dims) <= MAX_RANK else -1
        if min(dims, default=0) < 0 or not 0 <= elements <= MAX_DIMENSION:
            self._refuse("holds a tensor of absurd dimensions")
        return elements

    def _allow(self, key: Key) -> None:
        domain, name, _ = key
        if key in self._functions or name in ALLOWED.get(domain, ()):
            return
        full = f"{domain}::{name}" if domain else name
        self._refuse(f"uses the operator {one_line(full, 80)}, which an audit does not run")

    def _unfolded(self, calls: Counter[Key], known: dict[Key, int], above: frozenset[Key]) -> int:
        """Operators that ``calls`` come to once every function is written out."""
        total = 0
        for key, times in calls.items():
            if key in above or len(above) > MAX_DEPTH:
                self._refuse("holds a function that calls itself, or too deep a chain of them")
            if key in self._functions and key not in known:
                inner = self._unfolded(self._functions[key], known, above | {key})
                known[key] = min(inner, MAX_NODES)
            total += times * (1 + known.get(key, 0))
        return total

    def _refuse_external(self, what: str = "within a node or a subgraph") -> NoReturn:
        raise refused(self._file, what)

    def _refuse(self, what: str) -> NoReturn:
        raise ModelRefused(
            f"model file {self._file} {what} (where you trust the file, --trust-model-file runs "
            "it unchecked)"
        )


def _instead(content: memoryview, error: NotProtobufError | ModelRefused) -> str:
    """The kind of bytes that are no readable ONNX model, in words without the format's own; empty
    for a model that is refused.
    """
    if file_kind(bytes(content[:LOOK_AT])) != ONNX:
        return "is not ONNX, and of no kind that is known here: export the model to ONNX"
    if isinstance(error, ModelRefused):
        return ""
    how = "cut short or damaged" if error.cut_short else "damaged"
    return f"is not ONNX any more but {how}: fetch or export it again"


def _key(found: _Message, *, domain: int, name: int, overload: int) -> Key:
    """The operator or function that a message names."""
    parts = []
    for number in (domain, name, overload):
        try:
            parts.append(str(found.texts.get(number, memoryview(b"")), "utf-8"))
        except UnicodeDecodeError as error:
            raise NotProtobufError("a name is no UTF-8") from error
    return ("" if parts[0] == "ai.onnx" else parts[0]), parts[1], parts[2]
