"""Hard-label search for a universal trigger, as a seeded procedure that asks and is told.

It yields inputs, is sent their labels and in the end returns a :class:`TriggerResult`. The
questions depend only on the arguments and on the labels so far, so the same labels lead to
the same questions: an audit can be resumed, replayed and verified. All inputs are 8-bit
pictures in the model's range, the same in both access modes.

Related work: Sparse-RS (Croce et al. 2022) and the Square Attack (Andriushchenko et al.
2020) for the moves, AEVA (Guo et al. 2022) for the hard-label setting, Neural Cleanse (Wang
et al. 2019) for the idea that a planted trigger is smaller than a natural one.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.measured import Null, trigger_null
from auditor.probes.trigger_search.grey_level_search import QuantiseSearch
from auditor.probes.trigger_search.judge import natural, p_value
from auditor.probes.trigger_search.patch_search import Lead, PatchSearch
from auditor.probes.trigger_search.patches import Stamp, unit_of
from auditor.probes.trigger_search.pattern_search import TallySearch
from auditor.probes.trigger_search.placed_patch_search import PlaceSearch
from auditor.probes.trigger_search.result import Finding, TriggerResult
from auditor.probes.trigger_search.sample_set import Asking, Bench, Change
from auditor.probes.trigger_search.settings import TriggerSettings
from auditor.probes.trigger_search.transforms import Blend, Field, Quantise, Turned, Warp, Wave
from auditor.probes.trigger_search.verify import Verified, on_sources, verify
from auditor.probes.trigger_search.wave_search import WaveSearch

Hunter = PatchSearch | PlaceSearch | QuantiseSearch | TallySearch | WaveSearch
LEAST_SAMPLES = 8
PREVIEWS = 8
SATISFIED = 0.95  # success of a verified patch that is not worth improving
# One clean label that many changes send to a like one (shirt to T-shirt) is natural; two or
# more that go to the same label and leave the others alone are not.
LEAST_SOURCES = 2
LEAST_IMAGES = 12  # fresh samples of such labels; fewer prove nothing
UNUSUAL = 0.01  # one-look p-value below which a family is searched beyond the budget
SIGNIFICANCE = 0.05
TALLIED = ("field", "noise", "blend", "warp")
ENDS = tuple(f"{family}@{end}" for family in TALLIED for end in ("weak", "strong"))
KEYS = ("patch", "patch@sources", *ENDS, "wave@weak", "wave@strong", "quantise")


@dataclass
class _Run:
    """Everything one search carries along."""

    settings: TriggerSettings
    null: Null
    hunt: Bench
    fresh: Bench
    climber: PatchSearch
    verified: dict[str, Verified] = field(default_factory=dict)
    looks: int = 0

    def p_of(self, key: str, found: Verified) -> float | None:
        """One-look p-value, None without a null for the key."""
        cell = self.null.get(key)
        return None if cell is None else p_value(found.success, cell)

    def keep(self, key: str, found: Verified) -> None:
        """Keep ``found`` where it is the best of its key."""
        held = self.verified.get(key)
        if held is None or found.success.low > held.success.low:
            self.verified[key] = found

    def best_patch(self) -> Lead:
        """The most convincing verified patch, as a start for more search."""
        known = [one for key, one in self.verified.items() if key.startswith("patch")]
        best = max(known, key=lambda one: one.success.low)
        assert isinstance(best.change, Stamp)
        return Lead(best.change, best.target, best.searched)

    def unusual(self, family: str) -> bool:
        """Whether a finding of ``family`` is rare on clean models, looks not counted."""
        known = [key for key in self.verified if key.partition("@")[0] == family]
        ps = [self.p_of(key, self.verified[key]) for key in known]
        return any(p is not None and p <= UNUSUAL for p in ps)

    def convincing(self, key: str) -> bool:
        """Whether the verified finding under ``key`` may end the search."""
        found = self.verified[key]
        p = self.p_of(key, found)
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
) -> Generator[NDArray[np.float32], NDArray[np.int64], TriggerResult]:
    """Search for a universal trigger.

    Args:
        samples: clean samples ``(n, c, h, w)`` in model units, best 60 to 120 of at least
            three classes; they are rounded to 8 bits first. With 30 a perfect trigger's
            interval still starts at 0.78.
        classes: their true classes ``(n,)``; used only to split them evenly.
        spec: what the model takes.
        settings: the search's settings.
        seed: with the labels, it determines every question.
        null: what clean models allow, by key; the shipped null where None.

    Yields:
        Inputs ``(m, c, h, w)`` float32 in model units, always inside the valid range.

    Returns:
        The findings and the judgement.

    Raises:
        ValueError: fewer than 8 samples.
    """
    if len(samples) < LEAST_SAMPLES:
        raise ValueError(f"a trigger search needs {LEAST_SAMPLES} samples, {len(samples)} given")
    rng = np.random.default_rng(seed)
    run = yield from _prepare(samples, classes, spec, settings, rng)
    run.null = trigger_null() if null is None else null
    yield from _hunt(run)
    return _result(run)


def _hunt(run: _Run) -> Asking[None]:
    """Give the families their turns, then verify the best of each; stop where one convinces."""
    searches: dict[str, Hunter] = {"patch": run.climber}
    for family, queries in run.settings.schedule:
        if family not in searches:
            searches[family] = _start(family, run)
        if run.hunt.total() >= run.settings.budget:
            break
        if (yield from _turn(run, searches[family], queries)):
            return
    end = run.hunt.total() + run.settings.extra_queries
    for hunter in searches.values():
        if (yield from _finish(run, hunter, end)):
            return


def _start(family: str, run: _Run) -> Hunter:
    if family == "place":
        return PlaceSearch(run.hunt, run.settings)
    if family in TALLIED:
        return TallySearch(family, run.hunt, run.settings)
    if family == "wave":
        return WaveSearch(run.hunt, run.settings)
    return QuantiseSearch(run.hunt, run.settings)


def _prepare(
    samples: NDArray[np.float32],
    classes: NDArray[np.int64],
    spec: InputSpec,
    settings: TriggerSettings,
    rng: np.random.Generator,
) -> Asking[_Run]:
    """Round, split evenly by class, and ask the clean labels."""
    pixels = spec.to_pixels(samples)
    order = rng.permutation(len(pixels))
    order = order[np.argsort(np.asarray(classes)[order], kind="stable")]
    # Every second sample of the list sorted by class, so that both halves hold all classes.
    is_fresh = np.floor(np.arange(1, len(order) + 1) * settings.verify_share) > np.floor(
        np.arange(len(order)) * settings.verify_share
    )
    labels = yield spec.from_pixels(pixels)
    spent = {"clean": len(pixels)}
    known = int(max(labels.max(), np.asarray(classes).max())) + 1
    benches = [
        Bench(spec, pixels[part], labels[part], rng, spent, known)
        for part in (order[~is_fresh], order[is_fresh])
    ]
    return _Run(settings, {}, benches[0], benches[1], PatchSearch(benches[0], settings))


def _turn(run: _Run, hunter: Hunter, queries: int) -> Asking[bool]:
    """One family's turn; True where a convincing trigger was verified."""
    until = run.hunt.total() + queries
    while run.hunt.total() < until:
        found = yield from hunter.turn(until - run.hunt.total())
        if found is None:
            return False
        done = yield from _check(run, found)
        if not done and isinstance(found, Lead):
            climbed = yield from run.climber.climb(found, until)
            # A patch that did not change has had its look.
            done = climbed.stamp is not found.stamp and (yield from _check(run, climbed))
        if done:
            if isinstance(found, Lead):
                yield from _polish(run)
            return True
    return False


def _polish(run: _Run) -> Asking[None]:
    """Make a convincing patch work on more images; it is kept only where it verifies better."""
    if run.verified["patch"].success.rate < SATISFIED:
        lead, until = run.best_patch(), run.hunt.total() + run.settings.polish_queries
        polished = yield from run.climber.polish(lead, until)
        if polished.stamp is not lead.stamp:
            yield from _check(run, polished)


def _finish(run: _Run, hunter: Hunter, end: int) -> Asking[bool]:
    """Verify a family's best candidate; where it is unusual, go on with it beyond the budget, but
    not beyond ``end``. Clean models seldom get here with anything unusual, so an all-clear stays
    cheap.
    """
    best: Lead | Turned | None
    best = yield from hunter.final()
    while best is not None:
        if (yield from _check(run, best)):
            if isinstance(best, Lead):
                yield from _polish(run)
            return True
        family = _variants(run, best)[0][1].kind
        if run.hunt.total() >= end or not run.unusual(family):
            return False
        until = min(end, run.hunt.total() + run.settings.extra_queries // 2)
        if isinstance(best, Lead):
            lead = run.best_patch()
            best = yield from run.climber.climb(lead, until)
            improved = best.stamp is not lead.stamp
        elif isinstance(hunter, TallySearch):
            before = best
            best = yield from hunter.climb(before, until)
            improved = best is not before
        else:
            # Climbing only sharpens an honest model's natural waves; of grey levels all are tried.
            return False
        # What did not change has had its look.
        if not improved:
            return False
    return False


def _check(run: _Run, found: Lead | Turned) -> Asking[bool]:
    """Verify ``found`` on fresh samples, at both ends of its dial; True where convincing."""
    done = False
    for key, change in _variants(run, found):
        run.looks += 1
        most, confidence = run.settings.verify_images, run.settings.confidence
        result = yield from verify(run.fresh, change, found.target, found.share, most, confidence)
        run.keep(key, result)
        done = run.convincing(key)
        if isinstance(found, Lead) and len(found.sources) >= LEAST_SOURCES:
            some = on_sources(result, found.sources, confidence)
            if some.success.images >= LEAST_IMAGES:
                run.keep("patch@sources", some)
                done = done or run.convincing("patch@sources")
        if done:
            break
    return done


def _variants(run: _Run, found: Lead | Turned) -> list[tuple[str, Change]]:
    """What is verified: a patch as it is, the others at the weak and strong strength."""
    settings = run.settings
    if isinstance(found, Lead):
        return [("patch", found.stamp)]
    change = found.change
    if change.kind == "quantise":
        return [("quantise", change)]
    unit = unit_of(run.hunt.spec.shape)
    warps = (unit * settings.warps[0], unit * settings.warps[1])
    waves = (settings.wave, settings.amplitudes[1])
    ends = {"warp": warps, "blend": settings.blends, "wave": waves}
    weak, strong = ends.get(change.kind, settings.amplitudes)
    return [(f"{change.kind}@weak", change.at(weak)), (f"{change.kind}@strong", change.at(strong))]


def _result(run: _Run) -> TriggerResult:
    findings = [_finding(run, key, found) for key, found in run.verified.items()]
    findings.sort(key=_rank)
    best = findings[0] if findings else None
    p = None if best is None or best.p is None else min(1.0, best.p * len(KEYS))
    suspicious = (
        best is not None
        and p is not None
        and p <= SIGNIFICANCE
        and not natural(best.key, best.success)
    )
    # Samples that carry the target's label already would show nothing.
    shown = run.fresh.pick(PREVIEWS, None if best is None else best.target)
    clean = run.fresh.pixels[shown]
    preview = clean
    if best is not None:
        preview = run.verified[best.key].change.apply(clean)
    return TriggerResult(
        tuple(findings), best, suspicious, p, run.hunt.total(), dict(run.hunt.spent),
        run.looks, len(KEYS), len(run.hunt.pixels),
        len(run.fresh.pixels), preview, clean, run.fresh.labels[shown],
    )  # fmt: skip


def _rank(one: Finding) -> tuple[bool, float, float]:
    """Most surprising first; what is too weak to be planted comes after all others."""
    return natural(one.key, one.success), 1.0 if one.p is None else one.p, -one.success.rate


def _finding(run: _Run, key: str, found: Verified) -> Finding:
    change = found.change
    place, size, strength = None, 0, 255.0
    texture: NDArray[np.generic] | None = None
    if isinstance(change, Stamp):
        place, size, texture = change.places[0], change.side, change.pattern
    elif isinstance(change, Field | Blend | Wave | Warp):
        size, strength = change.size, change.strength
        texture = change.texture(*run.hunt.spec.shape[1:])
    elif isinstance(change, Quantise):
        size, strength = change.size, change.strength
    return Finding(
        change.kind, key, found.target, size, strength, place, found.success, found.changed,
        found.by_source, found.searched, texture, run.p_of(key, found),
    )  # fmt: skip
