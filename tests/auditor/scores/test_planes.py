"""Scores against brute force: exact shares, 60-digit logarithms, a flood fill by hand."""

from __future__ import annotations

import math
from decimal import MIN_EMIN, Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
import scipy
from numpy.typing import NDArray

from auditor.probes.net_points import scrambled_net
from auditor.scores.ats import ats_by_label, ats_by_region
from auditor.scores.entropy import renyi_entropy
from auditor.scores.intervals import mean_over_planes
from auditor.scores.planes import label_shares, score_plane, score_points, target_label

Map = NDArray[np.int64]


def random_map(seed: int) -> tuple[Map, int]:
    """A seeded label map with patches of every size, and its number of classes."""
    rng = np.random.default_rng([seed, 4])
    classes = int(rng.choice([2, 3, 10, 43, 300, 1000]))
    side = int(rng.integers(2, 24))
    labels = rng.integers(0, classes, (side, side))
    for _ in range(int(rng.integers(0, 6))):
        top, left = rng.integers(0, side, 2)
        height, width = rng.integers(1, side + 1, 2)
        labels[top : top + height, left : left + width] = rng.integers(0, classes)
    return labels, classes


def exact_shares(labels: Map, classes: int) -> list[Fraction]:
    flat = labels.ravel().tolist()
    return [Fraction(flat.count(label), len(flat)) for label in range(classes)]


def exact_entropy(shares: list[Fraction], alpha: float) -> float:
    """Rényi entropy in bits with 60 digits."""
    with localcontext() as context:
        context.prec, context.Emin = 60, MIN_EMIN
        p = [Decimal(s.numerator) / Decimal(s.denominator) for s in shares if s]
        ln2 = Decimal(2).ln()
        if alpha == 1.0:
            return float(-sum(x * x.ln() for x in p) / ln2)
        if math.isinf(alpha):
            return float(-max(p).ln() / ln2)
        order = Decimal(alpha)
        total = sum(((order * x.ln()).exp() for x in p), Decimal(0))
        return float(total.ln() / ln2 / (1 - order))


def flood(labels: Map, row: int, column: int) -> set[tuple[int, int]]:
    """The 8-connected region around one node, by hand."""
    side = len(labels)
    inside, waiting = {(row, column)}, [(row, column)]
    while waiting:
        r, c = waiting.pop()
        for dr in (-1, 0, 1):
            for dc in (-1, 0, 1):
                node = (r + dr, c + dc)
                on_map = 0 <= node[0] < side and 0 <= node[1] < side
                if on_map and node not in inside and labels[node] == labels[row, column]:
                    inside.add(node)
                    waiting.append(node)
    return inside


def slow_ats(labels: Map, nodes: Map, classes: list[int], threshold: float) -> float:
    total = Fraction(0)
    for (row, column), true_class in zip(nodes.tolist(), classes, strict=True):
        if labels[row, column] == true_class:
            share = Fraction(len(flood(labels, row, column)), labels.size)
            total += share if share < Fraction(str(threshold)) else 0
    return float(total)


ALPHAS = (1.0, 1.0 + 1e-12, 1.000001, 1.3, 1.999, 2.0, 3.0, 10.0, 500.0, 1e6, math.inf)


@pytest.mark.parametrize("seed", range(40))
def test_entropy_equals_sixty_digits(seed: int) -> None:
    labels, classes = random_map(seed)
    shares, exact = label_shares(labels, classes), exact_shares(labels, classes)
    for alpha in ALPHAS:
        assert renyi_entropy(shares, alpha) == pytest.approx(exact_entropy(exact, alpha), abs=1e-12)


def test_the_largest_orders_are_the_min_entropy() -> None:
    shares = np.array([0.6, 0.3, 0.1])
    assert renyi_entropy(shares, 1e300) == pytest.approx(renyi_entropy(shares, math.inf), abs=1e-15)


@pytest.mark.parametrize("seed", range(40))
def test_shares_equal_counting(seed: int) -> None:
    labels, classes = random_map(seed)
    expected = [float(share) for share in exact_shares(labels, classes)]
    np.testing.assert_allclose(label_shares(labels, classes), expected, rtol=0.0, atol=1e-15)


@pytest.mark.parametrize("classes", [2, 3, 10, 257, 1000, 65535])
@pytest.mark.parametrize("alpha", [1.0, 1.5, 2.0, 10.0, 1e6, math.inf])
def test_the_most_entropy_is_log2_of_the_classes(classes: int, alpha: float) -> None:
    shares = np.full(classes, 1.0 / classes)
    assert renyi_entropy(shares, alpha) == pytest.approx(math.log2(classes), rel=1e-12)
    assert renyi_entropy(shares, alpha) <= math.log2(classes)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_one_label_has_no_entropy(alpha: float) -> None:
    assert renyi_entropy(np.array([0.0, 1.0, 0.0]), alpha) == 0.0


def test_entropy_is_in_bits_and_falls_with_the_order() -> None:
    shares = np.array([0.5, 0.25, 0.25])
    assert renyi_entropy(shares, 1.0) == pytest.approx(1.5, abs=1e-15)
    values = [renyi_entropy(shares, alpha) for alpha in ALPHAS]
    assert values == sorted(values, reverse=True)
    # The paper's CIFAR-10 threshold is a map of which one label fills about 58 %.
    assert renyi_entropy(np.array([0.58, 0.42]), 10.0) == pytest.approx(0.873, abs=0.01)


@pytest.mark.parametrize("alpha", [0.999, 0.0, -1.0, math.nan])
def test_an_order_below_1_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        renyi_entropy(np.array([0.5, 0.5]), alpha)


@pytest.mark.parametrize("labels", [[[0, 3]], [[-1, 0]]])
def test_a_label_outside_the_classes_is_refused(labels: list[list[int]]) -> None:
    with pytest.raises(ValueError, match=r"outside 0 \.\. 2"):
        label_shares(np.array(labels), 3)


def test_an_empty_map_is_refused() -> None:
    with pytest.raises(ValueError, match="without labels"):
        label_shares(np.zeros((0, 0), dtype=np.int64), 3)


def draw_nodes(labels: Map, seed: int) -> tuple[Map, list[int]]:
    """Three nodes and true classes: mostly the labels there, at times another one."""
    rng = np.random.default_rng([seed, 9])
    nodes = rng.integers(0, len(labels), (3, 2))
    classes = [int(labels[row, column]) for row, column in nodes]
    if rng.random() < 0.4:
        classes[int(rng.integers(3))] += 1
    return nodes, classes


@pytest.mark.parametrize("seed", range(60))
def test_ats_by_region_equals_a_flood_fill(seed: int) -> None:
    labels, _ = random_map(seed)
    nodes, true = draw_nodes(labels, seed)
    for threshold in (0.5, 0.1, 0.013, 1.0):
        found = ats_by_region(labels, nodes, true, threshold)
        assert found == pytest.approx(slow_ats(labels, nodes, true, threshold), abs=1e-12)
    small = labels.astype(np.uint16)
    assert ats_by_region(small, nodes, true, 0.5) == ats_by_region(labels, nodes, true, 0.5)


@pytest.mark.parametrize("seed", range(60))
def test_ats_by_label_equals_counting(seed: int) -> None:
    labels, classes = random_map(seed)
    rng = np.random.default_rng([seed, 10])
    true = rng.choice(classes, min(3, classes), replace=False).tolist()
    exact = exact_shares(labels, classes)
    for threshold in (0.5, 0.1, 1.0):
        wanted = sum(exact[label] for label in true if exact[label] < Fraction(str(threshold)))
        found = ats_by_label(label_shares(labels, classes), true, threshold)
        assert found == pytest.approx(float(wanted), abs=1e-12)


def test_regions_touch_at_corners_and_do_not_jump() -> None:
    labels = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0]])
    corner = np.array([[0, 0]])
    assert ats_by_region(labels, corner, [1], 0.5) == pytest.approx(2 / 9)
    divided = np.array([[1, 0, 1], [0, 0, 0], [0, 0, 0]])
    assert ats_by_region(divided, corner, [1], 0.5) == pytest.approx(1 / 9)
    # By label both patches count.
    assert ats_by_label(label_shares(divided, 2), [1], 0.5) == pytest.approx(2 / 9)


def test_regions_do_not_wrap_around_the_edge() -> None:
    labels = np.array([[1, 0, 1], [0, 0, 0], [1, 0, 1]])
    assert ats_by_region(labels, np.array([[0, 0]]), [1], 0.5) == pytest.approx(1 / 9)


def test_a_sample_whose_node_has_another_label_counts_nothing() -> None:
    labels = np.array([[2, 2], [1, 0]])
    nodes = np.array([[0, 0], [1, 0], [1, 1]])
    assert ats_by_region(labels, nodes, [2, 1, 0], 0.6) == pytest.approx(1.0)
    assert ats_by_region(labels, nodes, [1, 1, 0], 0.6) == pytest.approx(0.5)


def test_a_region_that_reaches_the_threshold_counts_nothing() -> None:
    labels = np.array([[1, 1], [0, 2]])
    node = np.array([[0, 0]])
    assert ats_by_region(labels, node, [1], 0.5) == 0.0
    assert ats_by_region(labels, node, [1], np.nextafter(0.5, 1.0)) == 0.5
    shares = label_shares(labels, 3)
    assert ats_by_label(shares, [1], 0.5) == 0.0
    assert ats_by_label(shares, [1], np.nextafter(0.5, 1.0)) == 0.5


def test_score_plane_gives_all_four() -> None:
    labels, classes = random_map(11)
    nodes, true = draw_nodes(labels, 11)
    true = [label % classes for label in true]
    score = score_plane(labels, nodes, true, classes, 10.0, 0.5)
    shares = label_shares(labels, classes)
    assert score.re == renyi_entropy(shares, 10.0)
    assert score.ats == ats_by_region(labels, nodes, true, 0.5)
    assert score.ats_by_label == ats_by_label(shares, true, 0.5)
    assert score.shares.tolist() == shares.tolist()


def shares_of_sectors(points: NDArray[np.float64], turn: float) -> NDArray[np.int64]:
    """Labels of points in the unit square cut into sectors about a point near its middle."""
    angle = np.arctan2(points[:, 0] - 0.45, points[:, 1] - 0.55) + turn
    return np.searchsorted([0.2, 0.7], (angle / (2 * np.pi)) % 1.0)


def waves(points: NDArray[np.float64], turn: float) -> NDArray[np.int64]:
    """Labels of points in the unit square, in winding regions: hard for few points."""
    x = points @ [np.cos(turn), np.sin(turn)]
    y = points @ [-np.sin(turn), np.cos(turn)]
    first = np.sin(9 * x + turn) + np.sin(7 * y) > 0.2
    labels: NDArray[np.int64] = first.astype(np.int64) + (np.sin(8 * y) + np.cos(5 * x) > 1)
    return labels


def test_few_points_give_scores_with_far_less_bias_than_their_shares() -> None:
    rng = np.random.default_rng(0)
    dense = rng.random((100_000, 2))
    errors: list[tuple[float, ...]] = []
    for turn in np.linspace(0, 2 * np.pi, 12, endpoint=False):
        truth = score_plane_shares(label_shares(waves(dense, turn), 3))
        for _ in range(150):
            labels = waves(scrambled_net(16, rng), turn)
            score = score_points(labels, [0, 1, 2], 3, 10.0, 0.5)
            plain = score_plane_shares(label_shares(labels, 3))
            errors.append(
                (*np.subtract((score.re, score.ats_by_label), truth), *np.subtract(plain, truth))
            )
    re, ats, plain_re, plain_ats = np.mean(errors, axis=0)
    # Standard errors are 0.005 and 0.008.
    assert plain_re < -0.035
    assert abs(re) < 0.7 * abs(plain_re)
    assert plain_ats < -0.07
    assert abs(ats) < 0.7 * abs(plain_ats)


def score_plane_shares(shares: NDArray[np.float64]) -> tuple[float, float]:
    return renyi_entropy(shares, 10.0), ats_by_label(shares, [0, 1, 2], 0.5)


def test_scattered_points_have_no_regions_and_one_label_has_no_entropy() -> None:
    score = score_points(np.full(16, 2), [0, 1, 2], 4, 10.0, 0.5)
    assert (score.re, score.ats, score.ats_by_label) == (0.0, None, 0.0)
    assert score.shares.tolist() == [0, 0, 1, 0]
    even = score_points(np.arange(16) % 4, [0, 1, 2], 4, 10.0, 0.5)
    assert even.re == pytest.approx(2.0)
    assert even.ats_by_label == pytest.approx(0.75)


@pytest.mark.parametrize("spread", ["narrow", "wide"])
def test_the_interval_over_planes_covers_planes_and_points(spread: str) -> None:
    rng = np.random.default_rng(5)
    width = {"narrow": 0.5, "wide": 2 * np.pi}[spread]
    dense = rng.random((20_000, 2))
    turns = np.linspace(0, width, 60)
    population = [score_plane_shares(label_shares(shares_of_sectors(dense, t), 3)) for t in turns]
    truth = float(np.mean([re for re, _ in population]))
    held = []
    for _ in range(200):
        drawn = rng.choice(turns, 24)
        values = [
            score_points(shares_of_sectors(scrambled_net(16, rng), t), [0, 1, 2], 3, 10.0, 0.5).re
            for t in drawn
        ]
        estimate = mean_over_planes(values)
        assert estimate.low is not None
        assert estimate.high is not None
        held.append(estimate.low <= truth <= estimate.high)
    # 200 trials at 95 %: a standard error of 1.5 %.
    assert 0.90 <= np.mean(held) <= 0.99


def test_the_mean_over_even_planes_has_a_student_interval() -> None:
    values = [0.9, 1.3, 1.1, 0.7, 1.5]
    estimate = mean_over_planes(values)
    wanted = scipy.stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert estimate.mean == pytest.approx(1.1)
    assert (estimate.low, estimate.high) == pytest.approx((wanted.low, wanted.high))
    assert estimate.n == 5


def test_the_interval_of_skewed_planes_holds_what_it_says() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.exponential(0.3, (2000, 20)) * (rng.random((2000, 20)) < 0.5)
    found = [mean_over_planes(list(values)) for values in drawn]
    covered = np.mean([one.low <= 0.15 <= one.high for one in found])  # type: ignore[operator]  # 20 planes have one
    plain = scipy.stats.ttest_1samp(drawn, 0.0, axis=1).confidence_interval(0.95)
    assert 0.93 <= covered <= 0.97
    assert np.mean((plain.low <= 0.15) & (plain.high >= 0.15)) < 0.93


def test_a_share_at_the_threshold_counts_half_from_few_points() -> None:
    # 8 of 16 points, and 4 of 8 in each half.
    labels = np.array([0, 1] * 8)
    assert score_points(labels, [0, 2, 3], 4, 10.0, 0.5).ats_by_label == pytest.approx(0.25)
    assert (
        score_plane(
            labels.reshape(4, 4), np.zeros((3, 2), dtype=np.int64), [0, 2, 3], 4, 10.0, 0.5
        ).ats_by_label
        == 0.0
    )


def test_the_interval_ends_where_scores_end() -> None:
    assert mean_over_planes([0.0, 0.3]).low == 0.0


def test_one_plane_has_no_interval_and_none_no_mean() -> None:
    single = mean_over_planes([0.4])
    assert (single.mean, single.low, single.high, single.n) == (0.4, None, None, 1)
    with pytest.raises(ValueError, match="no plane"):
        mean_over_planes([])


def test_the_target_is_the_label_with_the_largest_share() -> None:
    assert target_label(np.array([0.2, 0.5, 0.3])) == 1
    assert target_label(np.array([0.2, 0.4, 0.4])) == 1
