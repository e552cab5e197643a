"""Reference profiles: thresholds by the paper's Eq. 6, and how often they are wrong.

Pure computation on scores of reference models. Low scores are suspicious throughout.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from functools import cache
from typing import Any, ClassVar, Literal

from pydantic import TypeAdapter, ValidationError

from auditor.errors import ProfileError
from auditor.probes.base import digest_of
from auditor.probes.perturbations.probe import PerturbationCounts
from auditor.scores.intervals import Rate
from auditor.verdict.scope import LOSSLESS, is_coding

ScoreName = Literal["re", "ats", "ats_by_label"]
SCORE_NAMES: tuple[ScoreName, ...] = ("re", "ats", "ats_by_label")
Status = Literal["calibrated", "provisional", "published"]
PROFILE_VERSION = 2
READABLE_VERSIONS = (1, 2)
"""Version 2 added the references' counts of perturbations; a profile without them is as good as
before."""
MIN_CLEAN_REFERENCES = 5
"""With fewer clean references a profile is provisional and can never say "no evidence"."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold γ and the smallest and largest of the values it averages (Eq. 6)."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference model: its state is known.

    Attributes:
        name: name in reports.
        attack: empty for a clean model, else the name of its attack.
        re: mean RE over its planes, bits.
        ats: mean ATS by region, or None if net points were asked.
        ats_by_label: mean ATS by label.
        accuracy: share of the calibration samples it labels as given, or None.
        shares: ``(classes,)`` mean share of each label on its planes, or empty.
        families: counts of its labels under each perturbation, or empty.
        natural_patches: labels to which a trigger search on it found a patch that moves at least
            four of ten validation samples; empty also if it was never searched.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    name: str
    attack: str
    re: float
    ats: float | None
    ats_by_label: float
    accuracy: float | None = None
    shares: tuple[float, ...] = ()
    families: tuple[PerturbationCounts, ...] = ()
    natural_patches: tuple[int, ...] = ()

    @property
    def backdoored(self) -> bool:
        """True if the model carries a backdoor."""
        return bool(self.attack)

    @property
    def counts(self) -> dict[str, PerturbationCounts]:
        """:attr:`families` by the key of the perturbation."""
        return {one.key: one for one in self.families}

    def score(self, name: ScoreName) -> float:
        """Its score ``name``.

        Raises:
            TypeError: it has none.
        """
        return float(getattr(self, name))


@dataclass(frozen=True)
class Profile:
    """A calibrated profile, which a verdict is judged by.

    Attributes:
        name: name on the command line.
        status: calibrated, provisional (too few references) or published (taken from a paper).
        task: the references' task, in words.
        access: access mode it was made in; it is never used in the other.
        coding: coding of its images: ``lossless`` or ``jpeg:QUALITY``. Its thresholds decide only
            about audits through the same.
        settings: plane settings the scores depend on; they must equal the audit's.
        input_shape: ``[c, h, w]``, or None if unknown.
        labels: class names in index order, or None.
        decides_by: the score the verdict rests on.
        thresholds: γ for each score.
        error_rates: ``false_positive`` and ``false_negative`` of the whole procedure, each
            reference judged by a profile made without it; None if it cannot be known.
        references: the models it was made from.
        outliers: names of clean references far from the other clean ones; they are reported
            and take no part in the thresholds.
        provenance: its origin and how to make it again.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    name: str
    status: Status
    task: str
    access: str
    settings: Mapping[str, Any]
    input_shape: tuple[int, int, int] | None
    labels: tuple[str, ...] | None
    decides_by: ScoreName
    thresholds: Mapping[str, Threshold]
    error_rates: Mapping[str, Rate | None]
    references: tuple[Reference, ...] = ()
    outliers: tuple[str, ...] = ()
    provenance: str = ""
    version: int = field(default=PROFILE_VERSION)
    coding: str = LOSSLESS

    def as_dict(self) -> dict[str, Any]:
        """JSON-able form; fields that older profiles lack are left out if they hold nothing, so
        that those profiles keep their text and digest.
        """
        data = asdict(self)
        if self.coding == LOSSLESS:
            del data["coding"]
        for reference in data["references"]:
            if not reference["natural_patches"]:
                del reference["natural_patches"]
        return data

    @property
    def full_settings(self) -> dict[str, Any]:
        """:attr:`settings`; a profile that names no sampler means the paper's."""
        return {"sampler": "paper", **self.settings}

    @property
    def digest(self) -> str:
        """Digest of everything in it."""
        return digest_of("profile/1", json.dumps(self.as_dict(), sort_keys=True))

    @property
    def counted_references(self) -> list[Reference]:
        """Clean references whose counts of perturbations are known, outliers left out."""
        known = [one for one in self.references if one.families and not one.backdoored]
        return [one for one in known if one.name not in self.outliers]

    @property
    def natural_patches(self) -> frozenset[int]:
        """Labels that a patch leads to on a clean reference."""
        clean = [one for one in self.references if not one.backdoored]
        return frozenset(label for one in clean for label in one.natural_patches)

    def count(self, *, backdoored: bool) -> int:
        """Number of backdoored or of clean references."""
        return sum(reference.backdoored is backdoored for reference in self.references)


def scores_of(references: Sequence[Reference]) -> tuple[ScoreName, ...]:
    """The scores that every one of ``references`` has."""
    return tuple(
        name for name in SCORE_NAMES if all(getattr(r, name) is not None for r in references)
    )


def profile_from_dict(data: Mapping[str, Any]) -> Profile:
    """Read a profile.

    Raises:
        ProfileError: a field is missing, unknown or of the wrong kind, or another version wrote it.
    """
    if data.get("version") not in READABLE_VERSIONS:
        raise ProfileError(
            f"this profile is of version {data.get('version')}, this tool reads "
            f"{' and '.join(map(str, READABLE_VERSIONS))}"
        )
    fields = {name: value for name, value in data.items() if name != "version"}
    try:
        for name in ("references", "provenance"):  # a profile in the making may lack them
            if name not in fields:
                raise ValueError(f"{name}: field required")
        # As JSON: there a list may stand for a tuple, and still no text for a number.
        profile = _reader().validate_json(json.dumps(fields), strict=True)
        _refuse_nonsense(profile)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        raise ProfileError(f"this profile is damaged: {place}: {first['msg'].lower()}") from error
    except (TypeError, ValueError) as error:
        raise ProfileError(f"this profile is damaged: {error}") from error
    return profile


@cache
def _reader() -> TypeAdapter[Profile]:
    return TypeAdapter(Profile)


def _refuse_nonsense(profile: Profile) -> None:
    """Refuse NaN or text among the numbers that a verdict compares: it would compare wrongly, or
    fail only after everything was asked.

    Raises:
        ValueError, TypeError: a number or a field is impossible.
    """
    if profile.decides_by not in profile.thresholds:
        raise ValueError(f"no threshold for {profile.decides_by}, which decides")
    if not is_coding(profile.coding):
        raise ValueError(f"{profile.coding!r} is no picture coding")
    for name, threshold in profile.thresholds.items():
        if not all(map(math.isfinite, astuple(threshold))):
            raise ValueError(f"the threshold for {name} is not finite")
    for side, rate in profile.error_rates.items():
        if rate and not (0 <= rate.low <= rate.rate <= rate.high <= 1 and rate.n >= 1):
            raise ValueError(f"{side} is no rate")
    for reference in profile.references:
        _refuse_impossible(reference)


def _refuse_impossible(reference: Reference) -> None:
    """Refuse a score, a label or counts that no audit can give.

    Raises:
        ValueError: one of them is impossible.
    """
    if not all(math.isfinite(reference.score(name)) for name in scores_of([reference])):
        raise ValueError(f"a score of reference {reference.name} is not finite")
    if any(label < 0 for label in reference.natural_patches):
        raise ValueError(f"natural_patches of reference {reference.name} are no labels")
    for counts in reference.families:
        _refuse_contradiction(counts)


def _refuse_contradiction(counts: PerturbationCounts) -> None:
    """Refuse counts that no answers can give.

    Raises:
        ValueError: they contradict each other.
    """
    if (
        counts.inputs < 1
        or len(counts.asked) != len(counts.moved)
        or not counts.asked
        or min(*counts.asked, *counts.moved, counts.kept) < 0
        or any(m > a for m, a in zip(counts.moved, counts.asked, strict=True))
        or max(*counts.asked, counts.kept + sum(counts.moved)) > counts.inputs
    ):
        raise ValueError(f"the counts of {counts.key} contradict each other")
