"""Hard-label search for a universal trigger, as a seeded generator of questions.

The questions depend only on the arguments and on the labels so far, so the same labels lead to
the same questions: an audit can be resumed, replayed and verified. All inputs are 8-bit
images in the model's range, the same in both access modes.

Related work: Sparse-RS (Croce et al. 2022) and the Square Attack (Andriushchenko et al.
2020) for the moves, AEVA (Guo et al. 2022) for the hard-label setting, Neural Cleanse (Wang
et al. 2019) for the idea that a planted trigger is smaller than a natural one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.measured import Null, trigger_null
from auditor.probes.leads import Lead, tell
from auditor.probes.trigger_search.controls import is_habit, is_spot, works_in_part
from auditor.probes.trigger_search.grey_level_search import GreyLevelSearch
from auditor.probes.trigger_search.judge import (
    FEW_TO_CHOOSE,
    SIGNIFICANCE,
    SOME_CLASSES,
    accusing,
    natural,
    p_value,
    unconfirmed,
)
from auditor.probes.trigger_search.kind_search import KindSearch
from auditor.probes.trigger_search.patch_search import PatchCandidate, PatchSearch
from auditor.probes.trigger_search.patches import Patch, unit_of
from auditor.probes.trigger_search.pattern_search import PatternSearch
from auditor.probes.trigger_search.placed_patch_search import PlacedPatchSearch
from auditor.probes.trigger_search.result import TriggerFinding, TriggerResult
from auditor.probes.trigger_search.sample_set import Asking, SampleSet, Transform, ask_halves
from auditor.probes.trigger_search.settings import TriggerSettings
from auditor.probes.trigger_search.transforms import (
    Blend,
    Field,
    Quantise,
    TransformCandidate,
    Warp,
    Wave,
)
from auditor.probes.trigger_search.verify import Verified, on_sources, share_of_all, verify
from auditor.probes.trigger_search.wave_search import WaveSearch

AnySearch = KindSearch[PatchCandidate] | KindSearch[TransformCandidate]
PREVIEWS = 8
SATISFIED = 0.95  # success of a verified patch that is not worth improving
# One clean label that many transforms send to a like one (shirt to T-shirt) is natural; two or
# more that go to the same label and leave the others alone are not.
LEAST_SOURCES = 2
LEAST_IMAGES = 12  # validation samples of such labels; fewer prove nothing
UNUSUAL = 0.01  # p-value of one comparison below which a kind is searched beyond the budget
TALLIED = ("field", "noise", "blend", "warp")
ENDS = tuple(f"{kind}@{end}" for kind in TALLIED for end in ("weak", "strong"))
KEYS = ("patch", SOME_CLASSES, *ENDS, "wave@weak", "wave@strong", "quantise")


@dataclass
class _SearchState:
    """Settings, sample sets and verified candidates of one search."""

    settings: TriggerSettings
    null: Null
    search_set: SampleSet
    validation_set: SampleSet
    climber: PatchSearch
    verified: dict[str, Verified] = field(default_factory=dict)
    verifications: int = 0

    def p_of(self, key: str, found: Verified) -> float | None:
        """p-value of this comparison alone, None without a null for the key."""
        cell = self.null.get(key)
        return None if cell is None else p_value(found.success, cell)

    def keep(self, key: str, found: Verified) -> None:
        """Keep ``found`` if it is the best of its key; no habit hides what accuses."""
        held = self.verified.get(key)
        hidden = (
            held is not None and held.doubtful and self.accuses(key, found) and not found.doubtful
        )
        if held is None or hidden or found.success.low > held.success.low:
            self.verified[key] = found

    def best_patch(self) -> PatchCandidate:
        """The most convincing verified patch, as a start for more search."""
        known = [one for key, one in self.verified.items() if key.startswith("patch")]
        best = max(known, key=lambda one: one.success.low)
        assert isinstance(best.transform, Patch)
        return PatchCandidate(best.transform, best.target, best.searched)

    def unusual(self, kind: str) -> bool:
        """True if a finding of ``kind`` is rare on clean models, before correction."""
        known = [key for key in self.verified if key.partition("@")[0] == kind]
        ps = [self.p_of(key, self.verified[key]) for key in known]
        return any(p is not None and p <= UNUSUAL for p in ps)

    def accuses(self, key: str, found: Verified) -> bool:
        """True if clean models do not show as much as ``found``."""
        return accusing(key, found.success, self.p_of(key, found), len(KEYS))

    def convincing(self, key: str) -> bool:
        """True if the verified finding under ``key`` may end the search."""
        found = self.verified[key]
        p = self.p_of(key, found)
        few = key == SOME_CLASSES and share_of_all(found.by_source) < self.settings.least_share
        if few or found.doubtful:
            return False
        if natural(key, found.success) or found.success.rate < self.settings.enough:
            return False
        return p is not None and p * len(KEYS) <= SIGNIFICANCE


def search(
    samples: NDArray[np.float32],
    classes: NDArray[np.int64],
    spec: InputSpec,
    settings: TriggerSettings,
    seed: int,
    null: Null | None = None,
) -> Asking[TriggerResult]:
    """Search for a universal trigger.

    Args:
        samples: clean samples ``(n, c, h, w)`` in model units, best 60 to 120 of at least
            three classes; they are rounded to 8 bits first. With 30 a perfect trigger's
            interval still starts at 0.78.
        classes: their true classes ``(n,)``; used only to split them evenly.
        spec: the model's input.
        settings: the search's settings.
        seed: with the labels, it determines every question.
        null: success of clean models, by key; the shipped null if None.

    Yields:
        Inputs ``(m, c, h, w)`` float32 in model units, always inside the valid range.

    Raises:
        ValueError: fewer than 8 samples.
    """
    null = trigger_null() if null is None else null
    rng = np.random.default_rng(seed)
    sets = yield from ask_halves(samples, classes, spec, rng, settings.verify_share)
    run = _SearchState(settings, null, *sets, PatchSearch(sets[0], settings))
    yield from _search_kinds(run)
    return _result(run)


def _search_kinds(run: _SearchState) -> Asking[None]:
    """Give the kinds their turns, then verify the best of each; stop at a convincing one."""
    searches: dict[str, AnySearch] = {"patch": run.climber}
    for kind, queries in run.settings.schedule:
        if kind not in searches:
            searches[kind] = _start(kind, run)
        if run.search_set.total() >= run.settings.budget:
            break
        if (yield from _turn(run, searches[kind], queries)):
            return
    end = run.search_set.total() + run.settings.extra_queries
    for kind_search in searches.values():
        if (yield from _finish(run, kind_search, end)):
            return


def _start(kind: str, run: _SearchState) -> AnySearch:
    if kind in TALLIED:
        return PatternSearch(kind, run.search_set, run.settings)
    start: Mapping[str, Callable[[SampleSet, TriggerSettings], AnySearch]] = {
        "place": PlacedPatchSearch, "wave": WaveSearch, "quantise": GreyLevelSearch,
    }  # fmt: skip
    return start[kind](run.search_set, run.settings)


def _turn(run: _SearchState, kind_search: AnySearch, queries: int) -> Asking[bool]:
    """One kind's turn; True if a convincing trigger was verified."""
    until = run.search_set.total() + queries
    while run.search_set.total() < until:
        found = yield from kind_search.turn(until - run.search_set.total())
        if found is None:
            return False
        done = yield from _check(run, found)
        if not done and isinstance(found, PatchCandidate):
            climbed = yield from run.climber.climb(found, until)
            # An unchanged patch was already tested; do not count it twice.
            done = climbed.patch is not found.patch and (yield from _check(run, climbed))
        if done:
            if isinstance(found, PatchCandidate):
                yield from _polish(run)
            return True
    return False


def _polish(run: _SearchState) -> Asking[None]:
    """Make a convincing patch work on more images; it is kept only if it verifies better."""
    if run.verified["patch"].success.rate < SATISFIED:
        candidate, until = run.best_patch(), run.search_set.total() + run.settings.polish_queries
        polished = yield from run.climber.polish(candidate, until)
        if polished.patch is not candidate.patch:
            yield from _check(run, polished)


def _finish(run: _SearchState, kind_search: AnySearch, end: int) -> Asking[bool]:
    """Verify a kind's best candidate; if it is unusual, go on with it beyond the budget, but not
    beyond ``end``. Clean models seldom show anything unusual, so an all-clear stays cheap.
    """
    best: PatchCandidate | TransformCandidate | None
    best = yield from kind_search.final()
    while best is not None:
        if (yield from _check(run, best)):
            if isinstance(best, PatchCandidate):
                yield from _polish(run)
            return True
        kind = _variants(run, best)[0][1].kind
        if run.search_set.total() >= end or not run.unusual(kind):
            return False
        until = min(end, run.search_set.total() + run.settings.extra_queries // 2)
        if isinstance(best, PatchCandidate):
            candidate = run.best_patch()
            best = yield from run.climber.climb(candidate, until)
            improved = best.patch is not candidate.patch
        elif isinstance(kind_search, PatternSearch):
            before = best
            best = yield from kind_search.climb(before, until)
            improved = best is not before
        else:
            # Climbing only sharpens a clean model's natural waves; of grey levels all are tried.
            return False
        # An unchanged candidate was already tested; do not count it twice.
        if not improved:
            return False
    return False


def _check(run: _SearchState, found: PatchCandidate | TransformCandidate) -> Asking[bool]:
    """Verify ``found`` on validation samples, at both strengths; True if convincing."""
    done = False
    for key, transform in _variants(run, found):
        run.verifications += 1
        most, confidence = run.settings.verify_images, run.settings.confidence
        result = yield from verify(
            run.validation_set, transform, found.target, found.share, most, confidence
        )
        if run.settings.two_toned and run.accuses(key, result):
            habit = yield from is_habit(run.validation_set, result, run.settings)
            result = replace(result, habit=habit)
        if run.settings.parts and run.accuses(key, result):
            small = yield from works_in_part(
                run.search_set, run.validation_set, result, run.settings
            )
            result = replace(result, large=not small)
        if run.settings.spots and run.accuses(key, result) and not result.doubtful:
            spot = yield from is_spot(run.validation_set, result, run.settings)
            result = replace(result, spot=spot)
        run.keep(key, result)
        _tell(run)
        done = run.convincing(key)
        if isinstance(found, PatchCandidate) and len(found.sources) >= LEAST_SOURCES:
            some = on_sources(result, found.sources, confidence)
            if some.success.images >= LEAST_IMAGES:
                run.keep(SOME_CLASSES, some)
                done = done or (not run.settings.parts and run.convincing(SOME_CLASSES))
        if done:
            break
    return done


def _tell(run: _SearchState) -> None:
    best = max(run.verified.values(), key=lambda one: one.success.rate)
    success = best.success
    tell(Lead(run.verifications, success.hits, success.images, best.target))


def _variants(
    run: _SearchState, found: PatchCandidate | TransformCandidate
) -> list[tuple[str, Transform]]:
    """The transforms to verify: a patch as it is, the others at the weak and strong strength."""
    settings = run.settings
    if isinstance(found, PatchCandidate):
        return [("patch", found.patch)]
    transform = found.transform
    if transform.kind == "quantise":
        return [("quantise", transform)]
    unit = unit_of(run.search_set.spec.shape)
    warps = (unit * settings.warps[0], unit * settings.warps[1])
    waves = (settings.wave, settings.amplitudes[1])
    ends = {"warp": warps, "blend": settings.blends, "wave": waves}
    weak, strong = ends.get(transform.kind, settings.amplitudes)
    return [
        (f"{transform.kind}@weak", transform.at(weak)),
        (f"{transform.kind}@strong", transform.at(strong)),
    ]


def _result(run: _SearchState) -> TriggerResult:
    findings = [_finding(run, key, found) for key, found in run.verified.items()]
    findings = [replace(one, large=True) if _too_few(run, one) else one for one in findings]
    few = 0 if run.settings.parts else FEW_TO_CHOOSE
    held = unconfirmed(findings, len(KEYS), run.settings.least_share, few)
    findings = [replace(one, unconfirmed=True) if one in held else one for one in findings]
    findings.sort(key=_rank)
    best = findings[0] if findings else None
    p = None if best is None or best.p is None else min(1.0, best.p * len(KEYS))
    suspicious = best is not None and _accuses(best)
    # Samples that carry the target's label already would show nothing.
    shown = run.validation_set.pick(PREVIEWS, None if best is None else best.target)
    clean = run.validation_set.pixels[shown]
    preview = clean if best is None else run.verified[best.key].transform.apply(clean)
    return TriggerResult(
        tuple(findings), best, suspicious, p, run.search_set.total(), dict(run.search_set.spent),
        run.verifications, len(KEYS), len(run.search_set.pixels),
        len(run.validation_set.pixels), preview, clean, run.validation_set.labels[shown],
    )  # fmt: skip


def _too_few(run: _SearchState, one: TriggerFinding) -> bool:
    """True if ``one`` is a patch of no planted one's success, and not as small as planted ones."""
    small = run.settings.small_cells * unit_of(run.search_set.spec.shape)
    few = one.success.rate < run.settings.patch_share
    return one.large or (one.key == "patch" and one.size > small and few)


def _accuses(one: TriggerFinding) -> bool:
    return not one.unconfirmed and accusing(one.key, one.success, one.p, len(KEYS))


def _rank(one: TriggerFinding) -> tuple[bool, bool, float, float]:
    """Order: what accuses first, then the most surprising, last what is too weak to be planted."""
    p = 1.0 if one.p is None else one.p
    return not _accuses(one), natural(one.key, one.success), p, -one.success.rate


def _finding(run: _SearchState, key: str, found: Verified) -> TriggerFinding:
    transform = found.transform
    place, size, strength = None, 0, 255.0
    texture: NDArray[np.generic] | None = None
    if isinstance(transform, Patch):
        place, size, texture = transform.places[0], transform.side, transform.pattern
    elif isinstance(transform, Field | Blend | Wave | Warp):
        size, strength = transform.size, transform.strength
        texture = transform.texture(*run.search_set.spec.shape[1:])
    elif isinstance(transform, Quantise):
        size, strength = transform.size, transform.strength
    return TriggerFinding(
        transform.kind, key, found.target, size, strength, place, found.success, found.changed,
        found.by_source, found.searched, texture, run.p_of(key, found), found.habit,
        found.large, spot=found.spot,
    )  # fmt: skip
