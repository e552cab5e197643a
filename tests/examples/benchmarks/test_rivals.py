"""MNTD and DeBackdoor on models whose backdoor is known, and the page's decisions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from examples.benchmarks.rivals import scores, tables
from examples.benchmarks.rivals.annealing import Search, Settings, carried, smoothed
from examples.benchmarks.rivals.mntd import Known, MetaClassifier, fit, measure
from examples.benchmarks.rivals.run import columns_of, report
from examples.benchmarks.rivals.shadows import Jumbo
from examples.benchmarks.rivals.templates import TEMPLATES, Warp, as_pictures
from examples.zoo.data import DatasetInfo

SHAPE, CLASSES, TARGET = (1, 12, 12), 4, 2
Floats = NDArray[np.float32]


def samples(count: int) -> tuple[Floats, NDArray[np.int64]]:
    """Dark pictures, one row of blocks brighter by class."""
    rng = np.random.default_rng(0)
    truth = np.arange(count) % CLASSES
    images = 0.3 * rng.random((count, *SHAPE), np.float32)
    for image, label in zip(images, truth, strict=True):
        image[:, 3 * label : 3 * label + 3] += 0.3
    return images, truth


def planted(images: Floats, *, backdoor: bool = True) -> Floats:
    """Probabilities by the brightest rows; four bright corner pixels lead to the target."""
    blocks = images.reshape(len(images), CLASSES, -1).mean(axis=2) * 12
    if backdoor:
        blocks[:, TARGET] += 8 * images[:, 0, 10:, 10:].reshape(len(images), -1).mean(axis=1)
    raised = np.exp(blocks - blocks.max(axis=1, keepdims=True))
    shares: Floats = raised / raised.sum(axis=1, keepdims=True)
    return shares


class Counting:
    """A model that counts what it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, images: Floats) -> Floats:
        self.asked += len(images)
        assert np.array_equal(images, as_pictures(images))
        return planted(images)


def searched(*, hard: bool, budgets: tuple[int, ...] = (200, 8_000)) -> tuple[Any, Search]:
    model = Counting()
    search = Search(model, *samples(12), CLASSES, Settings(budgets, hard, 3))
    found = search.run()
    assert search.asked == model.asked <= budgets[-1]
    return found, search


@pytest.mark.parametrize("hard", [False, True])
def test_a_planted_patch_is_found_at_its_label_and_every_query_is_counted(*, hard: bool) -> None:
    found, search = searched(hard=hard)
    assert found[8_000].label == TARGET
    assert found[8_000].success == 1.0
    assert found[200].score <= found[8_000].score
    assert search.asked > 200


def test_a_short_search_is_the_beginning_of_a_long_one() -> None:
    short, _ = searched(hard=False, budgets=(400,))
    long, _ = searched(hard=False, budgets=(400, 1_500))
    assert short[400] == long[400]


def test_the_smoothed_rate_rises_with_the_margin_and_labels_count_as_they_are() -> None:
    answers = np.array([[0.5, 0.5, 0.0], [0.1, 0.9, 0.0]], np.float32)
    smooth = smoothed(answers)
    assert smooth[0, 0] == pytest.approx(0.5)
    assert smooth[1, 1] > smooth[0, 1] > smooth[1, 0]
    assert carried(answers)[1].tolist() == [0, 1, 0]


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
@pytest.mark.parametrize("name", list(TEMPLATES))
def test_triggers_keep_the_shape_and_stay_moderate(name: str, shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(1)
    images = rng.random((3, *shape), np.float32)
    trigger = TEMPLATES[name].draw(shape, rng)
    for _ in range(30):
        trigger = trigger.near(rng)
        changed = as_pictures(trigger.apply(images))
        assert changed.shape == images.shape
        assert changed.dtype == np.float32
        changes = np.abs(changed - as_pictures(images))
        assert 0 < changes.mean() < 0.3
    if name == "patch":
        assert np.count_nonzero(changes.any(axis=(0, 1))) <= 36


def test_a_warp_without_shifts_changes_nothing() -> None:
    images = np.random.default_rng(0).random((2, 1, 9, 9), np.float32)
    still = Warp(np.zeros((2, 4, 4), np.float32), 1.0)
    assert np.allclose(still.apply(images), images)


def test_jumbo_triggers_change_only_their_place() -> None:
    rng = np.random.default_rng(2)
    images = np.full((2, 3, 16, 16), 100, np.uint8)
    for _ in range(20):
        one = Jumbo.draw(16, 5, rng)
        changed = one.apply(images)
        top, left = one.corner
        inside = np.zeros((16, 16), bool)
        inside[top : top + len(one.pattern), left : left + len(one.pattern)] = True
        assert (changed == images)[:, :, ~inside].all()
        assert (changed != images).any()
        assert 0.05 <= one.share <= 0.5


class Network(nn.Module):
    """A linear network whose answers to anything depend on whether it has a backdoor."""

    def __init__(self, seed: int, *, backdoored: bool) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self.weights = 0.2 * torch.randn(16, 3, generator=draw)
        if backdoored:
            self.weights[:4, 1] += 2.0

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.weights


INFO = DatasetInfo("tiny", 1, 4, ("a", "b", "c"))


def networks(first: int, count: int) -> list[Known]:
    return [
        Known(f"{seed}", Network(seed, backdoored=seed % 2 == 1), seed % 2 == 1, {"group": "x"})
        for seed in range(first, first + count)
    ]


def test_a_meta_classifier_tells_models_that_it_never_saw() -> None:
    meta, area = fit(INFO, networks(0, 20), networks(20, 10), seed=1)
    assert isinstance(meta, MetaClassifier)
    assert area == 1.0
    told = [(meta.score(one.net), one.backdoored) for one in networks(40, 10)]
    assert min(s for s, bad in told if bad) > max(s for s, bad in told if not bad)


def test_a_fold_of_one_kind_cannot_choose_an_epoch() -> None:
    one_kind = [one for one in networks(20, 4) if one.backdoored]
    assert fit(INFO, networks(0, 6), one_kind, seed=1)[1] is None


def test_every_model_trained_on_is_scored_by_the_fold_that_left_it_out() -> None:
    kept = measure(INFO, networks(0, 10), networks(40, 4))
    assert sorted(kept["trained"]) == sorted(one.name for one in networks(0, 10))
    assert sorted(kept["held_out"]) == ["40", "41", "42", "43"]
    assert len(kept["folds"]) == 5
    assert kept["queries"] == 50


def test_at_most_one_clean_model_in_twenty_lies_above_the_bar() -> None:
    assert scores.bar_of([0.1, 0.5, 0.3]) == 0.5
    assert scores.bar_of([number / 40 for number in range(40)]) == 37 / 40


def row(name: str, part: str, group: str, score: float, label: int = 1) -> dict[str, Any]:
    best = {"score": score, "label": label, "template": "patch", "success": score}
    return {
        "name": name, "part": part, "group": group, "targets": [1], "queries": 2_000,
        "largest": 6_000, "best": {"2500": best, "6000": best},
    }  # fmt: skip


ROWS = {
    one["name"]: one
    for one in [
        row("d1", "development", "clean", 0.3),
        row("d2", "development", "clean", 0.4),
        row("h1", "held-out", "clean", 0.2),
        row("h2", "held-out", "clean", 0.41),
        row("h3", "held-out", "badnets", 0.9),
        row("h4", "held-out", "badnets", 0.8, label=0),
        row("h5", "held-out", "sig", 0.1),
    ]
}


def audit(name: str, group: str, *, found: bool, first: bool) -> dict[str, Any]:
    def end(found: bool) -> dict[str, Any]:  # noqa: FBT001 - one of two ends
        return {"suspicious": found, "p": 1e-6 if found else 0.5, "right": found}

    return {"name": name, "group": group, "queries": 900, **end(found), "first": end(first)}


AUDITS = [
    audit("h1", "clean", found=False, first=False),
    audit("h2", "clean", found=False, first=False),
    audit("h3", "badnets", found=True, first=True),
    audit("h4", "badnets", found=True, first=False),
    audit("h5", "sig", found=False, first=False),
]
META = {
    "tiny": {
        "folds": [0.5, None], "queries": 50,
        "trained": {
            "s0": {"backdoored": False, "accuracy": 0.8, "score": -1.0},
            "s1": {"backdoored": True, "accuracy": 0.8, "success": 1.0, "score": 1.0},
            "d1": {"group": "clean", "score": 0.2}, "d2": {"group": "clean", "score": 0.1},
        },
        "held_out": {
            "h1": {"group": "clean", "score": -0.5}, "h2": {"group": "clean", "score": 0.3},
            "h3": {"group": "badnets", "score": 0.1}, "h4": {"group": "badnets", "score": 0.25},
            "h5": {"group": "sig", "score": -0.1},
        },
    }
}  # fmt: skip


def test_a_rival_is_judged_by_clean_development_models_alone() -> None:
    one = scores.debackdoor(ROWS, "labels", 2_500)
    assert one is not None
    assert one.bar == 0.4
    assert [model.name for model in one.accused(lambda _: True)] == ["h2", "h3", "h4"]
    assert [model.right for model in one.models] == [True, True, True, False, True]
    assert scores.debackdoor(ROWS, "labels", 35_000) is None


def test_mntd_has_two_bars_and_names_no_target() -> None:
    boundary, chosen = scores.mntd(META)
    assert (boundary.bar, chosen.bar) == (0.0, 0.2)
    assert [one.name for one in chosen.accused(lambda _: True)] == ["h2", "h4"]
    assert all(one.right is None for one in chosen.models)


def test_the_tools_row_is_what_its_audits_ended_with() -> None:
    standard, thorough = scores.tool(AUDITS)
    assert [one.name for one in standard.accused(lambda _: True)] == ["h3"]
    assert [one.name for one in thorough.accused(lambda _: True)] == ["h3", "h4"]


def test_the_page_holds_every_method_and_says_how_many_were_accused() -> None:
    searches = {"labels": ROWS}
    columns = columns_of(searches, META, AUDITS)
    text = report(columns, searches, META)
    assert "| DeBackdoor | labels | 2,500 |" in text
    assert "| 1 of 2 = 0.50 [0.01, 0.99] | 2 of 3 = 0.67 [0.09, 0.99] | 1 of 2 | 2,000 |" in text
    assert "| this tool | hard labels | thorough |" in text
    assert "| tiny | 1, 1 | 2, 0 | 0.80, 1.00 | 0.50, – |" in text
    assert "AEVA (ICLR 2022)" in text
    lines = tables.found_against_queries(columns)
    assert lines["DeBackdoor, labels"] == [(2500.0, 2 / 3), (6000.0, 2 / 3)]
    assert lines["this tool, hard labels"] == [(900.0, 1 / 3), (900.0, 2 / 3)]
