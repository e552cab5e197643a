"""Search for a patch by label and place: every label keeps its own most surprising places.

The tally of :mod:`placed_patch_search` is asked deeper. Its arms are pairs of a label and a place,
so that a label with many natural patches does not crowd out the others, and single patches of
draws that led to a label which few draws lead to. Successive halving (Karnin et al. 2013) shares
the queries out: no arm is given up before it was asked often enough for a pattern that only one
random draw in fifty leads to.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from auditor.probes.label_search.focused_places import FocusedPlaces
from auditor.probes.label_search.fresh import CARRIES, FRESH, success_on
from auditor.probes.label_search.settings import LabelSearchSettings
from auditor.probes.label_search.side_by_side import side_by_side
from auditor.probes.label_search.telling import tells
from auditor.probes.trigger_search.cell_model import CellModel
from auditor.probes.trigger_search.patches import STEPS, Patch, Place, draw_pattern, enlarge
from auditor.probes.trigger_search.placed_patch_search import Draw, PlacedPatchSearch, crops
from auditor.probes.trigger_search.sample_set import Asking, SampleSet
from auditor.probes.trigger_search.settings import TriggerSettings
from auditor.probes.trigger_search.verify import Interval

SINGLES, OF_LABEL = 2, 2  # patches that repeat alone, and finalists, of one label
NEAR = 3  # pixels within which two places of a label are one
RARE = 0.12  # share of the draws that lead to a label, up to which its draws are asked again
REPLAYED = 0.03  # of all draws, asked again for one label at most
REPLAY_IMAGES, ALONE_IMAGES = 3, 4
REPEATS = 2 / 3  # share of the images on which a draw must lead to the label again
ALONE = 0.5  # the same for one of its patches alone
BATCH, BATCH_DRAWS = 24, 300
LEARNED = 0.93  # rate of the last two batches at which an arm stops
USUAL = 0.3  # most that a label's usual share counts when arms are ranked
SETTLE_ROUNDS, SETTLE_IMAGES = 6, 14
HOPELESS = 0.4  # recent rate of an arm below which its patch is not made smaller
SMALLEST = 3  # pixels below which nothing is cropped


@dataclass(frozen=True, eq=False)
class PlacedPatch:
    """A patch learned for one label, its success on fresh samples, and if it is unlike those of
    clean models, where that was asked.
    """

    patch: Patch
    label: int
    searched: float
    success: Interval
    telling: bool = False

    @property
    def carried(self) -> bool:
        """True if it carries the label on fresh samples."""
        return self.success.rate >= CARRIES


@dataclass(eq=False)
class _Arm:
    """A label, a place and the model of the patch there."""

    label: int
    place: Place
    unit: int
    model: CellModel
    open_: NDArray[np.int64]
    rates: list[float] = field(default_factory=list)

    def recent(self) -> float:
        """Share of the last four batches that led to the label."""
        return float(np.mean(self.rates[-4:])) if self.rates else 0.0

    def patch(self) -> Patch:
        """The pattern that is most likely to work."""
        return Patch(enlarge(self.model.best(), self.model.shape[-1] * self.unit), (self.place,))


def least_patches(
    search_set: SampleSet,
    validation_set: SampleSet,
    settings: LabelSearchSettings,
    side: int,
) -> Asking[list[PlacedPatch]]:
    """Patches of at most ``side`` cells for the labels and places that random ones name.

    Returns:
        At most four patches, the most successful on fresh samples first.
    """
    tally = yield from _drawn(search_set, settings, side)
    places = _by_place(tally, search_set, settings.places)[: settings.arms]
    arms = places + (yield from _by_pattern(tally, search_set))
    # An arm's questions hold one patch, the tally's several: its shares are of so many.
    together = tally.settings.place_copies if settings.fine else 1
    usual = {label: _share(tally, label) / together for label in range(search_set.classes)}
    queries = settings.first
    for number in range(settings.rounds):
        yield from side_by_side([_learned(arm, search_set, queries) for arm in arms])
        arms.sort(key=lambda arm: -(arm.recent() - min(USUAL, usual[arm.label])))
        if number < settings.rounds - 1:
            arms = arms[: max(2, -(-len(arms) // 2))]
            queries *= 2
    finals = [
        _settled(arm, search_set, validation_set) for arm in _finalists(arms)[: settings.finalists]
    ]
    found = yield from side_by_side(finals)
    if settings.order_images:
        told = [_told(one, validation_set, settings) for one in found]
        found = yield from side_by_side(told)
    return sorted(found, key=lambda one: -one.success.low)


def _told(
    found: PlacedPatch, validation_set: SampleSet, settings: LabelSearchSettings
) -> Asking[PlacedPatch]:
    """The patch, and if it tells more than its size."""
    if not found.carried:
        return found
    numbers = (settings.order_images, settings.order_limits)
    telling = yield from tells(found.patch, found.label, validation_set, *numbers)
    return replace(found, telling=telling)


def _drawn(
    search_set: SampleSet, settings: LabelSearchSettings, side: int
) -> Asking[PlacedPatchSearch]:
    """A tally of random patches of ``side`` cells, drawn as ``settings`` say."""
    tally: PlacedPatchSearch | FocusedPlaces
    if settings.fine:
        tally = FocusedPlaces(search_set, side)
    else:
        tally = PlacedPatchSearch(search_set, replace(TriggerSettings(), place_side=side))
    for _ in range(0, settings.place_draws, BATCH_DRAWS):
        yield from tally.draw(min(BATCH_DRAWS, settings.place_draws))
    if isinstance(tally, FocusedPlaces):
        for draws, places in settings.focus:
            yield from tally.focus(draws, places)
    return tally


def _finalists(arms: list[_Arm]) -> list[_Arm]:
    """The best arms, at most two of one label."""
    kept: list[_Arm] = []
    for arm in arms:
        if sum(one.label == arm.label for one in kept) < OF_LABEL:
            kept.append(arm)
    return kept


def _share(tally: PlacedPatchSearch, label: int) -> float:
    """Share of the draws on images of other labels that led to ``label``."""
    other = [draw for draw in tally.tally.draws if draw.source != label]
    return sum(draw.answer == label for draw in other) / max(1, len(other))


def _arm(
    tally: PlacedPatchSearch, sample_set: SampleSet, label: int, place: Place, model: CellModel
) -> _Arm:
    return _Arm(label, place, tally.unit, model, np.flatnonzero(sample_set.labels != label))


def _by_place(tally: PlacedPatchSearch, sample_set: SampleSet, most: int) -> list[_Arm]:
    """For every label its most surprising places."""
    channels = sample_set.spec.shape[0]
    arms: list[_Arm] = []
    seen: list[tuple[int, Place]] = []
    for _, label, (row, column) in tally.tally.surprises(sample_set.classes):
        mine = [place for known, place in seen if known == label]
        near = any(abs(a - row) <= NEAR and abs(b - column) <= NEAR for a, b in mine)
        if len(mine) >= most or near:
            continue
        seen.append((label, (row, column)))
        model = CellModel(channels, tally.cells)
        arms.append(_arm(tally, sample_set, label, tally.around((row, column)), model))
    return arms


def _by_pattern(tally: PlacedPatchSearch, sample_set: SampleSet) -> Asking[list[_Arm]]:
    """For labels that few draws lead to: single patches that do so again."""
    arms: list[_Arm] = []
    most = int(REPLAYED * len(tally.tally.draws))
    for label in range(sample_set.classes):
        hits = [d for d in tally.tally.draws if d.answer == label and d.source != label]
        if not hits or _share(tally, label) > RARE:
            continue
        chosen = sample_set.rng.permutation(len(hits))[:most].tolist()
        patches = yield from _repeating([hits[i] for i in chosen], label, sample_set)
        for patch in patches:
            known = np.ascontiguousarray(patch.pattern[:, :: tally.unit, :: tally.unit])
            model = CellModel(len(known), known.shape[-1], known)
            arms.append(_arm(tally, sample_set, label, patch.places[0], model))
    return arms


def _repeating(draws: list[Draw], label: int, sample_set: SampleSet) -> Asking[list[Patch]]:
    """Patches of ``draws`` that lead to ``label`` again, first together, then alone."""
    images = sample_set.pick(REPLAY_IMAGES, label)
    asked = []
    for draw in draws:
        pixels = sample_set.pixels[images]
        for patch in draw.patches:
            pixels = patch.apply(pixels)
        asked.append(pixels)
    labels = yield from sample_set.ask(np.concatenate(asked), "replay")
    rates = (labels == label).reshape(len(draws), -1).mean(axis=1)
    order = np.argsort(-rates, kind="stable")[: 4 * SINGLES]
    single = [patch for i in order.tolist() if rates[i] >= REPEATS for patch in draws[i].patches]
    if not single:
        return []
    images = sample_set.pick(ALONE_IMAGES, label)
    alone = (yield from sample_set.hits([*single], label, images, "replay")).mean(axis=1)
    best = np.argsort(-alone, kind="stable")[:SINGLES].tolist()
    return [single[i] for i in best if alone[i] >= ALONE]


def _learned(arm: _Arm, sample_set: SampleSet, queries: int) -> Asking[None]:
    """Ask ``queries`` patterns at the arm's place, by Thompson sampling once one hit."""
    channels, cells, _ = arm.model.shape
    rng, end = sample_set.rng, len(arm.model.hits) + queries
    while len(arm.open_) and len(arm.model.hits) < end:
        if arm.model.fresh or (arm.model.unguided and sum(arm.model.hits) < 4):
            patterns = [draw_pattern(rng, channels, cells) for _ in range(BATCH)]
        else:
            patterns = arm.model.draw(rng, BATCH)
        patches = [Patch(enlarge(one, cells * arm.unit), (arm.place,)) for one in patterns]
        images = rng.choice(arm.open_, BATCH)
        answers = yield from sample_set.ask_each(patches, images, "learn")
        arm.model.add(patterns, answers == arm.label)
        arm.rates.append(arm.model.rate(BATCH))
        if len(arm.rates) >= 3 and np.mean(arm.rates[-2:]) >= LEARNED:
            break


def _settled(arm: _Arm, search_set: SampleSet, validation_set: SampleSet) -> Asking[PlacedPatch]:
    """Crop and shift the arm's patch pixel by pixel, first while no image is lost, then while it
    carries enough; fresh samples say how small it may be.
    """
    patch, share = arm.patch(), arm.recent()
    if share >= HOPELESS:
        patch, share = yield from _cropped(patch, arm.label, search_set)
    trail = [(patch, share)]
    while share >= CARRIES and patch.side > SMALLEST:
        smaller = crops(patch, 1)
        images = search_set.pick(SETTLE_IMAGES, arm.label)
        rates = (yield from search_set.hits([*smaller], arm.label, images, "settle")).mean(axis=1)
        patch, share = smaller[int(rates.argmax())], float(rates.max())
        trail.append((patch, share))
    return (yield from _fresh(trail, arm.label, validation_set))


def _cropped(patch: Patch, label: int, sample_set: SampleSet) -> Asking[tuple[Patch, float]]:
    """The patch after crops and shifts that lose nothing, and its share of search images."""
    _, height, width = sample_set.spec.shape
    share = 0.0
    for _ in range(SETTLE_ROUNDS):
        smaller = crops(patch, 1) if patch.side > SMALLEST else []
        moves = [patch.moved(step, height, width) for step in STEPS]
        images, tried = sample_set.pick(SETTLE_IMAGES, label), [patch, *smaller, *moves]
        rates = (yield from sample_set.hits([*tried], label, images, "settle")).mean(axis=1)
        share, middle = float(rates[0]), 1 + len(smaller)
        if smaller and rates[1:middle].max() >= share:
            best = 1 + int(rates[1:middle].argmax())
        elif rates[middle:].max() > share:
            best = middle + int(rates[middle:].argmax())
        else:
            break
        patch, share = tried[best], float(rates[best])
    return patch, share


def _fresh(
    trail: list[tuple[Patch, float]], label: int, sample_set: SampleSet
) -> Asking[PlacedPatch]:
    """The smallest patch of ``trail`` that carries fresh samples, else its first."""
    images = sample_set.pick(FRESH, label)
    # The last one was cropped too far; the one before it may have been lucky.
    tried = [*trail[:0:-1][:3], trail[0]]
    found: PlacedPatch | None = None
    for patch, share in tried:
        success = yield from success_on(sample_set, patch, label, images)
        found = PlacedPatch(patch, label, share, success)
        if success.rate >= CARRIES:
            break
    assert found is not None
    return found
