"""From a plan to requests: the missing inputs, a batch at a time, none twice."""

from __future__ import annotations

import hashlib
import itertools
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from adapters.contract import Batch, InputSpec
from auditor.engine.dedup import KEY_BYTES, TakenInputs
from auditor.engine.store import NOT_ASKED, StoredProbe
from auditor.probes.base import FixedProbe

_NO_INPUTS = np.empty((0, 0, 0, 0), dtype=np.float32)

Duplicates = tuple[int, NDArray[np.int64], NDArray[np.int64]]
"""Number of a probe, inputs of it that equal inputs asked before, and the labels those got."""

Order = NDArray[np.int64]
"""``(n, 2)``: number of a probe and of one of its inputs, in the order to ask them."""

TOGETHER, TOGETHER_BYTES = 64, 1 << 20
"""Most inputs that are built at once although they travel in smaller requests."""

Again = Sequence[tuple[int, NDArray[np.int64]]]
"""One request of an earlier run: for each probe its number, and the numbers of its inputs."""


@dataclass(slots=True)
class Request:
    """One request's worth of inputs, and the tensors to send.

    Attributes:
        probes: ``(n,)`` for each input the number of its probe in the plan.
        items: ``(n,)`` for each input its number there.
        batch: ``(n, c, h, w)`` the inputs themselves.
        keys: digest of each input; empty if its probe repeats inputs on purpose.
        sends: how often these inputs were sent already.
        odd: how often a success without usable labels came back.
        asker: the same for all parts of a request.
    """

    probes: NDArray[np.int64]
    items: NDArray[np.int64]
    batch: Batch
    keys: list[bytes]
    sends: int = 0
    odd: int = 0
    asker: object = field(default_factory=object)

    def part(self, which: slice) -> Request:
        """The same request for some of its inputs; shares their memory."""
        part = self.some(which)
        part.sends, part.asker = self.sends, self.asker
        return part

    def some(self, which: slice | list[int]) -> Request:
        """A request of its own, of some of its inputs."""
        keys = self.keys[which] if isinstance(which, slice) else [self.keys[i] for i in which]
        return Request(self.probes[which], self.items[which], self.batch[which], keys)

    def by_probe(self) -> list[tuple[int, NDArray[np.int64]]]:
        """Number of each probe asked, and the positions of its inputs, by their numbers."""
        return _by_probe(self.probes, self.items)

    def release(self) -> None:
        """Let go of the inputs: an exception's traceback may keep this object for a while."""
        self.batch = _NO_INPUTS


def _by_probe(
    probes: NDArray[np.int64], items: NDArray[np.int64]
) -> list[tuple[int, NDArray[np.int64]]]:
    if not len(probes):
        return []
    alone = len(probes) == 1
    if alone or ((probes == probes[0]).all() and (items[1:] >= items[:-1]).all()):  # nearly always
        return [(int(probes[0]), np.arange(len(items)))]
    order = np.lexsort((items, probes))
    starts = np.flatnonzero(np.diff(probes[order])) + 1
    return [(int(probes[group[0]]), group) for group in np.split(order, starts)]


def _mixed(
    probes: NDArray[np.int64], items: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The same inputs in an order that looks random and depends on nothing but the inputs, so
    that sending them again sends the same request.
    """
    mix = probes.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + items.astype(np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mix = (mix ^ (mix >> np.uint64(shift))) * np.uint64(factor)
    order = np.argsort(mix ^ (mix >> np.uint64(31)), kind="stable")
    return probes[order], items[order]


def _each_mixed(order: Order, batch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Probes and inputs of ``order``, each ``batch`` of them mixed for itself."""
    parts = [order[start : start + batch] for start in range(0, len(order), batch)]
    numbers, items = zip(*(_mixed(part[:, 0], part[:, 1]) for part in parts), strict=True)
    return np.concatenate(numbers), np.concatenate(items)


class RequestSource:
    """Builds the requests of a plan one after the other, each when it is asked for.

    Args:
        probes: the plan.
        stored: labels known so far of each probe.
        spec: form of an input as sent, by which identical inputs are found.
        batch: most inputs per request; may be lowered at any time.
        again: requests that earlier runs sent without seeing an answer. They are asked first,
            unchanged, so that a server that knows a request by its key sees the same one.

    Attributes:
        waiting: inputs that need not be asked, by the place of the one that they equal.
    """

    def __init__(
        self,
        probes: Sequence[FixedProbe],
        stored: Sequence[StoredProbe],
        spec: InputSpec,
        batch: int,
        again: Sequence[Again] = (),
    ) -> None:
        self._again = again
        self._asked_again: dict[int, set[int]] = {}
        self._probes = probes
        # A step of a search is asked alone, and its pictures are hashed already.
        self._hashes = getattr(probes[0], "hashes", None) if len(probes) == 1 else None
        self._known = [probe.labels for probe in stored]
        self._spec = spec
        self.batch = batch
        self._together = min(TOGETHER, TOGETHER_BYTES // (4 * spec.size))
        # Taken now: answers that arrive later must not look like labels of an earlier run.
        self.missing = [known == NOT_ASKED for known in self._known]
        self._learned: set[int] = set()
        # An input's place is its number counted through all probes.
        self._starts = [0, *itertools.accumulate(probe.size for probe in probes)]
        self._taken = TakenInputs(self._starts[-1])
        self._built: dict[int, bytes] = {}
        self.waiting: dict[int, list[tuple[int, int]]] = defaultdict(list)

    def steps(self, order: Order | None = None) -> Iterator[Request | None]:
        """Requests for the missing inputs of ``order``, or for all probe by probe if it is None.

        Yields None after a batch's worth of work that led to no request, so that a worker waiting
        for one holds up others for no longer than one batch takes.
        """
        return self._in_sequence() if order is None else self._in_order(order)

    def _in_sequence(self) -> Iterator[Request | None]:
        yield from self._ask_again(mixed=False)
        last = max((n for n, missing in enumerate(self.missing) if missing.any()), default=-1)
        for number in range(last + 1):
            yield from self._learn_known(number)
            missing = np.flatnonzero(self.missing[number])
            missing = missing[~self._was_asked_again(number, missing)]
            yield from self._requests(np.full(len(missing), number), missing)

    def _in_order(self, order: Order) -> Iterator[Request | None]:
        yield from self._ask_again(mixed=True)
        order = order[self._are_missing(order)]
        if not len(order):
            return
        for number in range(len(self._probes)):
            yield from self._learn_known(number)
        for part in self._parts(len(order), self._together):
            yield from self._requests(*_each_mixed(order[part], self.batch))

    def _requests(
        self, numbers: NDArray[np.int64], items: NDArray[np.int64]
    ) -> Iterator[Request | None]:
        """The requests of these inputs. Small ones are built many at a time, since what a call of
        numpy costs is more than what a small input costs.
        """
        for block in self._parts(len(items), self._together):
            if len(items[block]) <= self.batch:
                # No name for them: this frame lives on, and must not keep the inputs alive.
                yield self._fresh(self._all_of(numbers[block], items[block]))
                continue
            made = self._all_of(numbers[block], items[block])
            for part in self._parts(len(made.items)):
                yield self._fresh(made.some(part))

    def _parts(self, count: int, together: int = 1) -> Iterator[slice]:
        """Slices of ``count`` inputs, each of one batch, which may be lowered meanwhile, or of as
        many whole ones as hold ``together`` inputs.
        """
        start = 0
        while start < count:
            part = slice(start, start + self.batch * max(1, together // self.batch))
            start = part.stop
            yield part

    def _are_missing(self, order: Order) -> NDArray[np.bool_]:
        missing = np.zeros(len(order), dtype=bool)
        for number, where in _by_probe(order[:, 0], order[:, 1]):
            items = order[where, 1]
            missing[where] = self._known[number][items] == NOT_ASKED
            missing[where] &= ~self._was_asked_again(number, items)
        return missing

    def answered_duplicates(self) -> list[Duplicates]:
        """Inputs that need not be asked, as far as the labels of the inputs that they equal are
        committed; each only once.

        Never while a step is under way in a thread: both change the list of duplicates.
        """
        found: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for place in list(self.waiting):
            number, item = self._probe_at(place)
            label = int(self._known[number][item])
            if label != NOT_ASKED:
                for twin, twin_item in self.waiting.pop(place):
                    found[twin].append((twin_item, label))
        return [
            (number, *np.array(sorted(pairs), dtype=np.int64).T) for number, pairs in found.items()
        ]

    def _ask_again(self, *, mixed: bool) -> Iterator[Request | None]:
        """The requests of earlier runs whose answer was never seen, once."""
        again, self._again = self._again, ()
        for number, items in itertools.chain.from_iterable(again):
            self._asked_again.setdefault(number, set()).update(items.tolist())
        for request in again:
            numbers = np.concatenate([np.full(len(items), number) for number, items in request])
            items = np.concatenate([items for _, items in request])
            if mixed:
                numbers, items = _mixed(numbers, items)
            yield from self._requests(numbers, items)

    def _was_asked_again(self, number: int, items: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.isin(items, list(self._asked_again.get(number, ())))

    def _probe_at(self, place: int) -> tuple[int, int]:
        """Number of the probe that an input belongs to, and of the input there."""
        number = bisect_right(self._starts, place) - 1
        return number, place - self._starts[number]

    def _key_at(self, place: int) -> bytes:
        """Key of the input at ``place``, which is made again unless it was made just now."""
        if place in self._built:
            return self._built[place]
        number, item = self._probe_at(place)
        return self._keys(number, np.array([item]))[0]

    def _keys(
        self, number: int, items: NDArray[np.int64], batch: Batch | None = None
    ) -> list[bytes]:
        """Keys of the inputs ``items`` of a probe, which are made if there is no ``batch``."""
        if self._hashes is not None:
            return [self._hashes[item][:KEY_BYTES] for item in items.tolist()]
        return input_keys(
            self._spec, self._probes[number].inputs(items) if batch is None else batch
        )

    def _learn_known(self, number: int) -> Iterator[None]:
        """Let inputs that are still missing find an identical one that was paid for earlier."""
        probe = self._probes[number]
        if probe.repeat or number in self._learned:
            return
        self._learned.add(number)
        known = np.flatnonzero(~self.missing[number])
        for part in self._parts(len(known)):
            items = known[part]
            keys = self._keys(number, items)
            for item, key in zip(items.tolist(), keys, strict=True):
                self._taken.take(key, self._starts[number] + item, self._key_at)
            yield None

    def _all_of(self, numbers: NDArray[np.int64], items: NDArray[np.int64]) -> Request:
        """These inputs, whether or not they equal one that was asked already."""
        batch, repeated = self._inputs(numbers, items)
        keys = [b""] * len(items) if repeated.all() else self._keys(int(numbers[0]), items, batch)
        for position in np.flatnonzero(repeated).tolist():
            keys[position] = b""
        return Request(numbers, items, batch, keys)

    def _fresh(self, request: Request) -> Request | None:
        """``request`` without inputs identical to one asked already; None if none is left."""
        fresh = []
        probes, items = request.probes.tolist(), request.items.tolist()
        for position, key in enumerate(request.keys):
            place = self._starts[probes[position]] + items[position]
            twin = self._taken.take(key, place, self._key_at) if key else None
            if twin is None:
                self._built[place] = key
                fresh.append(position)
            else:
                self.waiting[twin].append((probes[position], items[position]))
        self._built.clear()
        if len(fresh) == len(request.keys):
            return request
        return request.some(fresh) if fresh else None

    def _inputs(
        self, numbers: NDArray[np.int64], items: NDArray[np.int64]
    ) -> tuple[Batch, NDArray[np.bool_]]:
        """The inputs themselves, and a mask of those that are asked again on purpose."""
        first = int(numbers[0])
        if (numbers == first).all():
            probe = self._probes[first]
            return probe.inputs(items), np.full(len(items), probe.repeat)
        batch = np.empty((len(items), *self._spec.shape), dtype=np.float32)
        repeated = np.zeros(len(items), dtype=bool)
        for number, where in _by_probe(numbers, items):
            batch[where] = self._probes[number].inputs(items[where])
            repeated[where] = self._probes[number].repeat
        return batch, repeated


def input_keys(spec: InputSpec, batch: Batch) -> list[bytes]:
    """Keys that identical inputs share: the first 16 bytes of the SHA-256 of what is sent."""
    sent = spec.to_pixels(batch) if spec.access == "image" else batch
    return [hashlib.sha256(row).digest()[:KEY_BYTES] for row in np.ascontiguousarray(sent)]
