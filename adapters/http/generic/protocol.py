"""Any HTTP endpoint that takes an image and answers with JSON, described as data.

A preset is a RequestFormat and a ReplyFormat; it needs no code here.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlencode

import httpx
import numpy as np
from numpy.typing import NDArray

from adapters.contract import Batch, Labels, LabelSpace
from adapters.errors import TargetError
from adapters.http.client.client import Client
from adapters.http.client.endpoint import Endpoint
from adapters.http.client.polling import Poller
from adapters.http.generic.reply_labels import ReplyRule, content, label_names
from adapters.http.oracle import Opened, Outgoing, comfortable_batch
from adapters.http.payload.encoding import Wire, choose_encoding
from adapters.http.payload.numbers import nested
from adapters.http.transport.reading import Reply
from adapters.images import media_type
from adapters.target import HttpOptions, ReplyFormat, RequestFormat, Target

_MODEL, _CLASSES, _CLASS_NAMES = '"$MODEL"', '"$CLASSES"', "$CLASS_NAMES"
_ONE, _MANY = '"$INPUT"', '"$INPUTS"'
_NAMED_KINDS = {"label", "label-score-list", "label-score-dict", "label-score-columns"}


async def open_generic(client: Client, target: Target, endpoint: Endpoint) -> Opened:
    """Check ``target``'s description; nothing is sent. TargetError if it cannot work."""
    if target.shape is None:
        raise TargetError("a generic HTTP endpoint does not state its input; pass --shape C,H,W")
    shape: tuple[int, int, int] = target.shape
    target = _with_template(target)
    request = target.http.request
    upload = request.body != "json" or request.value in {"base64", "data-uri"}
    spec = target.input_spec(shape, choose_encoding(target, "upload" if upload else "tensor"))
    names = label_names(target.http.reply, target.classes)
    space = LabelSpace(names or [], open=names is None and target.http.reply.kind in _NAMED_KINDS)
    wire = Wire.of(target, spec)
    writer = _writer(target.http, wire)
    # Encoding one input of noise finds what an input cannot do before anything is sent.
    noise = np.random.default_rng(0).integers(0, 256, (1, *spec.shape))
    one = len(writer(spec.from_pixels(noise)).body)
    batched = request.body == "json" and _MANY in request.template
    return Opened(
        format=_Generic(writer, ReplyRule(target.http.reply, space), target.http.reply, one),
        base=endpoint,
        endpoint=endpoint,
        method=request.method,
        spec=spec,
        space=space,
        max_batch=(target.batch or comfortable_batch(one)) if batched else 1,
        identity=(
            "protocol http",
            f"request {_digest(request, target.http.reply)}",
            *wire.identity(),
        ),
        poller=_poller(client, target, endpoint),
        description=_facts(target, wire),
    )


def _with_template(target: Target) -> Target:
    """``target`` with its model and classes written into the template, so that they are part of its
    fingerprint. Raises TargetError if one of them is not stated.
    """
    request = target.http.request
    values: dict[str, tuple[str, Any]] = {
        _MODEL: ("request.model", request.model),
        _CLASSES: ("response.classes", list(target.classes or ())),
        _CLASS_NAMES: ("response.classes", ", ".join(target.classes or ())),
    }
    template = request.template
    for place, (field, value) in values.items():
        if place not in template:
            continue
        if not value:
            raise TargetError(f"{field} is missing, and the request template says {place}")
        written = json.dumps(value)
        template = template.replace(place, written[1:-1] if place == _CLASS_NAMES else written)
    if template == request.template:
        return target
    return replace(target, http=replace(target.http, request=replace(request, template=template)))


def _facts(target: Target, wire: Wire) -> dict[str, Any]:
    """The protocol's part of the target's description in the report."""
    request, reply = target.http.request, target.http.reply
    return {
        "protocol": "http",
        "layout": wire.layout,
        "layout_origin": "given" if target.layout else "assumed",
        "color": wire.color,
        "upload_size": list(wire.size),
        "body": request.body,
        "value": request.value if request.body == "json" else "file",
        "reply_path": reply.path,
        "reply_kind": reply.kind,
    }


@dataclass
class _Generic:
    """The generic WireFormat: a writer, which encodes, and a reply rule."""

    encode: Callable[[Batch], Outgoing]
    rule: ReplyRule
    form: ReplyFormat
    one_bytes: int
    version: str = ""

    def decode(self, reply: Reply, n: int) -> Labels:
        return self.rule.labels(content(reply, self.form), n)

    def body_bytes(self, n: int) -> int:
        return n * self.one_bytes


def _poller(client: Client, target: Target, endpoint: Endpoint) -> Poller | None:
    poll = target.http.poll
    if poll is None:
        return None
    return Poller(client, poll, target.http.reply.success_path, endpoint)


def _writer(options: HttpOptions, wire: Wire) -> Callable[[Batch], Outgoing]:
    request = options.request
    if request.form and request.body not in {"multipart", "form"}:
        raise TargetError('request.form needs request.body "multipart" or "form"')
    if request.body == "json":
        return _json_writer(request, wire)
    if request.axes != "image":
        raise TargetError("request.axes is for numbers in JSON, and this request carries a file")
    own_type = any(name.lower() == "content-type" for name in options.headers)
    if request.body == "multipart" and own_type:
        raise TargetError("a multipart request sets its own Content-Type; leave the header out")
    kind = request.content_type or media_type(wire.spec.encoding)
    if request.body == "raw" and request.value in {"base64", "data-uri"}:
        as_text = {"content-type": request.content_type or "text/plain"}
        return lambda batch: Outgoing(_picture_text(request, wire, batch).encode(), as_text)
    if request.body == "raw":
        return lambda batch: Outgoing(wire.files(batch)[0], {"content-type": kind})
    if request.body == "form":
        return _form_writer(request, wire)
    name = "input." + (kind.partition("/")[2] if kind.startswith("image/") else "bin")

    def multipart(batch: Batch) -> Outgoing:
        file = {request.field: (name, wire.files(batch)[0], kind)}
        # httpx writes the body; the URL is only there because a request must have one.
        made = httpx.Request("POST", "http://multipart", data=dict(request.form), files=file)
        return Outgoing(made.read(), {"content-type": made.headers["content-type"]})

    return multipart


def _form_writer(request: RequestFormat, wire: Wire) -> Callable[[Batch], Outgoing]:
    """A writer of urlencoded forms, with the picture as text in one of the fields."""
    kind = {"content-type": "application/x-www-form-urlencoded"}

    def write(batch: Batch) -> Outgoing:
        fields = {**request.form, request.field: _picture_text(request, wire, batch)}
        return Outgoing(urlencode(fields).encode(), kind)

    return write


def _picture_text(request: RequestFormat, wire: Wire, batch: Batch) -> str:
    """The one picture of ``batch`` as base64 or, by ``request.value``, as a data URI."""
    uri = request.value == "data-uri"
    prefix = f"data:{media_type(wire.spec.encoding)};base64," if uri else ""
    return prefix + base64.b64encode(wire.files(batch)[0]).decode()


def _json_writer(request: RequestFormat, wire: Wire) -> Callable[[Batch], Outgoing]:
    head, tail = _split("template", request.template, _ONE, _MANY)
    many = _MANY in request.template
    before, after = _split("item", request.item, _ONE) if many else (b"", b"")
    kind = {"content-type": request.content_type or "application/json"}
    axes = _axes(request, wire)
    values = _value_writer(request, wire, axes)
    if many and before == after == b"" and request.value == "array":
        # One array for all is written faster than its parts.
        return lambda batch: Outgoing(head + nested(axes(wire.values(batch))) + tail, kind)

    def write(batch: Batch) -> Outgoing:
        items = b",".join(before + value + after for value in values(batch))
        return Outgoing(head + (b"[" + items + b"]" if many else items) + tail, kind)

    return write


def _axes(request: RequestFormat, wire: Wire) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """A function that gives inputs with three axes each, as the wire has them, those wanted."""
    if request.axes == "image":
        return lambda values: values
    if request.value not in {"array", "pixels"}:
        raise TargetError(
            f"request.axes is {request.axes!r}, and a {request.value} value has none: leave it out"
        )
    if request.axes == "flat":
        return lambda values: values.reshape(len(values), -1)
    channels = wire.spec.shape[0]
    if channels != 1:
        raise TargetError(f"request.axes is 'grey', and the input has {channels} channels, not one")
    axis = 1 if wire.layout == "NCHW" else 3
    return lambda values: values.squeeze(axis)


def _value_writer(
    request: RequestFormat, wire: Wire, axes: Callable[[NDArray[Any]], NDArray[Any]]
) -> Callable[[Batch], list[bytes]]:
    """A function that writes each input of a batch as one JSON value."""
    if request.value == "array":
        return lambda batch: [nested(one) for one in axes(wire.values(batch))]
    if request.value == "pixels":
        if wire.spec.access != "image":
            raise TargetError("pixels are whole numbers 0 to 255; use --access image")
        return lambda batch: [nested(one) for one in axes(wire.pixels(batch))]
    kind = media_type(wire.spec.encoding)
    prefix = f"data:{kind};base64,".encode() if request.value == "data-uri" else b""
    return lambda batch: [b'"' + prefix + base64.b64encode(one) + b'"' for one in wire.files(batch)]


def _split(what: str, text: str, *places: str) -> tuple[bytes, bytes]:
    """Text before and after the only one of ``places`` in the JSON ``text``."""
    try:
        json.loads(text)
    except ValueError:
        raise TargetError(f"the request {what} is not JSON") from None
    found = [place for place in places for _ in range(text.count(place))]
    if len(found) != 1:
        stated = " or ".join(places)
        raise TargetError(f"the request {what} holds {stated} {len(found)} times, not once")
    before, after = text.split(found[0])
    return before.encode(), after.encode()


def _digest(request: RequestFormat, reply: ReplyFormat) -> str:
    """Digest of the formats for the fingerprint: a template may hold a secret. Only what differs
    from the defaults counts, so a new option leaves old fingerprints alone.
    """
    stated = [
        sorted(pair for pair in asdict(given).items() if pair not in asdict(default).items())
        for given, default in ((request, RequestFormat()), (reply, ReplyFormat()))
    ]
    return hashlib.sha256(json.dumps(stated).encode()).hexdigest()[:16]
