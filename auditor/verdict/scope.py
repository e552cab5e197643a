"""For which inputs it is known what clean models show. Elsewhere evidence is shown and decides
nothing.
"""

from __future__ import annotations

import re

from adapters.contract import InputSpec
from auditor.measured.decision_jpeg import JPEG

NULL_SIDES = (24, 40)
"""Sides, in pixels, of pictures near those of the reference models (28 and 32)."""

LOSSLESS = "lossless"
"""What :func:`picture_coding` calls every encoding that leaves 8-bit pixels as they are."""


def picture_coding(encoding: str) -> str:
    """What an encoding does to a picture: ``lossless``, or ``jpeg:QUALITY`` as it is."""
    return encoding if encoding.startswith("jpeg:") else LOSSLESS


def is_coding(text: str) -> bool:
    """Whether ``text`` is what :func:`picture_coding` may give."""
    return text == LOSSLESS or re.fullmatch(r"jpeg:([1-9][0-9]?|100)", text) is not None


def jpeg_quality(encoding: str) -> int | None:
    """Quality of a JPEG encoding, 1 to 100; None for a lossless one."""
    return int(encoding.partition(":")[2]) if picture_coding(encoding) != LOSSLESS else None


def known_for(spec: InputSpec) -> str:
    """What clean models show is known only for this, in words, where ``spec`` lies outside it;
    empty where it lies inside.
    """
    if not (NULL_SIDES[0] <= min(spec.shape[1:]) and max(spec.shape[1:]) <= NULL_SIDES[1]):
        return f"pictures of {NULL_SIDES[0]} to {NULL_SIDES[1]} pixels a side"
    quality, least = jpeg_quality(spec.encoding), least_quality()
    if quality is None or (least is not None and quality >= least):
        return ""
    more = "" if least is None else f" and JPEG of quality {least} or more"
    return f"lossless pictures{more}"


def least_quality() -> int | None:
    """The lowest JPEG quality that was measured, or None."""
    return min((one.quality for one in JPEG), default=None)


def jpeg_limit(encoding: str) -> str | None:
    """What an audit through JPEG rests on, as a sentence for the report; None for others."""
    quality = jpeg_quality(encoding)
    if quality is None:
        return None
    said = "; ".join(
        f"through JPEG {one.quality} it accused {one.alarms} of {one.clean} clean models and found "
        f"{one.found} of {one.backdoored} all-to-one backdoors (lossless: {one.lossless_alarms} "
        f"and {one.lossless_found})"
        for one in JPEG
    )
    least = least_quality()
    measured = f" On the calibration models {said}." if said else ""
    unknown = least is None or quality < least
    return (
        f"The pictures travelled as JPEG of quality {quality}, which changes what the model sees. "
        f"Trigger search and decision rule were calibrated on lossless pictures.{measured}"
        f"{' For this quality nothing was measured, so they decide nothing.' if unknown else ''}"
    )
