"""Digest of a plan: equal plans ask equal questions.

Version 16 is the SHA-256 of canonical JSON. Version 15 is the same without asking of a patch that
is found on small pictures what tells planted patches from natural ones, and with another search of
those at ``exhaustive``. Version 14 is the same, where fewer clean models judge what is found.
Version 13 is the same without asking in further searches what tells planted patches from natural
ones. Version 12 is the same without asking that at all. Version 11 is the same without a search of
the classes of larger pictures by themselves. Version 10 is the same without further searches for
patches that accuse of the smallest ones, and without the samples of classes that are searched by
themselves. Version 9 is the same without further searches for patches at ``exhaustive``
of more than 40 pixels. Version 8 is the same without searches for patches in fine cells, above 96
pixels, that ask again where they led to a label. Version 7 is the same without clean models to
judge searches of two classes, or at ``exhaustive`` of more than 40 pixels, by. Version 6 is the
same without second searches of pictures of more than 40 pixels, and its searches' pictures are
hashed in the model's units. Version 5 is the same without a patch's parts, second searches, and a
dearer search of small pictures than ``thorough``. Version 4 is the same without a search label by
label of small pictures and the settings by which a search confirms what it found. Version 3, which
release 0.2 wrote, is the same without an effort and any search label by label. Version 2, which
release 0.1 wrote, held the text that Python printed for a settings class. It is kept to read,
verify and continue audits of that release, spelled out so that no renaming changes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from adapters.strict_json import canonical
from auditor.probes.base import digest_of
from auditor.probes.label_search.settings import LabelSearchSettings

PLAN_VERSION = 16
READABLE_VERSIONS = (*range(2, PLAN_VERSION + 1),)
BY_LABEL = 4
"""First version whose plans have an effort and may search label by label."""
BOTH_SEARCHES = 5
"""First version whose plans may search small pictures label by label too."""
SECOND_SEARCH = 6
"""First version in which a search label by label of small pictures has limits of its own and one at
``exhaustive``, and in which borderline findings of small pictures are searched a second time."""
SECOND_BY_LABEL = 7
"""First version in which those of larger pictures are, in which waves never accuse pictures of up
to 63 pixels and few grey levels none that travel as JPEG, and in which a patch on small pictures
must move nine tenths of the samples."""
MORE_NULLS = 8
"""First version whose searches label by label of larger pictures are judged for two classes, and at
``exhaustive``, are deeper the second time, and accuse neither by warps nor, but for waves and few
grey levels, of a label that the model falls back on."""
FOCUSED = 9
"""First version whose searches label by label of pictures of more than 96 pixels, at ``standard``
and ``thorough``, ask again at the places where patches led to a label, in finer cells."""
FOCUSING = ("focus", "fine")
"""Settings by which they do."""
REPEATED = 10
"""First version whose searches label by label of larger pictures at ``exhaustive`` are those of
``thorough`` and, while nothing is suspicious, further ones for patches."""
REPEATING = ("further",)
"""The setting by which they are."""
FURTHER_ACCUSE = 11
"""First version in which these accuse of the smallest patches."""
BY_SOURCE = 11
"""First version that searches the classes of small pictures by themselves at ``thorough`` and
``exhaustive`` too, if there are enough samples of each, and last of all."""
LARGER_BY_SOURCE = 12
"""First version that searches those of larger pictures so, and judges what it finds."""
TELLING = 13
"""First version whose searches label by label of larger pictures, from ``standard`` on, ask of a
found patch what tells planted ones from natural ones, where that was measured."""
TOLD_BY = ("order_images",)
"""The setting by which they do."""
FURTHER_TELL = 14
"""First version whose further searches do so too."""
TOLD_FURTHER_BY = ("order_limits",)
"""The setting by which they do."""
MORE_CLEAN = 15
"""First version in which more clean models judge searches that ask so, with limits of their own,
and in which at ``exhaustive`` no larger patch than planted ones speaks against an all-clear there.
"""
SMALL_TOLD = 16
"""First version whose searches label by label of small pictures ask what tells planted patches from
natural ones and are judged by the clean models that were asked so, whose search at ``exhaustive``
is that of ``thorough`` and further ones, as that of larger pictures, and in which a patch accuses
only if a plain spot beside it does little."""
STATED = 14
"""First version that reports state, and whose reports tell odds as odds."""
BY_PIXELS = 7
"""First version whose searches' pictures are hashed as 8-bit pixels, each once."""
CONFIRMS = 5
"""First version whose trigger search confirms a finding before it accuses."""
CONFIRMING = ("two_toned", "least_of_all", "small_cells", "control_strength", "control_images")
"""Settings by which it does."""
UNVERSIONED = 2
"""Version of a plan whose record names none."""

_AUDIT_SETTINGS_2 = (
    "alpha", "ats_threshold", "canaries", "density", "expansion", "families", "per_source",
    "pictures", "planes", "points", "sampler", "seed", "stop_early", "trigger_search",
)  # fmt: skip
_TRIGGER_SETTINGS_2 = (
    "budget", "schedule", "verify_share", "verify_images", "verify_from", "enough", "patch_sizes",
    "patch_period", "patch_margins", "corner_share", "screen_batch", "screen_images", "keep",
    "tries", "tabu", "fewer", "slice_queries", "children", "step_images", "patience",
    "single_images", "single_patience", "polish_queries", "extra_queries", "place_side",
    "place_copies", "place_draws", "place_more", "place_tries", "place_batch", "place_most",
    "tally_draws", "tally_labels", "tally_images", "grids", "warp_grids", "amplitudes", "blends",
    "warps", "wave", "wave_draws", "wave_tries", "wave_steps", "confidence", "sources",
    "source_samples", "source_queries",
)  # fmt: skip


def lacking_settings(version: int) -> tuple[str, ...]:
    """Settings of the trigger search that plans of ``version`` do not have."""
    confirming = CONFIRMING if version < CONFIRMS else ()
    parts = ("parts",) if version < SECOND_SEARCH else ()
    share = ("patch_share",) if version < SECOND_BY_LABEL else ()
    carried = ("source_carried",) if version < LARGER_BY_SOURCE else ()
    spots = ("spots",) if version < SMALL_TOLD else ()
    return (*confirming, *parts, *share, *carried, *spots)


def stated_by_label(by_label: LabelSearchSettings, version: int) -> dict[str, Any]:
    """The settings of the search label by label that plans of ``version`` have."""
    lacking = (
        *(FOCUSING if version < FOCUSED else ()),
        *(REPEATING if version < REPEATED else ()),
        *(TOLD_BY if version < TELLING else ()),
        *(TOLD_FURTHER_BY if version < FURTHER_TELL else ()),
    )
    return {name: one for name, one in asdict(by_label).items() if name not in lacking}


def searched_before(version: int) -> dict[str, Any]:
    """Which searches of a plan of ``version`` are of before they confirmed what they find, as
    :func:`auditor.measured.of_earlier_search` takes it.
    """
    before = {"earlier": version < SECOND_SEARCH, "by_label": version < SECOND_BY_LABEL}
    return {**before, "version": version}


@dataclass(frozen=True)
class PlanContent:
    """Content of a plan's digest: settings by their names in ``plan.json``, true classes
    and digest of the trigger search's samples, digest of those of classes that are searched by
    themselves, if any are, and digest of each probe, the perturbations' last.
    """

    settings: Mapping[str, Any]
    trigger: Mapping[str, Any]
    by_label: Mapping[str, Any] | None
    search_classes: Sequence[int]
    search_images: str
    source_images: str | None
    probes: Sequence[str]


def plan_digest(content: PlanContent, version: int) -> str:
    """Hex digest of ``content`` by the recipe of ``version``, one of :data:`READABLE_VERSIONS`."""
    if version == UNVERSIONED:
        return _digest_2(content)
    covered = {
        "plan_version": version,
        "settings": content.settings,
        "trigger_search": {
            "settings": content.trigger,
            "classes": content.search_classes,
            "images": content.search_images,
            **({"by_label": content.by_label} if version >= BY_LABEL else {}),
            **({"source_images": content.source_images} if version >= BY_SOURCE else {}),
        },
        "probes": content.probes,
    }
    return hashlib.sha256(canonical(covered)).hexdigest()


def _digest_2(content: PlanContent) -> str:
    settings = json.dumps(
        {name: content.settings[name] for name in _AUDIT_SETTINGS_2}, sort_keys=True
    )
    values = [f"{name}={_tuples(content.trigger[name])!r}" for name in _TRIGGER_SETTINGS_2]
    classes = str(list(content.search_classes))
    search = f"TriggerSettings({', '.join(values)}) {classes} {content.search_images}"
    return digest_of("plan/2", settings, search, *content.probes)


def _tuples(value: Any) -> Any:
    """``value`` with tuples for the lists that JSON makes of them."""
    return tuple(_tuples(one) for one in value) if isinstance(value, list | tuple) else value
