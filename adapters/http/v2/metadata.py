"""A V2 server's account of a model before the first query."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from adapters.errors import BadReply, EndpointError, TargetError
from adapters.http.client.client import Client
from adapters.http.client.endpoint import Endpoint
from adapters.http.v2.input import Tensor
from adapters.quoting import printable

BINARY = "binary_tensor_data"
"""The extension that says raw tensors are taken. KServe takes them without listing it."""

_PAUSE_S = 0.5
MOST_TENSORS = 1000

_PATH = re.compile(
    r"(?P<root>.*/v2)/models/(?P<name>[^/]+)(?:/versions/(?P<version>[^/]+))?"
    r"(?:/(?:infer|ready|config))?/?"
)


@dataclass(frozen=True, slots=True)
class Model:
    """Metadata of one model; its texts are safe to print, and empty or None if the server does not
    tell.

    Attributes:
        base: the model's URL without ``/infer``.
        versions: the version in the URL, or all that the server lists.
        platform: runtime behind it.
        server: server name and version.
        max_batch: most inputs per request as Triton configures it.
    """

    base: Endpoint
    name: str
    versions: tuple[str, ...]
    platform: str
    server: str
    extensions: tuple[str, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    max_batch: int | None


async def read_model(client: Client, endpoint: Endpoint) -> Model:
    """Ask for the metadata of the model, and of the server as far as it gives any. Raises
    TargetError if the URL names no model, EndpointError if the model's metadata could not be read.
    """
    match = _PATH.fullmatch(endpoint.path)
    if match is None:
        raise TargetError("a V2 endpoint is a URL that ends in /v2/models/NAME")
    version = match["version"]
    path = f"{match['root']}/models/{match['name']}"
    base = endpoint.at(f"{path}/versions/{version}" if version else path)
    metadata = await _metadata(client, base)
    server = await _optional(client, endpoint.at(match["root"]))
    name = _text(server.get("name"))
    # Only Triton has a configuration to ask for; other servers would log an error.
    config = await _optional(client, base.at(f"{base.path}/config")) if name == "triton" else {}
    limit = config.get("max_batch_size")
    return Model(
        base=base,
        name=printable(unquote(match["name"])),
        versions=(printable(unquote(version)),) if version else _texts(metadata.get("versions")),
        platform=_text(metadata.get("platform")),
        server=f"{name} {_text(server.get('version'))}".strip(),
        extensions=_texts(server.get("extensions")),
        inputs=_tensors(metadata, "inputs"),
        outputs=_tensors(metadata, "outputs"),
        max_batch=limit if isinstance(limit, int) and limit > 0 else None,
    )


async def _metadata(client: Client, base: Endpoint) -> dict[str, Any]:
    """The model's metadata; asked for again if a success holds none, which may be a stumble."""
    reply = await client.get(base)
    for last in (False, False, True):
        try:
            found = reply.json()
        except BadReply as error:
            problem = str(error)
        else:
            if isinstance(found, dict) and isinstance(found.get("inputs"), list):
                return found
            problem = "it lists no inputs"
        if last:
            break
        await asyncio.sleep(_PAUSE_S)
        reply = await client.get(base)
    raise client.odd_metadata(reply, base, problem)


async def _optional(client: Client, endpoint: Endpoint) -> dict[str, Any]:
    """The JSON at ``endpoint``, or nothing: not every server has it."""
    try:
        value = (await client.get(endpoint)).json()
    except EndpointError:
        return {}
    return value if isinstance(value, dict) else {}


def _tensors(metadata: dict[str, Any], key: str) -> tuple[Tensor, ...]:
    listed = metadata.get(key)
    read = listed[:MOST_TENSORS] if isinstance(listed, list) else []
    return tuple(Tensor.read(entry) for entry in read)


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_text(v) for v in value[:32]) if isinstance(value, list) else ()


def _text(value: Any) -> str:
    return printable(value) if isinstance(value, str) else ""
