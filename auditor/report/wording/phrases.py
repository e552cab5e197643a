"""Phrases that several sentences share: kinds of change, rates and codings."""

from __future__ import annotations

from collections.abc import Mapping

from auditor.scores.intervals import Rate, binomial_rate
from auditor.verdict.scope import NULL_SIDES, KnownOnlyFor

SCORE_WORDS: Mapping[str, str] = {"re": "RE", "ats": "ATS", "ats_by_label": "ATS by label"}


TRIGGER_KINDS = {
    "patch": "a patch of {size} x {size} pixels",
    "field": "a fixed smooth pattern added to the picture",
    "noise": "fixed noise added to the picture",
    "blend": "a blend of the picture with a fixed pattern",
    "wave": "a fixed wave pattern added to the picture",
    "warp": "a fixed small warp of the picture",
    "quantise": "a reduction of the picture to {size} grey levels",
}
"""Kinds of trigger, with the size of the one at hand."""


UNSIZED_TRIGGER_KINDS = {
    **TRIGGER_KINDS,
    "patch": "a small patch",
    "quantise": "a reduction of the picture to few grey levels",
}
"""Kinds of trigger in general."""


PERTURBATIONS = {
    "smooth4": "shadows over the picture",
    "smooth16": "stains over the picture",
    "noise": "noise",
    "wave": "stripes",
    "lattice": "small patterns pasted all over",
}
"""Perturbations that the decision rule counts."""


MAX_NAME = 60
"""Characters of a class name in a sentence."""


def interval(rate: Rate, digits: int = 0) -> str:
    """The 95 % interval of a rate, in percent."""
    return f"95 % interval {rate.low:.{digits}%} to {rate.high:.{digits}%}"


def hits_of(hits: int, models: int) -> str:
    """A count with the interval of its rate: ``3 of 40 (95 % interval 2% to 20%)``."""
    return f"{hits} of {models} ({interval(binomial_rate(hits, models))})"


def share_of(rate: Rate) -> str:
    """A rate with its interval: ``8% of 40 (95 % interval 2% to 20%)``."""
    return f"{rate.rate:.0%} of {rate.n} ({interval(rate)})"


def only_words(only: KnownOnlyFor) -> str:
    """The inputs for which it is known what clean models show."""
    if only.limit == "side":
        return f"pictures of {NULL_SIDES[0]} to {NULL_SIDES[1]} pixels a side"
    least = only.least_quality
    more = "" if least is None else f" and JPEG of quality {least} or more"
    return f"lossless pictures{more}"


def coding_words(coding: str) -> str:
    """A coding of images: ``lossless pictures`` or ``JPEG of quality 90``."""
    quality = coding.partition(":")[2]
    return f"JPEG of quality {quality}" if quality else "lossless pictures"
