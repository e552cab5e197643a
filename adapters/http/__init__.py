"""Models behind a URL. One client; one small file per protocol.

    __init__  →  v2, generic (protocols)  →  oracle  →  client  →  transports

A new protocol is a coroutine ``(client, target, endpoint) -> Opened`` in PROTOCOLS; a new preset
of the generic one is only a RequestFormat and a ReplyFormat.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from adapters.contract import LabelOracle
from adapters.errors import TargetError
from adapters.http.client.client import Client, open_client
from adapters.http.client.endpoint import Endpoint, read_endpoint
from adapters.http.client.exchange import Exchange
from adapters.http.generic.protocol import open_generic
from adapters.http.oracle import HttpOracle, Opened
from adapters.http.v2.grpc import open_v2_grpc
from adapters.http.v2.protocol import open_v2
from adapters.target import Target

__all__ = ["PROTOCOLS", "open_oracle"]

PROTOCOLS: dict[str, Callable[[Client, Target, Endpoint], Awaitable[Opened]]] = {
    "v2": open_v2,
    "v2-json": open_v2,
    "v2-binary": open_v2,
    "v2-grpc": open_v2_grpc,
    "http": open_generic,
}
"""Protocol name -> the coroutine that opens it."""


async def open_oracle(
    target: Target, watch: Callable[[Exchange], None] | None = None
) -> LabelOracle:
    """Open the endpoint that ``target`` describes; ``watch`` receives every exchange with it, for
    display. Raises TargetError for a description that cannot work, EndpointError if the endpoint's
    metadata could not be read.
    """
    endpoint = read_endpoint(target.location)
    name = target.http.protocol
    grpc = endpoint.grpc
    if name == "auto" and not grpc:
        name = "v2" if "/v2/models/" in endpoint.path else "http"
    if grpc and name in {"auto", "v2", "v2-binary"}:
        name = "v2-grpc"
    if grpc != (name == "v2-grpc"):
        raise TargetError(f"protocol {name} does not go with a URL of {endpoint.url.scheme}://")
    if name not in PROTOCOLS:
        raise TargetError(f"there is no protocol {name!r}; known: {', '.join(sorted(PROTOCOLS))}")
    client = open_client(target, endpoint)
    client.watch = watch
    try:
        return HttpOracle(client, await PROTOCOLS[name](client, target, endpoint), target)
    except BaseException:
        await client.aclose()
        raise
