"""Scope of the measurements on clean models; outside it evidence is shown and decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from adapters.contract import InputSpec, jpeg_quality
from auditor.measured import ClassGroup, earlier_search, jpeg_rates, within
from auditor.plan.draw import PLANE_CLASSES
from auditor.probes.label_search.settings import SUCCESS_SIDES

NULL_SIDES = SUCCESS_SIDES
"""Sides, in pixels, of images near those of the reference models (28 and 32)."""

EARLIER_LEAST = 24
"""Least side before what was found had to be confirmed."""

LOSSLESS = "lossless"
"""Name that :func:`image_coding` gives every encoding that keeps 8-bit pixels as they are."""


@dataclass(frozen=True, slots=True)
class KnownOnlyFor:
    """The limit of what was measured, for an input that lies outside it.

    Attributes:
        limit: ``side`` (images of ``sides`` pixels a side), ``coding`` (lossless images, and JPEG
            of at least ``least_quality``), ``classes`` (tasks of ``FEW_CLASSES``
            classes and more) or ``search`` (searches that were measured).
        least_quality: lowest JPEG quality that was measured, or None.
        sides: sides, in pixels, that were measured.
        classes: of the tasks that were measured.
        ranges: of pictures whose sides do not lie in one of several that were measured, all of
            these; else empty.
    """

    limit: Literal["side", "coding", "classes", "search"]
    least_quality: int | None = None
    sides: tuple[int, int] = NULL_SIDES
    classes: ClassGroup = "many"
    ranges: tuple[tuple[int, int], ...] = ()


def image_coding(encoding: str) -> str:
    """Effect of an encoding on an image: ``lossless``, or a JPEG's as it is."""
    return LOSSLESS if jpeg_quality(encoding) is None else encoding


def is_coding(text: str) -> bool:
    """True if ``text`` is a result that :func:`image_coding` may give."""
    return text == LOSSLESS or jpeg_quality(text) is not None


def known_only_for(spec: InputSpec, classes: int) -> KnownOnlyFor | None:
    """The limit that ``spec`` or the number of ``classes`` lies outside of, or None if they lie
    inside all of them.
    """
    if classes < PLANE_CLASSES:
        return KnownOnlyFor("classes")
    low = EARLIER_LEAST if earlier_search() else NULL_SIDES[0]
    if not within((low, NULL_SIDES[1]), spec.shape):
        return KnownOnlyFor("side")
    quality, least = jpeg_quality(spec.coding), least_quality()
    if quality is None or (least is not None and quality >= least):
        return None
    return KnownOnlyFor("coding", least)


def least_quality() -> int | None:
    """The lowest JPEG quality that was measured, or None."""
    return min((one.quality for one in jpeg_rates()), default=None)
