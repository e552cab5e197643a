"""One gRPC call in the form of an HTTP exchange: limits, keys and retries stay the same."""

from __future__ import annotations

import importlib
import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from adapters.errors import MissingExtra
from adapters.http.transport.addresses import AddressGuard
from adapters.http.transport.body import Body
from adapters.http.transport.reading import MAX_HEAD_BYTES, HeadTooLongError, Reply
from adapters.http.transport.room import ReplyRoom
from adapters.http.transport.tls import pem_files
from adapters.target import Tls

_HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "UNIMPLEMENTED": 405,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 502,
    "DEADLINE_EXCEEDED": 504,
}
"""Google's own table of the HTTP statuses that gRPC codes stand for; the rest are 500."""

_TOO_LARGE, _AGAIN = 413, 502
_LIVE = "/inference.GRPCInferenceService/ServerLive"
_NOT_METADATA = {"accept", "accept-encoding", "content-type", "user-agent"}


class GrpcTransport:
    """gRPC; the path of the URL is the method's full name, and ``tls`` is None for a connection in
    the clear. Raises MissingExtra without tritonclient, TargetError for an unreadable certificate.
    """

    name = "grpc"
    certificate = ""
    foreign: tuple[type[Exception], ...] = (OSError, ValueError)
    unsent: tuple[type[Exception], ...] = (
        ConnectionRefusedError,
        ConnectionAbortedError,
        ssl.SSLError,
    )

    def __init__(self, tls: Tls | None, guard: AddressGuard) -> None:
        self._grpc = load("grpc")
        self._guard = guard
        self._credentials = None
        if tls is not None:
            roots, own, key = pem_files(tls)
            self._credentials = self._grpc.ssl_channel_credentials(roots, key, own)
        self._channels: dict[int, Any] = {}
        self._room: ReplyRoom | None = None

    async def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: Body, limit: int
    ) -> Reply:
        """Send one call, as any :class:`.Transport` does; ``method`` means nothing."""
        del method
        parts = urlsplit(url)
        metadata = [(k, v) for k, v in headers.items() if k not in _NOT_METADATA]
        room = self._room = self._room or ReplyRoom(limit)
        bound = room.bound(parts.path, len(body))
        async with room.taken(bound):
            # gRPC bounds the replies of a channel, not of a call.
            channel = self._channels.get(bound)
            if channel is None:
                channel = await self._connect(parts.hostname or "", parts.port or 443, bound)
                self._channels[bound] = channel
            await self._stand(channel)
            try:
                answer: bytes = await channel.unary_unary(parts.path)(
                    bytes(body), metadata=metadata
                )
            except self._grpc.aio.AioRpcError as error:
                reply = self._failed(error)
                if reply.status == _TOO_LARGE and bound < limit:
                    room.forget(parts.path)
                    return replace(reply, status=_AGAIN)
                return reply
        room.note(parts.path, len(body), len(answer))
        return Reply(200, {}, answer, code="OK")

    async def aclose(self) -> None:
        """See :meth:`adapters.http.transport.transports.Transport.aclose`."""
        for channel in self._channels.values():
            await channel.close()

    async def _connect(self, host: str, port: int, limit: int) -> Any:
        addresses = [host] if self._guard.is_address else await self._guard.resolve(host, port)
        address = addresses[0].strip("[]")
        place = f"ipv6:[{address}]:{port}" if ":" in address else f"ipv4:{address}:{port}"
        options = [
            ("grpc.max_receive_message_length", limit),
            ("grpc.max_metadata_size", MAX_HEAD_BYTES),
            ("grpc.absolute_max_metadata_size", MAX_HEAD_BYTES),
            ("grpc.max_send_message_length", -1),
            ("grpc.enable_http_proxy", 0),
            ("grpc.default_authority", f"{host}:{port}"),
        ]
        if self._credentials is None:
            return self._grpc.aio.insecure_channel(place, options=options)
        named = [*options, ("grpc.ssl_target_name_override", host)]
        return self._grpc.aio.secure_channel(place, self._credentials, options=named)

    async def _stand(self, channel: Any) -> None:
        """Return once a connection stands: what fails before that never left."""
        states = self._grpc.ChannelConnectivity
        while (state := channel.get_state(try_to_connect=True)) is not states.READY:
            if state is states.SHUTDOWN:
                raise ConnectionRefusedError
            if state is states.TRANSIENT_FAILURE:
                raise await self._why_not(channel)
            await channel.wait_for_state_change(state)

    async def _why_not(self, channel: Any) -> OSError:
        """Cause of a missing connection: a call that carries nothing fails at once and tells."""
        try:
            await channel.unary_unary(_LIVE)(b"")
        except self._grpc.aio.AioRpcError as error:
            return _no_connection(str(error.details() or ""))
        return ConnectionRefusedError()  # it stands by now: worth another attempt

    def _failed(self, error: Any) -> Reply:
        """The failure as a reply. Raises OSError if no server answered, or with too long a head."""
        code, details = error.code().name, str(error.details() or "")
        if code == "UNAVAILABLE":
            raise ConnectionResetError
        if "metadata size exceeds" in details:
            raise HeadTooLongError
        status = _HTTP_STATUS.get(code, 500)
        if code == "RESOURCE_EXHAUSTED" and "message larger than max" in details:
            status = _TOO_LARGE
        return Reply(status, {}, json.dumps({"error": details}).encode(), code=code)


def _no_connection(details: str) -> OSError:
    """Cause that kept gRPC from a connection: its code is one for all, only the words differ."""
    if "CERTIFICATE_VERIFY_FAILED" in details:
        return ssl.SSLCertVerificationError(1, details)
    if "Hostname Verification" in details:
        return ssl.SSLCertVerificationError(1, "hostname mismatch")
    if "andshake" in details:
        return ssl.SSLError(1, details)
    return ConnectionAbortedError() if "Socket closed" in details else ConnectionRefusedError()


def load(name: str) -> Any:
    """The module ``name`` of the extra ``grpc``. Raises MissingExtra if it is not installed."""
    # Otherwise it writes lines of its own to the terminal for what is reported in one sentence.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingExtra("gRPC is not installed; install xray-audit[grpc]") from None
