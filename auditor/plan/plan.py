"""The audit plan: everything decided before the first query, seeded and hashed.

A plan is pure data and complete before anything is sent; all that comes after the engine is
pure computation on labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.plan import draw
from auditor.plan.digest import (
    BY_LABEL,
    BY_SOURCE,
    LARGER_BY_SOURCE,
    PLAN_VERSION,
    SECOND_BY_LABEL,
    SECOND_SEARCH,
    SMALL_TOLD,
    UNVERSIONED,
    PlanContent,
    lacking_settings,
    plan_digest,
    stated_by_label,
)
from auditor.plan.fixed_probes import (
    build_perturbations,
    build_planes,
    build_repeats,
    draw_triplets_of,
)
from auditor.plan.schedule import OPENING_ROUNDS, Schedule, perturbation_rounds
from auditor.plan.searches import (
    deeper_again,
    label_search,
    measured_by_class,
    measured_by_label,
    most_by_label,
    sources_of_version,
    trigger_of_version,
    trigger_search,
)
from auditor.plan.settings import ROUND_PLANES, AuditSettings
from auditor.probes.base import FixedProbe, array_digest
from auditor.probes.label_map import most_queries
from auditor.probes.label_search.settings import (
    AFTER_SUCCESS,
    Effort,
    LabelSearchSettings,
    searched_by_label,
)
from auditor.probes.net_points import NetPointsProbe
from auditor.probes.perturbations.probe import PerturbationProbe
from auditor.probes.plane import PlaneProbe
from auditor.probes.repeats import RepeatProbe
from auditor.probes.samples import SampleProbe
from auditor.probes.second_search import most_of_same_kind
from auditor.probes.trigger_search.by_source import most_by_source
from auditor.probes.trigger_search.per_source import most_source_queries
from auditor.probes.trigger_search.settings import TriggerSettings


@dataclass(frozen=True)
class AuditPlan:
    """Everything that will be asked.

    Attributes:
        settings: of the audit.
        triplets: ``(planes, 3)`` sample indices, three true classes each; none if the samples are
            of two classes.
        used: indices of the triplets' samples, ascending; without planes some of every class.
        samples: probe of those samples themselves, to count the model's errors.
        planes: one probe per triplet.
        repeats: probe that asks some inputs again, or None.
        extra_repeats: more of them, asked after everything else and only if some repeats got
            another label, but too few to distinguish the causes; None without repeats.
        search_samples, search_images, search_classes: samples of the trigger search: indices
            ``(n,)``, images ``(n, c, h, w)`` in model units, true classes ``(n,)``; or empty.
        trigger: settings of the trigger search.
        source_samples, source_images, source_classes: samples of the classes that it can search by
            themselves, likewise; or empty.
        by_label: settings of the search label by label, which takes the other's place or, of small
            pictures, follows it; or None.
        earlier: efforts of earlier searches label by label of the same model.
        looks: searches that its p-value pays for.
        perturbations: probe of the unperturbed samples and probes of the decision rule's
            perturbations; empty without any.
        perturbed: indices of those samples.
        judged_by_label: False if no small pictures like these were measured label by label.
        version: of the plan and its digest.
        recorded_digest: the digest on record, if images are missing to compute it.
    """

    settings: AuditSettings
    triplets: NDArray[np.int64]
    used: NDArray[np.int64]
    samples: SampleProbe
    planes: tuple[PlaneProbe | NetPointsProbe, ...]
    repeats: RepeatProbe | None
    extra_repeats: RepeatProbe | None
    search_samples: NDArray[np.int64]
    search_images: NDArray[np.float32]
    search_classes: NDArray[np.int64]
    trigger: TriggerSettings = field(default_factory=TriggerSettings)
    by_label: LabelSearchSettings | None = None
    perturbations: tuple[SampleProbe | PerturbationProbe, ...] = ()
    perturbed: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    judged_by_label: bool = True
    version: int = PLAN_VERSION
    recorded_digest: str | None = None
    source_samples: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    source_images: NDArray[np.float32] = field(
        default_factory=lambda: np.empty((0, 1, 1, 1), dtype=np.float32)
    )
    source_classes: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    earlier: tuple[Effort, ...] = ()
    looks: int = 1

    @property
    def probes(self) -> tuple[FixedProbe, ...]:
        """Samples, planes, repeats; :attr:`schedule` is their order."""
        return (self.samples, *self.planes, *([] if self.repeats is None else [self.repeats]))

    @cached_property
    def schedule(self) -> Schedule:
        """Rounds of :attr:`probes`."""
        return Schedule(
            seed=self.settings.seed,
            secret=self._secret,
            per_round=ROUND_PLANES[self.settings.sampler],
            opened=OPENING_ROUNDS if self.settings.sampler == "frugal" else len(self.planes),
            triplets=self.triplets,
            used=self.used,
            planes=tuple(probe.size for probe in self.planes),
            repeats=np.empty((0, 2), np.int64) if self.repeats is None else self.repeats.picks,
        )

    @property
    def _secret(self) -> int:
        return int(self.samples.digest[:16], 16)

    @property
    def queries(self) -> int:
        """Number of inputs of :attr:`probes`."""
        return sum(probe.size for probe in self.probes)

    @cached_property
    def mapped_planes(self) -> tuple[PlaneProbe, ...]:
        """Grids of the first planes, whose label maps are drawn by refinement."""
        return tuple(
            PlaneProbe(
                probe.samples, probe.expansion, self.settings.density,
                recorded_coordinates=probe.recorded_coordinates,
            )
            for probe in self.planes[: self.settings.pictures]
        )  # fmt: skip

    @property
    def most_map_queries(self) -> int:
        """Most queries that drawing the label maps asks."""
        return sum(most_queries(probe.density) for probe in self.mapped_planes)

    @property
    def most_extra_repeats(self) -> int:
        """Most repeats that are asked if some of the planned ones got another label."""
        return 0 if self.extra_repeats is None else self.extra_repeats.size

    @property
    def perturbation_queries(self) -> int:
        """Number of inputs of the perturbations, unperturbed samples included."""
        return sum(probe.size for probe in self.perturbations)

    def perturbation_rounds(self) -> Iterator[NDArray[np.int64]]:
        """Rounds of :attr:`perturbations`."""
        sizes = [probe.size for probe in self.perturbations]
        return perturbation_rounds(sizes, self.settings.seed, self._secret)

    @property
    def most_trigger_queries(self) -> int:
        """Most queries the trigger search asks; it often ends much earlier."""
        samples = len(self.search_samples)
        if not samples:
            return 0
        others = self._most_by_source + self.most_second_queries
        if self.by_label is not None:
            others += most_by_label(self.by_label, samples, self.version)
        return others if self.by_label_only else others + self.trigger.most_queries

    @property
    def most_second_queries(self) -> int:
        """Those of a second search, which only a finding near its level leads to."""
        samples = len(self.search_samples)
        if not (samples and self.twice):
            return 0
        again = 0
        if self.by_label is not None and (self.by_label_only or self.version >= SMALL_TOLD):
            again = most_of_same_kind(self.by_label, samples, deeper_again(self.version))
        return again if self.by_label_only else max(again, self.trigger.most_queries)

    @property
    def _most_by_source(self) -> int:
        if self.version >= BY_SOURCE:
            return most_by_source(self.trigger, len(self.source_samples))
        return most_source_queries(self.trigger, len(self.search_samples))

    @property
    def twice(self) -> bool:
        """True if what is found near its level is searched for again."""
        small = not searched_by_label(self.search_images.shape[2:])
        return self.version >= (SECOND_SEARCH if small else SECOND_BY_LABEL)

    @property
    def by_label_only(self) -> bool:
        """True if the trigger search goes label by label from its start."""
        return self.by_label is not None and searched_by_label(self.search_images.shape[2:])

    @cached_property
    def digest(self) -> str:
        """Digest of settings and inputs."""
        if self.recorded_digest is not None:
            return self.recorded_digest
        content = PlanContent(
            settings=self.stated_settings(),
            trigger=self.stated_trigger(),
            by_label=self._by_label(),
            search_classes=self.search_classes.tolist(),
            search_images=array_digest(self.search_images),
            source_images=array_digest(self.source_images) if self.by_source else None,
            probes=[probe.digest for probe in (*self.probes, *self.perturbations)],
        )
        return plan_digest(content, self.version)

    def at_effort(self, effort: Effort) -> AuditPlan:
        """This plan with the search label by label that it has at ``effort``."""
        return replace(self, settings=replace(self.settings, effort=effort)).at_version(
            self.version
        )

    def at_version(self, version: int) -> AuditPlan:
        """This plan as a release of that plan version made it."""
        plan = replace(self, version=version)
        by_label = label_search(
            self.search_images, self.settings.effort, version, measured=self.judged_by_label
        )
        return replace(plan, by_label=by_label, trigger=_trigger_of(plan, by_label))

    @property
    def by_source(self) -> bool:
        """True if classes are searched by themselves, as plans since version 11 do it."""
        return self.version >= BY_SOURCE and self.trigger.sources > 0

    @property
    def judged_by_source(self) -> bool:
        """True if clean models of such pictures and tasks were searched class by class."""
        sides = self.search_images.shape[2:]
        known = self.version >= LARGER_BY_SOURCE or not searched_by_label(sides)
        return known and measured_by_class(sides) and self.judged_by_label

    def stated_settings(self) -> dict[str, Any]:
        """The settings that this version of plans has."""
        settings = asdict(self.settings)
        if not self.planes:
            settings |= {"planes": 0, "pictures": 0}
        if self.version < BY_LABEL:
            del settings["effort"]
        return settings

    def stated_trigger(self) -> dict[str, Any]:
        """The trigger search's settings that this version of plans has."""
        lacking = lacking_settings(self.version)
        return {name: one for name, one in asdict(self.trigger).items() if name not in lacking}

    def _by_label(self) -> dict[str, Any] | None:
        return None if self.by_label is None else stated_by_label(self.by_label, self.version)

    def as_dict(self, refs: Sequence[str | int]) -> dict[str, Any]:
        """The plan as JSON-able data; ``refs`` names the samples."""
        return {
            "plan_digest": self.digest,
            # Plans of version 2 did not name theirs.
            **({} if self.version == UNVERSIONED else {"plan_version": self.version}),
            "settings": self.stated_settings(),
            "queries": self.queries,
            "rounds": self.schedule.count,
            "pictures": {"planes": self.settings.pictures, "most_queries": self.most_map_queries},
            "second_looks": {
                "most_queries": self.most_extra_repeats,
                "digest": None if self.extra_repeats is None else self.extra_repeats.digest,
            },
            "trigger_search": {
                "most_queries": self.most_trigger_queries,
                "settings": self.stated_trigger(),
                **({"by_label": self._by_label()} if self.version >= BY_LABEL else {}),
                "samples": [refs[index] for index in self.search_samples],
                **(
                    {"source_samples": [refs[index] for index in self.source_samples]}
                    if self.by_source
                    else {}
                ),
                # Only of an audit that was raised: others are as they always were.
                **({"earlier": list(self.earlier), "looks": self.looks} if self.earlier else {}),
            },
            "families": {
                "queries": self.perturbation_queries,
                "probes": [
                    {"key": probe.key, "digest": probe.digest, "size": probe.size}
                    for probe in self.perturbations
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
    version: int = PLAN_VERSION,
) -> AuditPlan:
    """Decide everything that will be asked.

    Args:
        images: ``(n, c, h, w)`` samples in model units.
        classes: ``(n,)`` true class of each.
        refs: name of each sample, for messages.
        settings: of the audit.
        spec: the model's input; without it nothing is perturbed.
        version: of the plan.

    Raises:
        SamplesError: too few samples, or three that span no plane.
    """
    triplets = draw_triplets_of(classes, settings)
    planes = build_planes(images, triplets, refs, settings)
    used = np.unique(triplets) if planes else draw.pick_evenly(classes, settings.seed)
    samples = SampleProbe(draw.picked(images, used))
    repeats, extra_repeats = build_repeats(samples, planes, settings)
    few = draw.pick_search_samples(classes, settings.seed)
    search_samples, alone = _searched(classes, settings, few)
    search_images = draw.picked(images, search_samples)
    perturbations: tuple[SampleProbe | PerturbationProbe, ...] = ()
    if settings.families and spec is not None and len(few):
        perturbations = build_perturbations(draw.picked(images, few), spec, settings.seed)
    plan = AuditPlan(
        settings=settings,
        triplets=triplets,
        used=used,
        samples=samples,
        planes=planes,
        repeats=repeats,
        extra_repeats=extra_repeats,
        search_samples=search_samples,
        search_images=search_images,
        search_classes=classes[search_samples],
        trigger=trigger_search(search_images, spec),
        perturbations=perturbations,
        perturbed=few if perturbations else few[:0],
        judged_by_label=measured_by_label(classes, spec),
        version=version,
        source_samples=alone,
        source_images=draw.picked(images, alone),
        source_classes=classes[alone],
    )
    return plan.at_version(version)


def _searched(
    classes: NDArray[np.int64], settings: AuditSettings, few: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Samples of the trigger search, ``few`` for most, and those of classes by themselves."""
    if not settings.trigger_search or not len(few):
        return few[:0], few[:0]
    alone = draw.pick_by_source(classes, settings.seed)
    if not settings.per_source:
        return few, alone
    return draw.pick_search_samples(classes, settings.seed, draw.MAX_SOURCE_SAMPLES), alone


def _trigger_of(plan: AuditPlan, by_label: LabelSearchSettings | None) -> TriggerSettings:
    """Settings of the plan's trigger search, of small pictures before the search ``by_label``."""
    small = not searched_by_label(plan.search_images.shape[2:])
    dear = by_label is not None and plan.settings.effort in AFTER_SUCCESS
    sources = sources_of_version(
        plan.version, len(np.unique(plan.source_classes)), asked=plan.settings.per_source,
        usual=dear and (small or plan.judged_by_source),
    )  # fmt: skip
    return trigger_of_version(replace(plan.trigger, sources=sources), plan.version, small=small)
