"""A planted patch is found at its place and label, and is made as small as it may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from auditor.probes.label_search import least_patch as module
from auditor.probes.label_search.least_patch import least_patches
from auditor.probes.label_search.search import prepare
from auditor.probes.label_search.settings import EFFORTS, FINE, LabelSearchSettings
from auditor.probes.trigger_search.sample_set import Asking

MakeWorld = Callable[..., Any]


ASKING = [EFFORTS["standard"], FINE["standard"]]


def found(world: Any, settings: LabelSearchSettings, seed: int = 1) -> list[Any]:
    samples, classes = world.samples(100)
    run = world.drive(prepare(samples, classes, world.spec, settings, seed))
    patches: list[Any] = world.drive(least_patches(run.search_set, run.validation_set, settings, 4))
    return patches


@pytest.mark.parametrize("settings", ASKING)
def test_a_planted_patch_is_found_where_it_is(
    worlds: MakeWorld, settings: LabelSearchSettings
) -> None:
    best = found(worlds("patch"), settings)[0]
    (row, column), side = best.patch.places[0], best.patch.side
    assert best.label == 2
    # Fine cells have two pixels here, others one; the trigger has three.
    assert side <= 4 * (2 if settings.fine else 1)
    within = side - 1 if settings.fine else 2
    for start, at in ((row, 20), (column, 1)):
        assert -2 <= at - start <= within
    assert best.success.rate >= 0.7


def test_a_patch_is_asked_what_tells_it_from_natural_ones_where_settings_say_so(
    worlds: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, told = worlds("patch"), replace(EFFORTS["standard"], order_images=20)
    weak = world.backdoor
    world.backdoor = lambda pixels, clean: 2 * weak(pixels, clean)
    before = found(world, EFFORTS["standard"])
    asked: list[int] = []
    monkeypatch.setattr(module, "tells", lambda *given: _noted(asked, given))
    after = found(world, told)
    carried = [one for one in after if one.carried]
    assert carried
    assert [one.telling for one in after] == [one.carried for one in after]
    assert asked == [20] * len(carried)
    assert not any(one.telling for one in before)
    assert [one.success for one in after] == [one.success for one in before]


def _noted(asked: list[int], given: tuple[Any, ...]) -> Asking[bool]:
    """A patch that tells, and the number of pictures that it was to be asked on."""
    asked.append(given[3])
    yield from given[2].ask(given[2].pixels[:1], "order")
    return True


@pytest.mark.parametrize("settings", ASKING)
def test_a_clean_model_has_no_small_patch(worlds: MakeWorld, settings: LabelSearchSettings) -> None:
    assert not any(one.carried for one in found(worlds("clean"), settings))
