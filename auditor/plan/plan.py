"""The audit plan: everything decided before the first query, seeded and hashed.

A plan is pure data and complete before anything is sent; all that comes after the engine is
pure computation on labels.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.errors import SamplesError
from auditor.measured import decision_rule
from auditor.plan.draw import (
    CANARY_STREAM,
    MAX_SOURCED,
    NET_STREAM,
    ORDER_STREAM,
    PERTURBATION_STREAM,
    SOURCES,
    draw_in_turn,
    draw_triplets,
    pick_hunted,
)
from auditor.plan.settings import FAMILY_QUERIES, FAMILY_ROUNDS, ROUND_PLANES, AuditSettings
from auditor.probes.base import FixedProbe, array_digest, digest_of
from auditor.probes.label_map import most_queries
from auditor.probes.net_points import ScatterProbe
from auditor.probes.perturbations.catalogue import CATALOGUE
from auditor.probes.perturbations.probe import FamilyProbe
from auditor.probes.plane import NoPlaneError, PlaneProbe
from auditor.probes.samples import CanaryProbe, SampleProbe, pick_canaries
from auditor.probes.trigger_search.per_source import most_source_queries
from auditor.probes.trigger_search.settings import TriggerSettings

OPENING_ROUNDS = 2
"""Rounds of the frugal sampler's planes that are asked before anything else: enough to see whether
the answers are usable, and to hold as many inputs as are to be repeated."""
SECOND_LOOKS = 250
"""With them a vendor that answers every fiftieth query from another model is told from a model
that is unsteady once in a thousand queries; without a flipped canary nobody pays for them."""


@dataclass(frozen=True)
class AuditPlan:
    """What will be asked.

    Attributes:
        settings: as given.
        triplets: ``(planes, 3)`` sample indices, three true classes each.
        used: indices of the samples that occur in a triplet, ascending.
        samples: probe that asks those samples themselves, to count what the model gets wrong.
        planes: one probe per triplet.
        canaries: probe that asks some inputs again, or None.
        second_looks: more repeats, asked after everything else and only where some canaries got
            another label, but too few to tell why; None without canaries.
        hunted: indices of the samples the trigger search works on; empty where there is none.
        hunted_images: those samples, ``(n, c, h, w)`` in model units.
        hunted_classes: their true classes, ``(n,)``.
        trigger: settings of the trigger search.
        families: probes that ask the decision rule's families, and first of all the samples
            they disturb; empty where there are none.
        disturbed: indices of those samples.
    """

    settings: AuditSettings
    triplets: NDArray[np.int64]
    used: NDArray[np.int64]
    samples: SampleProbe
    planes: tuple[PlaneProbe | ScatterProbe, ...]
    canaries: CanaryProbe | None
    second_looks: CanaryProbe | None
    hunted: NDArray[np.int64]
    hunted_images: NDArray[np.float32]
    hunted_classes: NDArray[np.int64]
    trigger: TriggerSettings = field(default_factory=TriggerSettings)
    families: tuple[SampleProbe | FamilyProbe, ...] = ()
    disturbed: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    @property
    def probes(self) -> tuple[FixedProbe, ...]:
        """Every probe: samples, planes, canaries. :meth:`orders` says when each input is asked."""
        last: tuple[FixedProbe, ...] = () if self.canaries is None else (self.canaries,)
        return (self.samples, *self.planes, *last)

    @property
    def rounds(self) -> int:
        """Number of rounds the planes are asked in."""
        return -(-len(self.planes) // self._per_round)

    @property
    def _per_round(self) -> int:
        return ROUND_PLANES[self.settings.sampler]

    def orders(self) -> Iterator[NDArray[np.int64]]:
        """What each round asks, in the order it is sent: ``(n, 2)``, index into :attr:`probes`
        and input number there. Every input of the plan occurs once.

        A round holds some planes, the samples that no earlier round asked, and canaries of
        inputs that this round or an earlier one asks, all in one random order. The order
        depends on the samples too, so that somebody who knows the seed alone cannot follow it.
        """
        canary_rounds = self._canary_rounds()
        secret = int(self.samples.digest[:16], 16)
        for number in range(self.rounds):
            parts = [
                (0, np.flatnonzero(self._sample_rounds == number)),
                *((1 + plane, np.arange(self.planes[plane].size)) for plane in self._round(number)),
                (1 + len(self.planes), np.flatnonzero(canary_rounds == number)),
            ]
            order = np.concatenate(
                [np.stack([np.full(len(items), probe), items], axis=1) for probe, items in parts]
            )
            rng = np.random.default_rng([self.settings.seed, ORDER_STREAM, number, secret])
            yield order[rng.permutation(len(order))]

    def opening(self) -> Iterator[NDArray[np.int64]]:
        """The rounds, as :meth:`orders` gives them, that are asked before anything else where
        planes may be left out: a few of the frugal sampler's, all of the paper's.
        """
        rounds = OPENING_ROUNDS if self.settings.sampler == "frugal" else self.rounds
        return islice(self.orders(), rounds)

    def _round(self, number: int) -> range:
        start = number * self._per_round
        return range(start, min(start + self._per_round, len(self.planes)))

    @cached_property
    def _sample_rounds(self) -> NDArray[np.int64]:
        """The round that asks each used sample: that of the first plane through it."""
        rounds = np.zeros(len(self.used), dtype=np.int64)
        for plane in reversed(range(len(self.planes))):
            rounds[np.searchsorted(self.used, self.triplets[plane])] = plane // self._per_round
        return rounds

    def _canary_rounds(self) -> NDArray[np.int64]:
        """The round of each canary: any from that of its source on, evenly."""
        if self.canaries is None:
            return np.empty(0, dtype=np.int64)
        probe, item = self.canaries.picks.T
        of_sample = self._sample_rounds[np.where(probe == 0, item, 0)]
        first = np.where(probe == 0, of_sample, (probe - 1) // self._per_round)
        rng = np.random.default_rng([self.settings.seed, ORDER_STREAM])
        return rng.integers(first, self.rounds)

    @property
    def queries(self) -> int:
        """Number of inputs the plan holds, without the trigger search's."""
        return sum(probe.size for probe in self.probes)

    @cached_property
    def pictured(self) -> tuple[PlaneProbe, ...]:
        """The grids of the planes that are drawn by refinement: the plan's first ones."""
        settings = self.settings
        return tuple(
            PlaneProbe(probe.samples, settings.expansion, settings.density)
            for probe in self.planes[: settings.pictures]
        )

    @property
    def most_picture_queries(self) -> int:
        """Most queries the pictures ask."""
        return sum(most_queries(probe.density) for probe in self.pictured)

    @property
    def most_second_looks(self) -> int:
        """Repeats that are asked where canaries flipped."""
        return 0 if self.second_looks is None else self.second_looks.size

    def moments(self) -> list[NDArray[np.float64]]:
        """When each input of each probe is asked, as a share of the plan from 0 to 1."""
        moments = [np.zeros(probe.size) for probe in self.probes]
        position = 0
        for order in self.orders():
            for number in np.unique(order[:, 0]):
                where = np.flatnonzero(order[:, 0] == number)
                moments[number][order[where, 1]] = (position + where) / max(1, self.queries)
            position += len(order)
        return moments

    @property
    def family_queries(self) -> int:
        """Number of inputs of the families, the samples they disturb included."""
        return sum(probe.size for probe in self.families)

    def family_orders(self) -> Iterator[NDArray[np.int64]]:
        """What each round of the families asks, as :meth:`orders` gives it.

        The first round holds the samples that are disturbed; every round holds a random part of
        each family, as large as the next round's, all in one random order. So whatever was
        answered so far is a fair draw of every family's inputs.
        """
        secret = int(self.samples.digest[:16], 16)
        rng = np.random.default_rng([self.settings.seed, PERTURBATION_STREAM, secret])
        parts = [
            np.array_split(rng.permutation(probe.size), FAMILY_ROUNDS)
            if isinstance(probe, FamilyProbe)
            else [np.arange(probe.size)]
            for probe in self.families
        ]
        for turn in range(FAMILY_ROUNDS):
            held = [(n, part[turn]) for n, part in enumerate(parts) if turn < len(part)]
            order = np.concatenate(
                [np.stack([np.full(len(items), n), items], axis=1) for n, items in held]
            )
            yield order[rng.permutation(len(order))]

    @property
    def most_trigger_queries(self) -> int:
        """Most queries the trigger search asks; it often ends much earlier."""
        if not len(self.hunted):
            return 0
        return self.trigger.most_queries + most_source_queries(self.trigger, len(self.hunted))

    @cached_property
    def digest(self) -> str:
        """Digest of settings and inputs: equal plans ask equal questions."""
        settings = json.dumps(asdict(self.settings), sort_keys=True)
        search = (
            f"{self.trigger!r} {self.hunted_classes.tolist()} {array_digest(self.hunted_images)}"
        )
        probes = (*self.probes, *self.families)
        return digest_of("plan/2", settings, search, *(probe.digest for probe in probes))

    def as_dict(self, refs: Sequence[str | int]) -> dict[str, Any]:
        """The plan as JSON-able data; ``refs`` names the samples."""
        return {
            "plan_digest": self.digest,
            "settings": asdict(self.settings),
            "queries": self.queries,
            "rounds": self.rounds,
            "pictures": {
                "planes": self.settings.pictures,
                "most_queries": self.most_picture_queries,
            },
            "second_looks": {
                "most_queries": self.most_second_looks,
                "digest": None if self.second_looks is None else self.second_looks.digest,
            },
            "trigger_search": {
                "most_queries": self.most_trigger_queries,
                "settings": asdict(self.trigger),
                "samples": [refs[index] for index in self.hunted],
            },
            "families": {
                "queries": self.family_queries,
                "probes": [
                    {
                        "key": probe.family.key if isinstance(probe, FamilyProbe) else "samples",
                        "digest": probe.digest,
                        "size": probe.size,
                    }
                    for probe in self.families
                ],
            },
            "triplets": [[refs[index] for index in triplet] for triplet in self.triplets],
            "probes": [
                {"kind": probe.kind, "digest": probe.digest, "size": probe.size}
                for probe in self.probes
            ],
        }


def build_plan(
    images: NDArray[np.float32],
    classes: NDArray[np.int64],
    refs: Sequence[str | int],
    settings: AuditSettings,
    spec: InputSpec | None = None,
) -> AuditPlan:
    """Decide everything that will be asked.

    Args:
        images: ``(n, c, h, w)`` samples in model units.
        classes: ``(n,)`` true class of each.
        refs: name of each sample, for messages.
        settings: the audit's settings.
        spec: what the model takes; the families need it.

    Raises:
        SamplesError: too few samples, or three that span no plane.
    """
    frugal = settings.sampler == "frugal"
    draw = draw_in_turn if frugal else draw_triplets
    triplets = draw(classes, settings.planes, settings.seed)
    planes = (
        _scattered(images, triplets, settings) if frugal else _grids(images, triplets, settings)
    )
    for number, triplet in enumerate(triplets):
        try:
            _ = planes[number].plane
        except NoPlaneError as error:
            names = ", ".join(str(refs[index]) for index in triplet)
            raise SamplesError(f"samples {names} span no plane: {error}") from error
    used = np.unique(triplets)
    samples = SampleProbe(images[used])
    canaries = second_looks = None
    if settings.canaries:
        rng = np.random.default_rng([settings.seed, CANARY_STREAM])
        opening = min(len(planes), OPENING_ROUNDS * ROUND_PLANES["frugal"]) if frugal else -1
        canaries, second_looks = pick_canaries(
            (samples, *planes), settings.canaries, SECOND_LOOKS, rng, 1 + opening
        )
    disturbed = pick_hunted(classes, settings.seed)
    hunted = disturbed if settings.trigger_search else disturbed[:0]
    if settings.per_source and len(hunted):
        hunted = pick_hunted(classes, settings.seed, MAX_SOURCED)
    families: tuple[SampleProbe | FamilyProbe, ...] = ()
    if settings.families and spec is not None and len(disturbed):
        families = build_families(images[disturbed], spec, settings.seed)
    return AuditPlan(
        settings,
        triplets,
        used,
        samples,
        planes,
        canaries,
        second_looks,
        hunted,
        images[hunted],
        classes[hunted],
        TriggerSettings(sources=SOURCES if settings.per_source else 0),
        families=families,
        disturbed=disturbed if families else disturbed[:0],
    )


def _grids(
    images: NDArray[np.float32], triplets: NDArray[np.int64], settings: AuditSettings
) -> tuple[PlaneProbe, ...]:
    return tuple(
        PlaneProbe(images[triplet], settings.expansion, settings.density) for triplet in triplets
    )


def _scattered(
    images: NDArray[np.float32], triplets: NDArray[np.int64], settings: AuditSettings
) -> tuple[ScatterProbe, ...]:
    return tuple(
        ScatterProbe(
            images[triplet],
            settings.expansion,
            settings.points,
            (settings.seed, NET_STREAM, number),
        )
        for number, triplet in enumerate(triplets)
    )


def build_families(
    samples: NDArray[np.float32], spec: InputSpec, seed: int
) -> tuple[SampleProbe | FamilyProbe, ...]:
    """The decision rule's families around ``samples`` ``(n, c, h, w)``, and the samples first.

    Their inputs are 8-bit pictures inside the range in both access modes.
    """
    order = np.random.default_rng([seed, PERTURBATION_STREAM]).permutation(len(samples))
    probes = [
        FamilyProbe(CATALOGUE[key], samples, order, spec, seed, FAMILY_QUERIES, pictures=True)
        for key in decision_rule().rule.keys
    ]
    return (SampleProbe(samples), *probes)
