"""V2 over gRPC: the messages of the public protocol, as tritonclient ships them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

from adapters.contract import Batch, Labels
from adapters.errors import BadReply, TargetError
from adapters.http.client.client import Client
from adapters.http.client.endpoint import Endpoint
from adapters.http.oracle import Opened, Outgoing
from adapters.http.transport.grpc import load
from adapters.http.transport.reading import Reply
from adapters.http.v2.input import ImageWriter, Tensor
from adapters.http.v2.message_size import check_size
from adapters.http.v2.messages import V2Format
from adapters.http.v2.metadata import MOST_TENSORS, Model
from adapters.http.v2.output import find_output
from adapters.http.v2.protocol import open_model
from adapters.quoting import printable
from adapters.target import Target

_SERVICE = "/inference.GRPCInferenceService"
_PATH = re.compile(r"/(?:v2/models/)?(?P<name>[^/]+)(?:/versions/(?P<version>[^/]+))?/?")


async def open_v2_grpc(client: Client, target: Target, endpoint: Endpoint) -> Opened:
    """Read the model's metadata. Raises TargetError if the URL names no model or the metadata
    leaves a choice to the user, EndpointError if the metadata could not be read.
    """
    match = _PATH.fullmatch(endpoint.path)
    if match is None:
        raise TargetError("a V2 gRPC endpoint is a URL like grpc://HOST:PORT/NAME")
    name, version = unquote(match["name"]), unquote(match["version"] or "")
    messages = load("tritonclient.grpc.service_pb2")
    wanted = messages.ModelMetadataRequest(name=name, version=version)
    body = wanted.SerializeToString()
    place = endpoint.at(f"{_SERVICE}/ModelMetadata")
    reply = await client.send("POST", place, body, {}, "metadata")
    metadata = _read(messages.ModelMetadataResponse, reply)
    model = Model(
        base=endpoint,
        name=printable(name),
        versions=(printable(version),) if version else tuple(map(printable, metadata.versions)),
        platform=printable(metadata.platform),
        server="",
        extensions=(),
        inputs=_tensors(metadata.inputs),
        outputs=_tensors(metadata.outputs),
        max_batch=None,
    )
    return open_model(
        target,
        model,
        endpoint.at(f"{_SERVICE}/ModelInfer"),
        lambda wire: GrpcFormat(wire, messages, name, version),
    )


@dataclass
class GrpcFormat:
    """Tensors to and from V2's gRPC messages, of the module ``messages``; values always travel raw.
    ``wire`` is the HTTP form's knowledge of the model, ``version`` the one that the newest reply
    names.
    """

    wire: V2Format
    messages: Any
    model_name: str
    model_version: str
    version: str = field(default="", init=False)

    def encode(self, batch: Batch) -> Outgoing:
        """See :meth:`adapters.http.oracle.WireFormat.encode`."""
        wire = self.wire
        request = self.messages.ModelInferRequest(
            model_name=self.model_name, model_version=self.model_version
        )
        shape = wire.geometry.wire_shape(len(batch))
        tensor = request.inputs.add(
            name=wire.tensor.name, datatype=wire.tensor.datatype, shape=shape
        )
        if isinstance(wire.writer, ImageWriter):
            # Not as raw contents: OpenVINO Model Server read those as one image until 2023.
            tensor.contents.bytes_contents.extend(wire.writer.files(batch))
        else:
            request.raw_input_contents.append(bytes(wire.writer.raw(batch)))
        if wire.output is not None:
            wanted = request.outputs.add(name=wire.output.name)
            if wire.classify:
                wanted.parameters["classification"].int64_param = 1
        return Outgoing(request.SerializeToString(), {})

    def decode(self, reply: Reply, n: int) -> Labels:
        """See :meth:`adapters.http.oracle.WireFormat.decode`."""
        response = _read(self.messages.ModelInferResponse, reply)
        self.version = printable(response.model_version, 40)
        wire = self.wire
        message, raw = _as_json(response)
        output = find_output(message, raw, wire.output.name if wire.output else "")
        return wire.labels(output, n)

    def body_bytes(self, n: int) -> int:
        """See :meth:`adapters.http.oracle.WireFormat.body_bytes`."""
        return replace(self.wire, binary=True).body_bytes(n) - 50


def _read(kind: Any, reply: Reply) -> Any:
    check_size(kind.DESCRIPTOR, reply.body)
    try:
        return kind.FromString(reply.body)
    except Exception:  # noqa: BLE001 - protobuf's own error, which needs protobuf to name it
        raise BadReply("the reply is no message of the V2 protocol") from None


def _tensors(listed: Any) -> tuple[Tensor, ...]:
    return tuple(
        Tensor.read({"name": t.name, "datatype": t.datatype, "shape": t.shape})
        for t in listed[:MOST_TENSORS]
    )


def _as_json(response: Any) -> tuple[dict[str, Any], bytes]:
    """The reply in the form of V2's JSON, and its raw values behind each other."""
    raws = list(response.raw_output_contents)
    outputs = []
    for number, output in enumerate(response.outputs):
        entry = {"name": output.name, "datatype": output.datatype, "shape": list(output.shape)}
        if raws:
            if number >= len(raws):
                raise BadReply("the reply's raw tensors are fewer than it says")
            entry["parameters"] = {"binary_data_size": len(raws[number])}
        else:
            entry["data"] = _contents(output.contents)
        outputs.append(entry)
    return {"outputs": outputs}, b"".join(raws)


def _contents(contents: Any) -> list[Any]:
    """The values of the only typed list that is filled."""
    for descriptor, values in contents.ListFields():
        if descriptor.name == "bytes_contents":
            try:
                return [value.decode("utf-8") for value in values]
            except UnicodeDecodeError:
                raise BadReply("the output holds a text that is not UTF-8") from None
        return list(values)
    return []
