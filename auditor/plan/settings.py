"""Settings of an audit, which determine its questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from auditor.errors import UsageError
from auditor.probes.label_search.settings import EFFORTS, Effort

SamplerName = Literal["paper", "frugal"]
PERTURBATION_QUERIES, PERTURBATION_ROUNDS = 200, 5
"""Inputs of each perturbation, and the rounds they are asked in."""
ROUND_PLANES: Mapping[SamplerName, int] = {"paper": 4, "frugal": 8}
"""Planes asked together, in random order: the order of their points does not reveal the plane."""
PAPER_PLANES = 20
"""The paper's N."""
MAX_PLANES, MAX_DENSITY, MAX_EXPANSION, MAX_POINTS = 10_000, 4096, 1_000_000, 65_536
"""Far beyond any use: a slip of the finger must not fill the memory or leave float32."""


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """The settings of an audit; the defaults are those of the command. :meth:`paper` gives the
    published ones.

    Attributes:
        planes: N, at least 1. The default's 44 planes of 16 points, their samples and 150 repeats
            stay below 1,000 queries.
        density: S, grid points per side, at least 2; with the frugal sampler only of label maps.
        expansion: eta, margin on each side in box lengths, at least 0.
        alpha: order of the Rényi entropy, at least 1.
        ats_threshold: t, above 0 and at most 1.
        seed: seeds every random choice.
        canaries: inputs asked a second time, at random moments; 0 for none.
        trigger_search: True to search for a universal trigger.
        per_source: True to search each source class by itself as well, for triggers that change
            some classes only or send each elsewhere, if three classes have 20 samples. Where clean
            models were searched so they are at ``thorough`` and ``exhaustive`` anyway.
        families: True to ask the perturbations that the decision rule compares with clean
            references; without such references they decide nothing.
        sampler: ``paper``: triplets one by one, an S x S grid on each. ``frugal``: triplets in
            which every class and sample take their turn, few points of a scrambled net on each.
        points: points per plane of the frugal sampler, a power of two of at least 4.
        pictures: planes whose label map the frugal sampler's audit also draws, at S points per
            side and by refinement. The paper's sampler draws them all.
        stop_early: True to skip planned queries that cannot change the verdict any more.
        effort: queries that the trigger search may spend where it finds nothing: some 2,500, 8,000,
            30,000 or 100,000, on pictures that are searched label by label. Small ones are, after
            the search that they have at every effort, at ``thorough`` and ``exhaustive``.
    """

    planes: int = 44
    density: int = 100
    expansion: float = 5.0
    alpha: float = 10.0
    ats_threshold: float = 0.5
    seed: int = 0
    canaries: int = 150
    trigger_search: bool = True
    per_source: bool = False
    families: bool = False
    sampler: SamplerName = "frugal"
    points: int = 16
    pictures: int = 0
    stop_early: bool = True
    effort: Effort = "standard"

    @classmethod
    def paper(cls, **changes: Any) -> AuditSettings:
        """The settings of the published method (Section 5.1), with ``changes``.

        Raises:
            UsageError: a setting out of its range.
        """
        return cls(**{"planes": PAPER_PLANES, **changes, "sampler": "paper"})

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> AuditSettings:
        """The settings that a plan or a report states; one without a sampler has the paper's, and
        one of two classes states 0 planes, whatever was asked for.

        Raises:
            UsageError: a setting out of its range.
            TypeError: it states something that is no setting.
        """
        if record.get("planes") == 0:
            record = {**record, "planes": 1}
        paper = record.get("sampler", "paper") == "paper"
        return cls.paper(**record) if paper else cls(**record)

    def __post_init__(self) -> None:
        for name in ("planes", "density", "seed", "canaries", "points", "pictures"):
            self._refuse_other_than(name, int, "a whole number")
        for name in ("expansion", "alpha", "ats_threshold"):
            self._refuse_other_than(name, (int, float), "a number")
        checks = (
            (1 <= self.planes <= MAX_PLANES, "planes", f"from 1 to {MAX_PLANES:,}"),
            (2 <= self.density <= MAX_DENSITY, "density", f"from 2 to {MAX_DENSITY:,}"),
            (0 <= self.expansion <= MAX_EXPANSION, "expansion", f"from 0 to {MAX_EXPANSION:,}"),
            # JSON has no infinity, so a plan and a report could not state it.
            (1 <= self.alpha < float("inf"), "alpha", "a number of at least 1"),
            (0 < self.ats_threshold <= 1, "ats_threshold", "above 0 and at most 1"),
            (self.seed >= 0, "seed", "a whole number of at least 0"),
            (self.canaries >= 0, "canaries", "at least 0"),
            (self.sampler in ROUND_PLANES, "sampler", "'paper' or 'frugal'"),
            (self.effort in EFFORTS, "effort", f"one of {', '.join(EFFORTS)}"),
            (
                0 <= self.pictures <= (self.planes if self.sampler == "frugal" else 0),
                "pictures",
                "from 0 to the number of planes, and 0 with the sampler 'paper', which draws all",
            ),
            (
                4 <= self.points <= MAX_POINTS and self.points & (self.points - 1) == 0,
                "points",
                f"a power of two from 4 to {MAX_POINTS:,}",
            ),
        )
        for holds, name, rule in checks:
            if not holds:
                raise UsageError(f"{name} is {getattr(self, name)}, it must be {rule}")
        for name in ("expansion", "alpha", "ats_threshold"):
            # 5 and 5.0 are one setting, so they must give one digest.
            object.__setattr__(self, name, float(getattr(self, name)))

    def _refuse_other_than(self, name: str, kind: type | tuple[type, ...], words: str) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, kind):
            raise UsageError(f"{name} is {value!r}, it must be {words}")


def choose_settings(chosen: Mapping[str, Any]) -> AuditSettings:
    """Settings of an audit of which only ``chosen`` were chosen, by a user or a profile.

    A density without label maps to draw at it is one of the paper's grid, and chooses that.

    Raises:
        UsageError: a setting out of its range, or one without a meaning for the sampler.
    """
    by_grid = "density" in chosen and not {"points", "pictures"} & set(chosen)
    sampler = str(chosen.get("sampler", "paper" if by_grid else AuditSettings().sampler))
    if sampler == "frugal" and "density" in chosen and not chosen.get("pictures"):
        raise UsageError(
            "density is the points per side of the paper's grid (--sampler paper) and of pictures "
            "(--pictures N); this audit has neither"
        )
    if sampler == "paper" and "points" in chosen:
        raise UsageError("points is a setting of --sampler frugal; the paper's grid has density")
    if sampler == "paper":
        return AuditSettings.paper(**chosen)
    return AuditSettings(**{**chosen, "sampler": sampler})
