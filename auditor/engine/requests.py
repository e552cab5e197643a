"""From a plan to requests: what is missing, a batch at a time, no input twice."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.contract import Batch, InputSpec, Labels
from auditor.engine.store import NOT_ASKED, StoredProbe
from auditor.probes.base import FixedProbe

_NO_INPUTS = np.empty((0, 0, 0, 0), dtype=np.float32)

Twins = tuple[int, NDArray[np.int64], NDArray[np.int64]]
"""Number of a probe, inputs of it that equal inputs asked before, and the labels those got."""


@dataclass(slots=True)
class Request:
    """One request's worth of inputs: which of which probe, and the tensors to send.

    Attributes:
        probe: number of the probe in the plan.
        items: ``(n,)`` numbers of its inputs, ascending.
        batch: ``(n, c, h, w)`` the inputs themselves.
        keys: digest of each input; empty where the probe repeats inputs on purpose.
        sends: how often these inputs were sent already.
    """

    probe: int
    items: NDArray[np.int64]
    batch: Batch
    keys: list[bytes]
    sends: int = 0

    def part(self, which: slice) -> Request:
        """The same request for some of its inputs; shares their memory."""
        return Request(
            self.probe, self.items[which], self.batch[which], self.keys[which], self.sends
        )

    def release(self) -> None:
        """Let go of the inputs: an exception's traceback may keep this object for a while."""
        self.batch = _NO_INPUTS


class RequestSource:
    """Builds the requests of a plan one after the other, each when it is asked for.

    Args:
        probes: the plan, in the order to ask.
        stored: labels known so far of each probe.
        spec: decides what is sent for an input, and so which inputs are identical.
        batch: most inputs per request; may be lowered at any time.
    """

    def __init__(
        self,
        probes: Sequence[FixedProbe],
        stored: Sequence[StoredProbe],
        spec: InputSpec,
        batch: int,
    ) -> None:
        self._probes = probes
        self._known = [probe.labels for probe in stored]
        self._spec = spec
        self.batch = batch
        # Taken now: answers that arrive later must not look like labels of an earlier run.
        self.missing = [probe.missing() for probe in stored]
        self._answers: dict[bytes, int] = {}
        self._twins: dict[int, list[tuple[int, bytes]]] = defaultdict(list)
        self._news = False

    def steps(self) -> Iterator[Request | None]:
        """Yield requests, and None after a batch's worth of work that led to none.

        So nobody who waits for a request holds up others for longer than one batch takes.
        """
        last = max((n for n, missing in enumerate(self.missing) if len(missing)), default=-1)
        for number, probe in enumerate(self._probes[: last + 1]):
            if not probe.repeat:
                yield from self._learn_known(number, probe)
            missing = self.missing[number]
            position = 0
            while position < len(missing):
                items = missing[position : position + self.batch]
                position += len(items)
                # No name for it: this frame lives on, and must not keep the inputs alive.
                yield self._build(number, probe, items)

    def answered(self, request: Request, labels: Labels) -> None:
        """Let later inputs that equal those of ``request`` have its ``labels``."""
        if request.keys:
            self._answers.update(zip(request.keys, labels.tolist(), strict=True))
            self._news = True

    def settled_twins(self) -> list[Twins]:
        """Inputs that need not be asked, as far as their labels are known; each only once.

        Never while a step is under way in a thread: both change the list of twins.
        """
        if not self._news or not self._twins:
            return []
        self._news = False
        settled = []
        for number, pairs in list(self._twins.items()):
            answers = [(item, key, self._answers[key]) for item, key in pairs]
            known = sorted((item, label) for item, _, label in answers if label >= 0)
            self._twins[number] = [(item, key) for item, key, label in answers if label < 0]
            if not self._twins[number]:
                del self._twins[number]
            if known:
                items, labels = np.array(known, dtype=np.int64).T
                settled.append((number, items, labels))
        return settled

    def _learn_known(self, number: int, probe: FixedProbe) -> Iterator[None]:
        """Let inputs that are still missing find an identical one that was paid for earlier."""
        labels = self._known[number].astype(np.int64)
        labels[self.missing[number]] = NOT_ASKED
        known = np.flatnonzero(labels != NOT_ASKED)
        position = 0
        while position < len(known):
            items = known[position : position + self.batch]
            position += len(items)
            for item, key in zip(items, self._keys(probe.inputs(items)), strict=True):
                self._answers.setdefault(key, int(labels[item]))
            yield None

    def _build(self, number: int, probe: FixedProbe, items: NDArray[np.int64]) -> Request | None:
        """Build the inputs ``items`` without those identical to one asked already."""
        batch = probe.inputs(items)
        if probe.repeat:
            return Request(number, items, batch, [])
        keys = self._keys(batch)
        fresh = []
        for position, key in enumerate(keys):
            label = self._answers.get(key)
            if label is not None:
                self._twins[number].append((int(items[position]), key))
                self._news = self._news or label >= 0
            else:
                self._answers[key] = -1
                fresh.append(position)
        if len(fresh) == len(keys):
            return Request(number, items, batch, keys)
        if not fresh:
            return None
        return Request(number, items[fresh], batch[fresh], [keys[i] for i in fresh])

    def _keys(self, batch: Batch) -> list[bytes]:
        """What makes two inputs identical: the digest of what is sent for them."""
        sent = self._spec.to_pixels(batch) if self._spec.access == "image" else batch
        return [hashlib.sha256(row).digest()[:16] for row in np.ascontiguousarray(sent)]
