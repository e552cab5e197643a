"""The oracle that every HTTP protocol shares; a protocol adds a WireFormat and what it learned."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from adapters.checks import check_batch, check_labels
from adapters.contract import Batch, InputSpec, Labels, LabelSpace, PaceHint
from adapters.errors import (
    BadReply,
    EndpointError,
    InputRejected,
    RetryAdvice,
    ServerFailed,
    Unreachable,
)
from adapters.http.client.client import HEADER_BYTES, Client
from adapters.http.client.endpoint import Endpoint
from adapters.http.client.polling import Poller
from adapters.http.transport.body import Body
from adapters.http.transport.reading import Reply
from adapters.quoting import printable
from adapters.target import Target

DEFAULT_BATCH = 64
UNREADABLE = (BadReply, InputRejected, ServerFailed, Unreachable)
"""Errors by which servers answer a body that they cannot read: MLServer with 500 or a reset."""
_COMFORTABLE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request body and the headers that belong to it, names in lower case."""

    body: Body
    headers: Mapping[str, str]


class WireFormat(Protocol):
    """One protocol's translation; ``version`` is the model's in the newest reply, or empty."""

    version: str

    def encode(self, batch: Batch) -> Outgoing:
        """Write ``batch`` ``(n, c, h, w)`` as one request."""
        ...

    def decode(self, reply: Reply, n: int) -> Labels:
        """Read ``n`` labels, shape ``(n,)``. Raises EndpointError unless there are ``n``."""
        ...

    def body_bytes(self, n: int) -> int:
        """Estimated body size of a request with ``n`` inputs."""
        ...


@dataclass(frozen=True, slots=True)
class Opened:
    """Findings from opening a protocol.

    Attributes:
        base: the model's URL as fingerprint and report show it.
        endpoint: URL of inference requests.
        fallback: the format to change to if the server cannot read the first request in ``format``.
        identity: protocol, model, version and preprocessing, in words: one part per fact.
        description: protocol-specific facts for the report, JSON-able, without secrets.
        poller: fetches answers that come later, or None if they never do.
    """

    format: WireFormat
    base: Endpoint
    endpoint: Endpoint
    method: str
    spec: InputSpec
    space: LabelSpace
    max_batch: int
    identity: tuple[str, ...]
    description: dict[str, Any] = field(default_factory=dict)
    fallback: WireFormat | None = None
    poller: Poller | None = None


class HttpOracle:
    """A model behind a URL; see :class:`adapters.contract.LabelOracle`."""

    def __init__(self, client: Client, opened: Opened, target: Target) -> None:
        self._client = client
        self._poller = opened.poller
        self._format = opened.format
        self._fallback = opened.fallback
        self._doubted = False
        self._endpoint = opened.endpoint
        self._method = opened.method
        self.input_spec = opened.spec
        self.label_space = opened.space
        self.max_batch = opened.max_batch
        self.wire = client.wire
        self.server_identity = client.server_identity.facts
        self.addresses = client.server_identity.addresses
        self.idempotent = client.idempotent
        self.status = ""
        spec = opened.spec
        shape = "x".join(map(str, spec.shape))
        self.fingerprint = "; ".join(
            (
                opened.base.shown,
                *opened.identity,
                f"{spec.encoding} {shape}",
                f"low {spec.low} high {spec.high}",
                f"access {spec.access}",
            )
        )
        self.description: dict[str, Any] = {
            "kind": "http",
            **({"name": target.name} if target.name else {}),
            "url": opened.base.shown,
            "presets": list(target.presets),
            "transport": client.transport,
            **({"proxy": client.proxy} if client.proxy else {}),
            "encoding": opened.spec.encoding,
            "access": opened.spec.access,
            "max_batch": opened.max_batch,
            **opened.description,
        }

    async def predict_labels(self, batch: Batch) -> Labels:
        """See :meth:`adapters.contract.LabelOracle.predict_labels`."""
        return await self.predict_labels_as(batch, "")

    async def predict_labels_as(self, batch: Batch, key: str) -> Labels:
        """See :meth:`adapters.contract.IdempotentOracle.predict_labels_as`."""
        checked = check_batch(batch, self.input_spec, self.max_batch)
        wire = self._format
        try:
            out = wire.encode(checked)
            headers = {**out.headers, **self._client.key_header(key)}
            reply = await self._client.send(
                self._method, self._endpoint, out.body, headers, inputs=len(checked)
            )
            try:
                if self._poller is not None:
                    reply = await self._poller.answer(reply)
                labels = wire.decode(reply, len(checked))
                labels = check_labels(labels, len(checked), self.label_space.size)
            except BadReply as error:
                raise self._client.odd(reply, self._endpoint, error) from None
            except EndpointError as error:
                error.status = error.status or f"{reply.outcome} without labels"
                raise
        except UNREADABLE as error:
            self._change_format(wire, error)
            raise
        self._fallback = None
        # Nothing is awaited from here on, so the caller reads the status of its own reply.
        self.status = reply.outcome
        if wire.version:
            self.server_identity["model_version"] = wire.version
        return labels

    def _change_format(self, used: WireFormat, error: EndpointError) -> None:
        """Take the fallback from now on if nothing was ever answered in ``used``, and retry. A
        server that is down or not ready says nothing about the format.
        """
        if error.advice.unsent or (error.advice.kind == "outage" and error.status):
            return
        if isinstance(error, BadReply) and not self._doubted:
            self._doubted = True  # one odd success is no reason to ask differently for good
            return
        if self._fallback is not None:
            self._format, self._fallback = self._fallback, None
            self.description["fallback"] = f"the first request could not be read: {error}"
        if used is not self._format:
            again = ServerFailed(
                f"the server did not read a request and is asked in another format ({error})",
                RetryAdvice("transient", outcome_unknown=error.advice.outcome_unknown),
            )
            again.status = error.status
            raise again from error

    def identity(self) -> dict[str, Any]:
        """See :meth:`adapters.contract.RemoteOracle.identity`."""
        return self._client.server_identity.record(str(self.description["url"]))

    def request_bytes(self, n: int) -> int:
        """Estimated bytes on the wire of one request with ``n`` inputs, its head included."""
        return HEADER_BYTES + self._format.body_bytes(n)

    def take_pace_hint(self) -> PaceHint | None:
        """See :meth:`adapters.contract.LabelOracle.take_pace_hint`."""
        return self._client.take_pace_hint()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()


def comfortable_batch(body_bytes: int) -> int:
    """Default inputs per request: 64, or as many as fit 8 MiB if one has ``body_bytes``."""
    return max(1, min(DEFAULT_BATCH, _COMFORTABLE_BYTES // max(1, body_bytes)))


def known_name(space: LabelSpace, name: str) -> int:
    """Index of the class called ``name`` by the server, in its composed form (NFC): one name
    written in two ways is one class. Raises BadReply if it is unknown in a closed space, or no text
    that a report could hold.
    """
    # JSON may smuggle in half a character, which does not survive UTF-8.
    if not name or len(name) > 200 or any("\ud800" <= c <= "\udfff" for c in name):
        raise BadReply(f"the target answered with {printable(name, 40)!r}, which is no class name")
    index = space.index(unicodedata.normalize("NFC", name))
    if index is None:
        raise BadReply(
            f"the target named the class {printable(name)!r}, which is not in classes"
            + _near(space, name)
        )
    return index


def _near(space: LabelSpace, name: str) -> str:
    """The end of the sentence if a listed name differs in case, spaces or marks only, or is the
    only one in a sentence.
    """
    plain = _plain(name)
    near = next((one for one in space.names if plain and _plain(one) == plain), None)
    if near is None:
        words = " ".join(["", *re.findall(r"\w+", name.casefold()), ""])
        inside = [one for one in space.names if f" {one.casefold()} " in words]
        if len(inside) != 1:
            return ""
        return (
            '; where the target answers in sentences, kind = "chosen" in [response] reads the '
            f"one class that each names, here {printable(inside[0])!r}"
        )
    pair = f"{json.dumps(name, ensure_ascii=False)} = {json.dumps(near, ensure_ascii=False)}"
    return f"; nearest is {printable(near)!r}: put rename = {{{printable(pair)}}} into [response]"


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())
