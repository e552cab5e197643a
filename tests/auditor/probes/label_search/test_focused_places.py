"""Further draws go to where patches led to a label, in cells that fit the picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from adapters.contract import InputSpec
from auditor.probes.label_search.focused_places import FINE_COPIES, FocusedPlaces
from auditor.probes.label_search.search import prepare
from auditor.probes.label_search.settings import EFFORTS
from auditor.probes.trigger_search.sample_set import SampleSet

MakeWorld = Callable[..., Any]
TRIGGER = (20, 1)  # row and column of the 3 x 3 patch that the model of ``worlds`` answers to


def covering(places: list[Any], cells: int) -> int:
    """Patches of ``cells`` pixels that hold the whole trigger."""
    return sum(
        all(0 <= at - start <= cells - 3 for at, start in zip(TRIGGER, place, strict=True))
        for place in places
    )


def test_further_draws_go_to_the_place_of_the_trigger(worlds: MakeWorld) -> None:
    world = worlds("patch")
    samples, classes = world.samples(100)
    run = world.drive(prepare(samples, classes, world.spec, EFFORTS["standard"], 1))
    tally = FocusedPlaces(run.search_set, 4)
    world.drive(tally.draw(500))
    world.drive(tally.focus(500, 12))
    places = [patch.places[0] for draw in tally.tally.draws for patch in draw.patches]
    spread, focused = covering(places[:2000], 4), covering(places[2000:], 4)
    assert focused > 3 * spread
    assert run.search_set.spent["place"] == 1000


def drawn(side: int, *, fine: bool, channels: int = 3) -> FocusedPlaces:
    """A tally of blank pictures whose answers are all alike but for some, of one label."""
    spec = InputSpec((channels, side, side), (0.0,) * channels, (1.0,) * channels)
    pixels = np.zeros((10, channels, side, side), dtype=np.uint8)
    labels = np.arange(10) % 5
    tally = FocusedPlaces(
        SampleSet(spec, pixels, labels, np.random.default_rng(0), {}, 5), 5, fine=fine
    )
    rng = np.random.default_rng(1)
    for asking in (tally.draw(60), tally.focus(40, 6)):
        batch = next(asking)
        while True:
            try:
                batch = asking.send(rng.integers(0, 5, len(batch.pixels)))
            except StopIteration:
                break
    return tally


@pytest.mark.parametrize(
    ("side", "fine", "cell"),
    [(48, False, 2), (96, False, 3), (97, True, 2), (160, True, 3), (224, True, 5), (8, True, 2)],
)
def test_cells_grow_with_the_picture_and_patches_lie_inside_it(
    side: int,
    fine: bool,  # noqa: FBT001 - parametrised
    cell: int,
) -> None:
    tally = drawn(side, fine=fine)
    assert tally.unit == cell
    patches = [patch for draw in tally.tally.draws for patch in draw.patches]
    assert len(patches) == 100 * (FINE_COPIES if fine else 4)
    assert {patch.side for patch in patches} == {min(5, side // cell) * cell}
    assert all(0 <= at <= side - patch.side for patch in patches for at in patch.places[0])
    # Each covers a window, else its answer counted for no place.
    assert all(covered.any() for covered in tally.tally.covered)
