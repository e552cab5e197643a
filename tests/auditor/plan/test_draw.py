"""Draws of triplets: seeded, even and different."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from auditor.errors import SamplesError
from auditor.plan.draw import draw_in_turn, draw_triplets

CLASSES = np.repeat(np.arange(5), 4)


@pytest.mark.parametrize("seed", range(8))
def test_triplets_hold_three_classes_and_differ(seed: int) -> None:
    triplets = draw_triplets(CLASSES, 300, seed)
    assert triplets.shape == (300, 3)
    assert all(len({int(c) for c in CLASSES[triplet]}) == 3 for triplet in triplets)
    assert len({frozenset(triplet.tolist()) for triplet in triplets}) == 300


def test_the_first_triplets_do_not_depend_on_how_many_are_drawn() -> None:
    few, many = draw_triplets(CLASSES, 5, 3), draw_triplets(CLASSES, 40, 3)
    assert few.tolist() == many[:5].tolist()


def test_triplets_depend_on_the_seed() -> None:
    assert draw_triplets(CLASSES, 5, 3).tolist() != draw_triplets(CLASSES, 5, 4).tolist()


def test_a_class_with_many_samples_is_not_favoured() -> None:
    classes = np.array([0] * 500 + [1] * 20 + [2] * 20 + [3] * 20)
    drawn = classes[draw_triplets(classes, 2000, 0)]
    shares = [float((drawn == label).any(axis=1).mean()) for label in range(4)]
    # Three of four classes: each in 3/4 of the triplets, deviation 0.0097.
    assert max(abs(share - 0.75) for share in shares) < 0.05


def test_every_possible_triplet_can_be_asked_for() -> None:
    classes = np.array([0, 0, 1, 2, 2, 3])
    sizes = [2, 1, 2, 1]
    possible = sum(a * b * c for a, b, c in itertools.combinations(sizes, 3))
    assert len(draw_triplets(classes, possible, 0)) == possible
    with pytest.raises(SamplesError, match=f"allow {possible} different planes and {possible + 1}"):
        draw_triplets(classes, possible + 1, 0)


def test_many_classes_are_counted_quickly() -> None:
    assert len(draw_triplets(np.arange(5000), 20, 0)) == 20


def test_two_classes_allow_no_plane() -> None:
    with pytest.raises(SamplesError, match="allow 0 different planes"):
        draw_triplets(np.array([0, 0, 1, 1]), 1, 0)


def test_triplets_drawn_in_turn_use_classes_and_samples_evenly() -> None:
    classes = np.repeat(np.arange(9), 10)
    triplets = draw_in_turn(classes, 60, 0)
    by_class = np.bincount(classes[triplets].ravel(), minlength=9)
    assert by_class.tolist() == [20] * 9
    assert np.bincount(triplets.ravel(), minlength=90).tolist() == [2] * 90
    assert len({tuple(sorted(t)) for t in triplets.tolist()}) == 60
    assert draw_in_turn(classes, 20, 0).tolist() == triplets[:20].tolist()
    assert draw_in_turn(classes, 60, 1).tolist() != triplets.tolist()


def test_sixty_samples_give_hundreds_of_planes() -> None:
    classes = np.repeat(np.arange(10), 6)
    triplets = draw_in_turn(classes, 500, 0)
    assert len({tuple(sorted(t)) for t in triplets.tolist()}) == 500


def test_every_possible_triplet_can_be_drawn_in_turn() -> None:
    classes = np.array([0, 0, 1, 2, 2, 3])
    assert len(draw_in_turn(classes, 12, 0)) == 12
    with pytest.raises(SamplesError, match="allow 12 different planes and 13"):
        draw_in_turn(classes, 13, 0)


def test_each_triplet_drawn_in_turn_is_as_likely_as_any() -> None:
    classes = np.array([0, 0, 1, 2, 3])
    firsts = [tuple(sorted(draw_in_turn(classes, 1, seed)[0].tolist())) for seed in range(3000)]
    counts = Counter(firsts)
    # Four triples of classes; class 0 has two samples, so its triples come in two kinds.
    assert len(counts) == 7
    for triplet, count in counts.items():
        expected = 3000 / 4 / (2 if {0, 1} & set(triplet) else 1)
        assert abs(count - expected) < 4 * math.sqrt(expected)
