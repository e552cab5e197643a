"""V2, the Open Inference Protocol: Triton, KServe, MLServer, OpenVINO.

The model's metadata fills in everything but the value range. Tensors travel as JSON, or raw
behind the JSON if the server lists that or the user asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from adapters.contract import InputSpec, LabelSpace, distinct_names
from adapters.errors import TargetError
from adapters.http.client.client import Client
from adapters.http.client.endpoint import Endpoint
from adapters.http.generic.binary import check_binary
from adapters.http.oracle import Opened, WireFormat, comfortable_batch
from adapters.http.payload.encoding import Wire, choose_encoding
from adapters.http.v2.input import (
    BYTES,
    Geometry,
    ImageWriter,
    InputWriter,
    Tensor,
    as_images,
    read_geometry,
)
from adapters.http.v2.messages import V2Format
from adapters.http.v2.metadata import BINARY, Model, read_model
from adapters.images import is_image
from adapters.quoting import printable
from adapters.target import ReplyFormat, Target

_NAMED = 8
_FOREIGN = (
    "reshape_from",
    "success_path",
    "error_path",
    "no_label",
    "min_score",
    "unlisted",
    "rename",
    "tag",
)


async def open_v2(client: Client, target: Target, endpoint: Endpoint) -> Opened:
    """Read the model's metadata and decide on JSON or raw tensors. Raises TargetError if the
    metadata leaves a choice to the user or the model takes no images, EndpointError if it could not
    be read.
    """
    model = await read_model(client, endpoint)
    tensor = _chosen_input(model, target.http.request.tensor)
    images = takes_images(target, tensor)
    if images and target.http.protocol == "v2-json":
        raise TargetError("images travel behind the JSON, and protocol v2-json allows no such")
    likely = images or _binary_likely(target, model, tensor)
    infer = model.base.at(f"{model.base.path}/infer")
    opened = open_model(target, model, infer, lambda wire: replace(wire, binary=likely))
    if not likely or images or target.http.protocol == "v2-binary":
        return opened
    # Servers that list raw tensors take them, but KServe takes them unlisted and MLServer breaks
    # on them: the first answer decides, and costs no query of its own.
    assert isinstance(opened.format, V2Format)
    return replace(opened, fallback=replace(opened.format, binary=False))


def open_model(
    target: Target, model: Model, infer: Endpoint, carried: Callable[[V2Format], WireFormat]
) -> Opened:
    """Resolve how ``model`` is asked at the URL ``infer``, in the format that ``carried`` makes of
    what is known of the model. Raises TargetError if the metadata leaves a choice to the user, or
    the model takes no images.
    """
    tensor = _chosen_input(model, target.http.request.tensor)
    _check_fields(target, images=takes_images(target, tensor))
    output = _chosen_output(model, target.http.reply.path)
    tensor, geometry, writer, spec, how = _input(target, tensor)
    space = _label_space(target, output, batched=geometry.batched)
    classify = target.http.reply.kind == "classification"
    if classify and output is None:
        raise TargetError("the model lists no output to classify; name it as response.path")
    threshold = target.http.reply.threshold
    wire = V2Format(tensor, output, geometry, writer, space, threshold, classify=classify)
    carrier = carried(wire)
    return Opened(
        format=carrier,
        base=model.base,
        endpoint=infer,
        method="POST",
        spec=spec,
        space=space,
        max_batch=_max_batch(target, model, wire),
        # JSON and raw tensors carry the same values, so answers to both are comparable.
        identity=(
            "protocol v2",
            f"model {model.name} version {','.join(model.versions) or 'unstated'}",
            *how,
        ),
        description=_describe(model, wire, carrier),
    )


def takes_images(target: Target, tensor: Tensor) -> bool:
    """True if encoded images travel: the model takes nothing else, or the user asks for it.
    OpenVINO Model Server decodes them for any model of shape [N, H, W, C]; elsewhere a step before
    the model does, and the metadata says BYTES.
    """
    return tensor.datatype == BYTES or is_image(target.encoding or "")


def _input(
    target: Target, tensor: Tensor
) -> tuple[Tensor, Geometry, InputWriter | ImageWriter, InputSpec, tuple[str, ...]]:
    """The tensor that travels, how inputs lie in it, its writer, its spec and its identity."""
    geometry = read_geometry(tensor, target)
    if not takes_images(target, tensor):
        spec = target.input_spec(geometry.shape, choose_encoding(target, "tensor"))
        writer = InputWriter(tensor.datatype, geometry, spec, target.color)
        color = (target.color,) if target.color != "rgb" else ()
        return tensor, geometry, writer, spec, (f"{tensor.datatype} {geometry.layout}", *color)
    spec = target.input_spec(geometry.shape, choose_encoding(target, "upload"))
    if not is_image(spec.encoding):
        raise TargetError(
            f"the model takes encoded images, and encoding {spec.encoding} is none: use png or "
            "jpeg:QUALITY"
        )
    if tensor.datatype != BYTES:
        geometry = as_images(geometry)
    wire = Wire.of(target, spec)
    sized = wire.identity()[1:]  # behind the layout, which an image has no say in
    tensor = replace(tensor, datatype=BYTES)
    return tensor, geometry, ImageWriter(geometry, wire), spec, (BYTES, *sized)


def _check_fields(target: Target, *, images: bool) -> None:
    """Refuse what the description says and V2 would leave undone."""
    reply = target.http.reply
    if target.upload_size is not None and not images:
        raise TargetError("input.upload_size is for images, and here V2 carries tensors")
    if reply.kind not in {"scores", "classification", "binary"}:
        raise TargetError(
            f"response.kind is {reply.kind!r}, and V2 outputs say themselves what they are: "
            'leave it out, or set "classification", or "binary" for a single number'
        )
    check_binary(reply, list(target.classes or ()))
    if reply.kind == "binary" and reply.threshold is None:
        raise TargetError(
            "state response.threshold, the number from which on the second class counts"
        )
    if target.http.request.axes != "image":
        raise TargetError("request.axes is for generic requests: V2 metadata says the axes")
    for name in _FOREIGN:
        if getattr(reply, name) != getattr(ReplyFormat(), name):
            raise TargetError(f"response.{name} is for generic replies, and V2 has its own")


def _chosen_input(model: Model, wanted: str) -> Tensor:
    """The input called ``wanted``, or the only one."""
    chosen = [t for t in model.inputs if wanted in {"", t.name}]
    if len(chosen) != 1:
        names = _names(model.inputs) or "none"
        raise TargetError(
            f"the model must have one input, its metadata lists {len(model.inputs)} ({names}); "
            "name the image's as request.tensor, or describe the request with preset http"
        )
    return chosen[0]


def _chosen_output(model: Model, wanted: str) -> Tensor | None:
    """The output called ``wanted``, the only one, or None if the metadata lists none."""
    chosen = [t for t in model.outputs if wanted in {"", t.name}]
    if len(chosen) == 1 or not model.outputs:
        return chosen[0] if chosen else None
    raise TargetError(
        f"name the output that holds the label as the reply path: {_names(model.outputs)}"
    )


def _names(tensors: Sequence[Tensor]) -> str:
    """The names of ``tensors``, or the first of many."""
    more = ["…"] if len(tensors) > _NAMED else []
    return ", ".join([*(printable(t.name, 40) for t in tensors[:_NAMED]), *more])


def _label_space(target: Target, output: Tensor | None, *, batched: bool) -> LabelSpace:
    size = _class_count(output, batched=batched)
    if target.classes is None:
        if target.http.reply.kind == "classification":
            return LabelSpace(size=size)
        return LabelSpace(size=size, open=output is not None and output.datatype == "BYTES")
    if target.http.reply.kind == "binary":
        return LabelSpace(list(target.classes))
    if size not in {None, len(target.classes)}:
        raise TargetError(f"classes names {len(target.classes)}, the model scores {size} classes")
    if output is not None and output.datatype == "BYTES":  # a name that is listed twice is one
        return LabelSpace(list(dict.fromkeys(target.classes)))
    return LabelSpace(distinct_names(target.classes))


def _class_count(output: Tensor | None, *, batched: bool) -> int | None:
    """Number of classes if the output's shape states it."""
    if output is None or output.datatype[:2] != "FP":
        return None
    sizes = [size for size in output.dims[1 if batched else 0 :] if size != 1]
    return sizes[0] if len(sizes) == 1 and sizes[0] > 1 else None


def _binary_likely(target: Target, model: Model, tensor: Tensor) -> bool:
    """True to send raw tensors: asked for, listed by the server, or the only way."""
    if target.http.protocol in {"v2-json", "v2-binary"}:
        return target.http.protocol == "v2-binary"
    # JSON has no 16-bit numbers, and Triton refuses them there.
    return BINARY in model.extensions or tensor.datatype == "FP16"


def _max_batch(target: Target, model: Model, wire: V2Format) -> int:
    if not wire.geometry.batched:
        return 1
    limits = [target.batch or comfortable_batch(wire.body_bytes(1)), model.max_batch]
    return min(limit for limit in (*limits, wire.geometry.fixed) if limit is not None)


def _describe(model: Model, wire: V2Format, carrier: WireFormat) -> dict[str, Any]:
    fixed = wire.geometry.fixed
    http = "v2-binary" if isinstance(carrier, V2Format) and carrier.binary else "v2"
    return {
        "model": model.name,
        "versions": list(model.versions),
        "platform": model.platform,
        "server": model.server,
        "extensions": list(model.extensions),
        "input": printable(wire.tensor.name),
        "output": printable(wire.output.name) if wire.output else "",
        "datatype": wire.tensor.datatype,
        "wire_shape": list(wire.tensor.dims),
        "layout": wire.geometry.layout,
        "padding": f"every request is filled up to {fixed} inputs" if fixed else "none",
        "protocol": http if isinstance(carrier, V2Format) else "v2-grpc",
    }
