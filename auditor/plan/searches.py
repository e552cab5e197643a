"""Settings of a plan's trigger searches, by its samples, its input and its version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.measured import FEW_CLASSES, by_source_rates, label_rates, within
from auditor.plan import draw
from auditor.plan.digest import (
    BOTH_SEARCHES,
    BY_LABEL,
    BY_SOURCE,
    CONFIRMS,
    FOCUSED,
    FURTHER_TELL,
    LARGER_BY_SOURCE,
    MORE_NULLS,
    REPEATED,
    SECOND_BY_LABEL,
    SECOND_SEARCH,
    SMALL_TOLD,
    TELLING,
)
from auditor.plan.settings import AuditSettings
from auditor.probes.further_searches import patches_alone
from auditor.probes.label_search.settings import (
    AFTER_SUCCESS,
    EFFORTS,
    Effort,
    LabelSearchSettings,
    label_effort,
    searched_by_label,
    settings_for,
    settings_of_9,
    telling,
)
from auditor.probes.second_search import DEEPER
from auditor.probes.trigger_search.controls import two_toned
from auditor.probes.trigger_search.judge import PLANTED_SHARE
from auditor.probes.trigger_search.settings import TriggerSettings

SOURCE_QUERIES = 1800
"""Of a class that is searched by itself: twice as many as before find two of three all-to-all
backdoors instead of one."""


def trigger_search(images: NDArray[np.float32], spec: InputSpec | None) -> TriggerSettings:
    """Settings of the search for the most successful change, of ``images`` ``(n, c, h, w)``."""
    tones = spec is not None and len(images) > 0 and two_toned(spec.to_pixels(images))
    return TriggerSettings(parts=True, patch_share=PLANTED_SHARE, spots=True, two_toned=tones)


def trigger_of_version(trigger: TriggerSettings, version: int, *, small: bool) -> TriggerSettings:
    """``trigger`` as a plan of ``version`` has it, of pictures of up to 40 pixels if ``small``."""
    of_version = replace(
        trigger,
        two_toned=trigger.two_toned and version >= CONFIRMS,
        parts=version >= SECOND_SEARCH,
        patch_share=trigger.patch_share if version >= SECOND_BY_LABEL else 0.0,
        spots=version >= SMALL_TOLD,
    )
    before = TriggerSettings()
    if version < BY_SOURCE:
        samples, queries = before.source_samples, before.source_queries
    else:
        samples, queries = draw.MAX_OF_SOURCE, SOURCE_QUERIES
    # Of larger pictures natural patches would leave no turn to planted ones that succeed less.
    carried = before.source_carried if small or version < LARGER_BY_SOURCE else draw.SOURCES
    return replace(
        of_version, source_samples=samples, source_queries=queries, source_carried=carried
    )


def sources_of_version(version: int, classes: int, *, asked: bool, usual: bool) -> int:
    """Number of classes that a plan of ``version`` searches by themselves.

    Args:
        version: of the plan.
        classes: with enough samples for it.
        asked: True if the audit's settings ask for it.
        usual: True if its effort has such a search anyway.
    """
    if version < BY_SOURCE:
        return draw.SOURCES if asked else 0
    return classes if asked or usual else 0


def label_search(
    images: NDArray[np.float32], effort: Effort, version: int, *, measured: bool
) -> LabelSearchSettings | None:
    """Settings of the search label by label of ``images`` ``(n, c, h, w)``; None if there is none.

    Args:
        images: samples of the search.
        effort: of the audit.
        version: of the plan.
        measured: as :func:`measured_by_label` says.
    """
    shape = images.shape[2:]
    large = searched_by_label(shape)
    first = BY_LABEL if large else BOTH_SEARCHES
    searched = label_effort(shape, effort) if len(images) else None
    if searched is None or version < first or not (large or measured):
        return None
    if version >= FOCUSED:
        again, told = (REPEATED, TELLING) if large else (SMALL_TOLD, SMALL_TOLD)
        of_version = (settings_for if version >= again else settings_of_9)(shape, searched)
        asked = measured and version >= told
        return telling(of_version, shape, searched) if asked else of_version
    old = not large and version < SECOND_SEARCH
    return EFFORTS[AFTER_SUCCESS[0] if old else searched]


def measured_by_label(classes: NDArray[np.int64], spec: InputSpec | None) -> bool:
    """True if searches label by label of small pictures like these were measured, and what tells
    planted patches in larger ones: without loss, for tasks of so many true ``classes`` ``(n,)``.
    """
    return not (spec is not None and spec.lossy) and len(np.unique(classes)) >= FEW_CLASSES


def measured_by_class(sides: Sequence[int]) -> bool:
    """True if searches of the classes of pictures of such ``sides`` ``(h, w)`` by themselves were
    measured: of larger ones within one population of the search label by label, as that decides.
    """
    if not within(by_source_rates(sides).sides, sides):
        return False
    if not searched_by_label(tuple(sides)):
        return True
    return any(one.classes == "many" and within(one.sides, sides) for one in label_rates())


def deeper_again(version: int) -> int:
    """Factor of the draws of a second search label by label of larger pictures."""
    return DEEPER if version >= MORE_NULLS else 1


def further_orders(settings: LabelSearchSettings, version: int) -> int:
    """Samples that other orders of a patch's cells are asked on in further searches of a plan of
    ``version`` with ``settings``.
    """
    return settings.order_images if version >= FURTHER_TELL else 0


def most_by_label(settings: LabelSearchSettings, samples: int, version: int) -> int:
    """Most queries of the searches label by label in a plan of ``version``, but a second one."""
    orders = further_orders(settings, version)
    every = [settings, *(patches_alone(key, orders) for key in settings.further)]
    return sum(one.most_queries(samples) for one in every)


def judged_later(classes: NDArray[np.int64], settings: AuditSettings, version: int) -> bool:
    """True if a search label by label of larger pictures, of samples of ``classes`` ``(n,)``, is
    judged by clean models in later plans than those of ``version`` only.
    """
    few = len(np.unique(classes)) < draw.PLANE_CLASSES
    return version < MORE_NULLS and (few or settings.effort == "exhaustive")
