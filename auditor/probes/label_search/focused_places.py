"""A tally of places that asks where it found something once more: after draws all over the image,
further ones go to the places at which a label was the most surprising so far.

A random pattern leads to the target in one draw in ten or in fifty even at the trigger's own place.
Spread over the whole image, thousands of draws cover one place a few dozen times, which chance
alone explains; the same number, led by the ones before, cover a few dozen places a hundred times.
"""

from __future__ import annotations

from dataclasses import replace

from auditor.probes.trigger_search.patches import Patch, Place, draw_pattern, enlarge
from auditor.probes.trigger_search.placed_patch_search import PlacedPatchSearch, Tally
from auditor.probes.trigger_search.sample_set import Asking, SampleSet
from auditor.probes.trigger_search.settings import TriggerSettings

BATCH = 250  # draws until the places are chosen anew
OF_LABEL = 2  # times its even share of the places that one label may have
FINE_PARTS, FINEST = 48, 2  # cells: a part of the image's side, and pixels at least
COPIES = 8  # patches on one image: they cover as much of it as four of usual cells


class FocusedPlaces(PlacedPatchSearch):
    """The tally of :class:`PlacedPatchSearch`, drawn in two or more rounds."""

    def __init__(self, sample_set: SampleSet, side: int) -> None:
        """Patches have ``side`` cells, of a 48th of the image's smaller side."""
        settings = replace(TriggerSettings(), place_side=side, place_copies=COPIES)
        super().__init__(sample_set, settings)
        height, width = sample_set.spec.shape[1:]
        self.unit = max(FINEST, round(min(height, width) / FINE_PARTS))
        self.cells = min(side, min(height, width) // self.unit)
        # A patch has a cell of room around its window.
        room = min(1, self.cells - 1) * self.unit
        self.window = self.cells * self.unit - room
        # Every patch covers the corner of one window in each direction.
        rows, columns = (range(0, length - self.window + 1, room) for length in (height, width))
        self.tally = Tally(rows, columns)
        self.near: list[Place] = []

    def focus(self, draws: int, most: int) -> Asking[None]:
        """Ask ``draws`` images whose patches cover the ``most`` most surprising places."""
        for first in range(0, draws, BATCH):
            self.near = self.surprising(most)
            yield from self.draw(min(BATCH, draws - first))
        self.near = []

    def surprising(self, most: int) -> list[Place]:
        """Windows of the most surprising pairs of label and place, of no label too many."""
        classes = self.sample_set.classes
        each = max(2, -(-OF_LABEL * most // classes))
        seen: list[tuple[int, Place]] = []
        for _, label, (row, column) in self.tally.surprises(classes):
            mine = [place for known, place in seen if known == label]
            beside = any(
                abs(row - a) <= self.unit and abs(column - b) <= self.unit for a, b in mine
            )
            if len(mine) < each and not beside:
                seen.append((label, (row, column)))
            if len(seen) == most:
                break
        return [place for _, place in seen]

    def _patch(self) -> Patch:
        """A random patch over one of the places in focus; anywhere while there are none."""
        if not self.near:
            return super()._patch()
        rng, (channels, height, width) = self.sample_set.rng, self.sample_set.spec.shape
        side = self.cells * self.unit
        corner = self.near[int(rng.integers(len(self.near)))]
        row, column = (
            min(max(start - int(rng.integers(side - self.window + 1)), 0), length - side)
            for start, length in zip(corner, (height, width), strict=True)
        )
        return Patch(enlarge(draw_pattern(rng, channels, self.cells), side), ((row, column),))
