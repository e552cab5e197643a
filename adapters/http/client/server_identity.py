"""Identity of the server, as its replies give it away: model, version, certificate, clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from adapters.http.transport.addresses import AddressGuard
from adapters.quoting import hidden, printable

VERSION_HEADERS = (
    "server",
    "model-version",
    "x-model-version",
    "x-model-id",
    "x-model-name",
    "x-model",
    "x-served-model",
    "x-api-version",
    "x-deployment",
    "x-deployment-id",
    "x-revision",
    "openai-version",
    "openai-model",
    "azureml-model-deployment",
    "x-ms-deployment-name",
    "x-amzn-invoked-production-variant",
    "x-amzn-sagemaker-model-version",
)
"""Headers whose change in the middle of an audit means that something else answers: a new
release, another variant of an A/B test, another server. Host and instance names are none: many
instances of one model are normal."""

_MAX_CHARS = 80
_HEADER = "header "
_CERTIFICATE = "TLS certificate"


class ServerIdentity:
    """Identity of the server behind one endpoint, as its replies state it; ``facts`` are the newest
    values by name, see :class:`adapters.contract.RemoteOracle`. ``now`` gives UTC seconds.
    """

    def __init__(self, guard: AddressGuard, now: Callable[[], float] = time.time) -> None:
        self.addresses: Collection[str] = guard.seen
        self._now = now
        self._offsets: tuple[float, float] | None = None
        self._date: tuple[str | None, float] = (None, 0.0)
        self.facts: dict[str, str] = {}

    def note(
        self, headers: Mapping[str, str], certificate: str = "", secrets: Iterable[str] = ()
    ) -> None:
        """Take in a good reply, without ``secrets`` that the server repeats; its headers match in
        lower case. An error may come from a proxy, whose headers say nothing about the model.
        """
        self.facts.update(version_headers(headers, secrets))
        if certificate:
            self.facts[_CERTIFICATE] = certificate
        # The reply's clock: its Date header has whole seconds and the network's delay.
        try:
            date, theirs = self._date
            if headers["date"] != date:
                theirs = parsedate_to_datetime(headers["date"]).timestamp()
                self._date = (headers["date"], theirs)
        except (KeyError, ValueError, OverflowError):
            return
        offset = theirs - self._now()
        low, high = self._offsets or (offset, offset)
        self._offsets = min(low, offset), max(high, offset)

    def record(self, url: str) -> dict[str, Any]:
        """See :meth:`adapters.contract.RemoteOracle.identity`; ``url`` has no secrets."""
        offsets = self._offsets
        return {
            "url": url,
            "addresses": sorted(self.addresses),
            "certificate": self.facts.get(_CERTIFICATE),
            "headers": {
                name.removeprefix(_HEADER): value
                for name, value in sorted(self.facts.items())
                if name.startswith(_HEADER)
            },
            "model_version": self.facts.get("model_version"),
            "clock_offset_s": None
            if offsets is None
            else {"low": round(offsets[0], 1), "high": round(offsets[1], 1)},
        }


def version_headers(headers: Mapping[str, str], secrets: Iterable[str] = ()) -> dict[str, str]:
    """The part of a reply's ``headers`` that names a server, safe to print, without ``secrets``."""
    return {
        f"{_HEADER}{name}": printable(hidden(headers[name].strip(), secrets), _MAX_CHARS)
        for name in VERSION_HEADERS
        if name in headers
    }
