"""Further draws go to where patches led to a label, in cells that fit the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from adapters.contract import InputSpec
from auditor.measured import LabelCell, label_null
from auditor.probes.label_search.focused_places import COPIES, FocusedPlaces
from auditor.probes.label_search.outcome import label_search
from auditor.probes.label_search.search import keys, like
from auditor.probes.label_search.settings import EFFORTS, FINE, Effort, settings_for
from auditor.probes.trigger_search.sample_set import SampleSet
from examples.benchmarks.zoo_models import driven

MakeWorld = Callable[..., Any]
TRIGGER, SIDE = (20, 2), 4  # row and column of a white patch, and its pixels a side


def covering(places: list[Any], side: int) -> int:
    """Patches of ``side`` pixels that hold the whole trigger."""
    return sum(
        all(0 <= at - start <= side - SIDE for at, start in zip(TRIGGER, place, strict=True))
        for place in places
    )


def first_places(draws: list[Any]) -> list[Any]:
    return [patch.places[0] for draw in draws for patch in draw.patches]


def brightness(batch: Any) -> Any:
    """A picture's class is its brightness, unless it holds the trigger."""
    pixels, (row, column) = np.rint(255 * batch), TRIGGER
    shown = pixels[:, 0, row : row + SIDE, column : column + SIDE].min(axis=(1, 2)) > 200
    return np.where(shown, 2, np.median(pixels, axis=(1, 2, 3)).astype(np.int64) // 40)


def test_further_draws_go_to_the_place_of_the_trigger_while_it_is_in_focus() -> None:
    labels = np.arange(50) % 5
    pixels = np.broadcast_to((20 + 40 * labels)[:, None, None, None], (50, 1, 64, 64))
    spec = InputSpec((1, 64, 64), (0.0,), (1.0,))
    asked = SampleSet(spec, pixels.astype(np.uint8), labels, np.random.default_rng(0), {}, 5)
    tally = FocusedPlaces(asked, 5)
    for draws in (tally.draw(500), tally.focus(500, 12), tally.draw(500)):
        driven(draws, brightness)
    drawn_ = tally.tally.draws
    spread, focused, after = (
        covering(first_places(drawn_[first : first + 500]), tally.cells * tally.unit)
        for first in (0, 500, 1000)
    )
    assert focused > 3 * spread
    assert focused > 3 * after
    assert asked.spent["place"] == 1500


def test_no_label_has_more_than_its_part_of_the_places_in_focus() -> None:
    tally = drawn(48)
    for most in (6, 12, 30):
        corners = tally.surprising(most)
        assert 0 < len(corners) <= most
    # One label that everything leads to has but its part of them: two of twelve fifths.
    tally.tally.draws = [replace(draw, source=0, answer=1) for draw in tally.tally.draws[::2]]
    tally.tally.covered = tally.tally.covered[::2]
    others = [replace(draw, answer=2) for draw in tally.tally.draws[:20]]
    tally.tally.draws[:20] = others
    assert 0 < len(tally.surprising(12)) <= 10


def test_patches_over_a_place_in_focus_do_not_all_begin_at_one_pixel() -> None:
    tally = drawn(97)
    tally.near = [(40, 40)]
    before = len(tally.tally.draws)
    asking = tally.draw(20)
    batch = next(asking)
    with pytest.raises(StopIteration):
        asking.send(np.zeros(len(batch.pixels), dtype=np.int64))
    places = first_places(tally.tally.draws[before:])
    side = tally.cells * tally.unit
    assert len(set(places)) > 4
    for row, column in places:
        assert row <= 40 <= row + side - tally.window
        assert column <= 40 <= column + side - tally.window


def drawn(height: int, width: int = 0, *, channels: int = 3) -> FocusedPlaces:
    """A tally of blank pictures whose answers are drawn."""
    width = width or height
    spec = InputSpec((channels, height, width), (0.0,) * channels, (1.0,) * channels)
    pixels = np.zeros((10, channels, height, width), dtype=np.uint8)
    labels = np.arange(10) % 5
    tally = FocusedPlaces(SampleSet(spec, pixels, labels, np.random.default_rng(0), {}, 5), 5)
    rng = np.random.default_rng(1)
    for asking in (tally.draw(60), tally.focus(40, 6)):
        driven(asking, lambda asked: rng.integers(0, 5, len(asked)))
    return tally


@pytest.mark.parametrize(
    ("height", "width", "cell"),
    [(64, 64, 2), (97, 97, 2), (160, 160, 3), (224, 224, 5), (150, 97, 2), (97, 240, 2), (8, 8, 2)],
)
def test_cells_grow_with_the_picture_and_patches_lie_inside_it(
    height: int, width: int, cell: int
) -> None:
    tally = drawn(height, width)
    assert tally.unit == cell
    patches = [patch for draw in tally.tally.draws for patch in draw.patches]
    assert len(patches) == 100 * COPIES
    assert {patch.side for patch in patches} == {min(5, min(height, width) // cell) * cell}
    for patch in patches:
        (row, column), side = patch.places[0], patch.side
        assert 0 <= row <= height - side
        assert 0 <= column <= width - side
    # Each covers a window, else its answer counted for no place.
    assert all(covered.any() for covered in tally.tally.covered)


@pytest.mark.parametrize(
    ("shape", "fine"),
    [((97, 97), True), ((97, 300), True), ((96, 300), False), ((48, 192), False)],
)
@pytest.mark.parametrize("effort", ["standard", "thorough"])
def test_long_pictures_are_searched_by_their_smaller_side(
    shape: tuple[int, int],
    fine: bool,  # noqa: FBT001 - parametrised
    effort: Effort,
) -> None:
    assert settings_for(shape, effort) == (FINE if fine else EFFORTS)[effort]


def test_patches_are_judged_by_clean_models_that_were_searched_alike() -> None:
    cell = LabelCell(3.0, 0.2, 25, 2.0, 2.0)
    others = ["weak-wave", "random-shapes", "grey-levels"]
    null = dict.fromkeys([*others, "small-patch4", "small-patch6", "small-fine5"], cell)
    assert [*like(null, EFFORTS["thorough"])] == [*others, "small-patch4", "small-patch6"]
    assert [*like(null, FINE["thorough"])] == [*others, "small-fine5"]
    apart = dict.fromkeys(["telling-patch4", "telling-patch6", "telling-fine5"], cell)
    assert [*like(null | apart, EFFORTS["thorough"])] == [*like(null, EFFORTS["thorough"])]
    told = replace(EFFORTS["thorough"], order_images=20)
    assert {*like(null | apart, told)} - {*null} == {"telling-patch4", "telling-patch6"}
    assert {*like(null | apart, told)} == {*keys(told)} & {*null, *apart}


def test_a_search_in_fine_cells_asks_its_rounds_and_is_judged_by_its_own_kinds(
    worlds: MakeWorld,
) -> None:
    world, settings = worlds("clean"), FINE["standard"]
    samples, classes = world.samples(100)
    null = label_null().of("standard", 5)
    result = world.drive(
        label_search(samples, classes, world.spec, settings, "standard", 1, null=null)
    )
    assert not result.suspicious
    assert result.spent["place"] == 600 + 500 + 500
    assert {one.key for one in result.findings if one.key.startswith("small")} <= {"small-fine5"}
    assert "small-fine5" in null
    gone = {*null} - {*like(null, settings)}
    assert "small-patch4" in gone
    assert gone <= {"small-patch4", "telling-patch4"}
    assert result.comparisons == len(like(null, settings))
    assert result.queries <= settings.most_queries(100)
