"""What was seen of the other side, for the record: addresses, certificate, headers, clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from adapters.http.transport.addresses import AddressGuard

_HEADER = "header "


class Sighting:
    """Collects what replies give away about their sender.

    Args:
        guard: resolves the endpoint's host.
        now: UTC seconds.
    """

    def __init__(self, guard: AddressGuard, now: Callable[[], float] = time.time) -> None:
        self._guard = guard
        self._now = now
        self._offsets: tuple[float, float] | None = None

    @property
    def addresses(self) -> Collection[str]:
        """Every address that the host's name led to so far."""
        return self._guard.seen

    def reply(self, headers: Mapping[str, str]) -> None:
        """Note a reply's clock; its Date header has whole seconds and the network's delay."""
        try:
            theirs = parsedate_to_datetime(headers["date"]).timestamp()
        except (KeyError, ValueError, OverflowError):
            return
        offset = theirs - self._now()
        low, high = self._offsets or (offset, offset)
        self._offsets = min(low, offset), max(high, offset)

    def identity(self, url: str, origin: Mapping[str, str]) -> dict[str, Any]:
        """See :meth:`adapters.contract.Identified.identity`.

        Args:
            url: the endpoint, without its secrets.
            origin: what replies said about their sender, by name.
        """
        offsets = self._offsets
        return {
            "url": url,
            "addresses": sorted(self._guard.seen),
            "certificate": origin.get("TLS certificate"),
            "headers": {
                name.removeprefix(_HEADER): value
                for name, value in sorted(origin.items())
                if name.startswith(_HEADER)
            },
            "model_version": origin.get("model_version"),
            "clock_offset_s": None
            if offsets is None
            else {"low": round(offsets[0], 1), "high": round(offsets[1], 1)},
        }
