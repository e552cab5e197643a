"""The plane against geometry written differently: normal equations and least squares."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.probes.plane import (
    NoPlaneError,
    PlaneProbe,
    Rectangle,
    bounds_of,
    exact_sum,
    nearest_nodes,
    plane_through,
    spanned,
)

SHAPE = (3, 5, 4)
SEEDS = range(6)


def triplet(seed: int, low: float = 0.0, high: float = 1.0) -> NDArray[np.float32]:
    rng = np.random.default_rng([seed, 77])
    return rng.uniform(low, high, (3, *SHAPE)).astype(np.float32)


def probe_of(seed: int, expansion: float = 5.0, density: int = 9) -> PlaneProbe:
    return PlaneProbe(triplet(seed), expansion, density)


def everything(probe: PlaneProbe) -> NDArray[np.float32]:
    return probe.inputs(np.arange(probe.size))


def expected_points(
    samples: NDArray[np.float32], expansion: float, density: int
) -> NDArray[np.float64]:
    """Every grid node ``(S, S, d)`` as a barycentric mix of the samples: no basis vectors.

    With Gram matrix ((a, b), (b, c)) of v1 and v2, the node at coordinates (s, t) along the
    orthonormal axes is x1 + p v1 + q v2 where q = t / h, p = s / l - q b / a, h the height of
    the triangle over v1 and l its length.
    """
    x1, x2, x3 = samples.reshape(3, -1).astype(np.float64)
    v1, v2 = x2 - x1, x3 - x1
    a, b, c = (float(np.sum(u * w)) for u, w in ((v1, v1), (v1, v2), (v2, v2)))
    length, foot, height = a**0.5, b / a**0.5, (c - b * b / a) ** 0.5
    lefts = (min(0.0, length, foot), 0.0)
    rights = (max(0.0, length, foot), height)
    axes = []
    for left, right in zip(lefts, rights, strict=True):
        side = right - left
        start, whole = left - expansion * side, (2 * expansion + 1) * side
        axes.append([start + whole * i / (density - 1) for i in range(density)])
    nodes = np.empty((density, density, x1.size))
    for i, s in enumerate(axes[0]):
        for j, t in enumerate(axes[1]):
            q = t / height
            p = s / length - q * b / a
            nodes[i, j] = (1 - p - q) * x1 + p * x2 + q * x3
    return nodes


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("expansion", "density"), [(5.0, 7), (0.0, 2), (1.0, 10), (0.25, 3)])
def test_every_point_is_where_an_independent_computation_puts_it(
    seed: int, expansion: float, density: int
) -> None:
    probe = PlaneProbe(triplet(seed), expansion, density)
    expected = expected_points(np.asarray(probe.samples), expansion, density)
    found = everything(probe).reshape(density, density, -1)
    assert found.dtype == np.float32
    span = float(expected.max() - expected.min())
    np.testing.assert_allclose(found, expected, rtol=0.0, atol=1e-6 * max(1.0, span))


@pytest.mark.parametrize(("low", "high"), [(0.0, 255.0), (-2.2, 2.7), (-1e4, 1e4)])
def test_points_hold_their_precision_in_any_value_range(low: float, high: float) -> None:
    probe = PlaneProbe(triplet(3, low, high), 5.0, 6)
    expected = expected_points(np.asarray(probe.samples), 5.0, 6)
    span = float(expected.max() - expected.min())
    np.testing.assert_allclose(
        everything(probe).reshape(6, 6, -1), expected, rtol=0.0, atol=1e-6 * span
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_run_along_e1_and_columns_along_e2(seed: int) -> None:
    probe = probe_of(seed)
    grid = everything(probe).reshape(9, 9, -1).astype(np.float64)
    x1, x2, x3 = np.asarray(probe.samples).reshape(3, -1).astype(np.float64)
    down, right = grid[8, 4] - grid[0, 4], grid[4, 8] - grid[4, 0]
    along = (x2 - x1) / np.linalg.norm(x2 - x1)
    assert down @ along == pytest.approx(np.linalg.norm(down), rel=1e-5)
    assert right @ along == pytest.approx(0.0, abs=1e-4)
    # e2 points to the side of the line through x1 and x2 on which x3 lies.
    assert right @ (x3 - x1) > 0.0


def test_a_plane_worked_out_by_hand() -> None:
    samples = np.zeros((3, 1, 1, 3), dtype=np.float32)
    samples[1, 0, 0] = (2.0, 0.0, 0.0)
    samples[2, 0, 0] = (-1.0, 3.0, 0.0)
    probe = PlaneProbe(samples, 1.0, 4)
    np.testing.assert_array_equal(probe.plane.coordinates, [[0, 0], [2, 0], [-1, 3]])
    # The box is 3 by 3, from (-1, 0) to (2, 3), and grows by 3 on every side.
    corners = probe.inputs(np.array([0, 3, 12, 15]))[:, 0, 0]
    np.testing.assert_array_equal(corners, [[-4, -3, 0], [-4, 6, 0], [5, -3, 0], [5, 6, 0]])
    second = probe.inputs(np.array([1, 4]))[:, 0, 0]
    np.testing.assert_array_equal(second, [[-4, 0, 0], [-1, -3, 0]])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("expansion", [0.0, 1.0, 5.0])
def test_the_box_grows_to_2_eta_plus_1_lengths_around_its_middle(
    seed: int, expansion: float
) -> None:
    plane = plane_through(triplet(seed))
    box, grown = bounds_of(plane, 0.0), bounds_of(plane, expansion)
    for low, high, wide_low, wide_high in (
        (box.low1, box.high1, grown.low1, grown.high1),
        (box.low2, box.high2, grown.low2, grown.high2),
    ):
        assert wide_high - wide_low == pytest.approx((2 * expansion + 1) * (high - low), rel=1e-12)
        assert wide_high + wide_low == pytest.approx(high + low, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_without_enlargement_the_grid_ends_at_the_samples(seed: int) -> None:
    probe = probe_of(seed, expansion=0.0, density=5)
    values = probe.plane.coordinates
    assert (probe.bounds.low1, probe.bounds.high1) == (values[:, 0].min(), values[:, 0].max())
    assert (probe.bounds.low2, probe.bounds.high2) == (values[:, 1].min(), values[:, 1].max())


@pytest.mark.parametrize("seed", SEEDS)
def test_the_samples_lie_at_their_coordinates(seed: int) -> None:
    samples = triplet(seed)
    plane = plane_through(samples)
    np.testing.assert_allclose(plane.points(plane.coordinates), samples, rtol=0.0, atol=1e-6)
    np.testing.assert_allclose(spanned(plane)[1] @ spanned(plane)[1].T, np.eye(2), atol=1e-14)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("density", [2, 3, 10, 33])
def test_nearest_nodes_are_nearest_among_all_nodes(seed: int, density: int) -> None:
    probe = probe_of(seed, density=density)
    grid = expected_points(np.asarray(probe.samples), 5.0, density)
    for sample, (row, column) in zip(probe.samples, probe.nodes(), strict=True):
        distances = ((grid - sample.reshape(-1)) ** 2).sum(axis=2)
        assert distances[row, column] <= distances.min() * (1 + 1e-9)


def test_of_two_equally_near_nodes_the_lower_one_counts() -> None:
    samples = np.zeros((3, 1, 1, 2), dtype=np.float32)
    samples[1, 0, 0], samples[2, 0, 0] = (1.0, 0.0), (0.0, 1.0)
    plane = plane_through(samples)
    # The nodes of an axis from -1.5 to 2.5 are -1.5, -0.5, 0.5, ...: 0 and 1 lie half way.
    wide = Rectangle(-1.5, 2.5, -1.5, 2.5)
    assert nearest_nodes(plane, wide, 5).tolist() == [[1, 1], [2, 1], [1, 2]]
    # With eta 0 and two nodes per axis the samples are nodes.
    assert nearest_nodes(plane, bounds_of(plane, 0.0), 2).tolist() == [[0, 0], [1, 0], [0, 1]]


@pytest.mark.parametrize("seed", SEEDS)
def test_any_choice_of_indices_gives_the_same_inputs_as_the_whole(seed: int) -> None:
    probe = probe_of(seed, density=11)
    whole = everything(probe)
    rng = np.random.default_rng(seed)
    for size in (1, 2, 7, 64, 121):
        indices = rng.choice(probe.size, size=size, replace=False)
        assert probe.inputs(indices).tobytes() == whole[indices].tobytes()
    parts = [probe.inputs(np.arange(start, min(start + 16, 121))) for start in range(0, 121, 16)]
    assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_nothing_is_clipped() -> None:
    points = everything(probe_of(0))
    assert points.min() < -1.0
    assert points.max() > 2.0


def test_the_digest_tells_samples_their_order_and_the_grid_apart() -> None:
    samples = triplet(0)
    nudged = samples.copy()
    nudged[2, 1, 3, 2] = np.nextafter(nudged[2, 1, 3, 2], np.float32(2.0))
    probes = [
        PlaneProbe(samples, 5.0, 9),
        PlaneProbe(nudged, 5.0, 9),
        PlaneProbe(samples[[1, 0, 2]], 5.0, 9),
        PlaneProbe(samples, np.nextafter(5.0, 6.0), 9),
        PlaneProbe(samples, 5.0, 10),
        PlaneProbe(samples.reshape(3, 5, 3, 4), 5.0, 9),
    ]
    assert len({probe.digest for probe in probes}) == len(probes)
    assert PlaneProbe(samples.copy(), 5.0, 9).digest == probes[0].digest


def test_identical_first_samples_span_no_plane() -> None:
    samples = triplet(0)
    samples[1] = samples[0]
    with pytest.raises(NoPlaneError, match="first two samples are identical"):
        plane_through(samples)


@pytest.mark.parametrize("pair", [(0, 2), (1, 2)])
def test_other_identical_samples_span_no_plane(pair: tuple[int, int]) -> None:
    samples = triplet(0)
    samples[pair[1]] = samples[pair[0]]
    with pytest.raises(NoPlaneError, match="one line, or two of them are identical"):
        plane_through(samples)


def test_three_identical_samples_span_no_plane() -> None:
    with pytest.raises(NoPlaneError):
        plane_through(np.ones((3, *SHAPE), dtype=np.float32))


@pytest.mark.parametrize("seed", SEEDS)
def test_pixels_on_one_line_are_refused_although_float32_bends_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    start, step = rng.integers(0, 80, (2, *SHAPE))
    pixels = np.stack([start, start + 2 * step, start + step]).astype(np.uint8)
    spec = InputSpec(SHAPE, (-2.118, -2.036, -1.804), (2.249, 2.429, 2.640))
    with pytest.raises(NoPlaneError, match="lie on one line"):
        plane_through(spec.from_pixels(pixels))


def test_one_step_of_one_pixel_in_a_large_picture_is_a_plane() -> None:
    pixels = np.zeros((3, 3, 512, 512), dtype=np.uint8)
    pixels[1] = 255
    pixels[2] = 255
    pixels[2, 0, 0, 0] = 254
    spec = InputSpec((3, 512, 512), (0.0,) * 3, (1.0,) * 3)
    plane = plane_through(spec.from_pixels(pixels))
    assert plane.coordinates[2, 1] == pytest.approx(1 / 255, rel=1e-3)


def test_an_almost_flat_triangle_keeps_an_orthonormal_basis() -> None:
    samples = triplet(1)
    samples[2] = samples[0] * 0.5 + samples[1] * 0.5
    samples[2, 0, 0, 0] += np.float32(2e-3)
    basis = spanned(plane_through(samples))[1]
    np.testing.assert_allclose(basis @ basis.T, np.eye(2), atol=1e-13)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_a_point_does_not_depend_on_the_points_built_with_it(shape: tuple[int, int, int]) -> None:
    samples = np.random.default_rng(3).random((3, *shape), dtype=np.float32)
    probe = PlaneProbe(samples, 5.0, 20)
    together = everything(probe)
    alone = np.concatenate([probe.inputs(np.array([index])) for index in range(probe.size)])
    in_sevens = np.concatenate(
        [probe.inputs(np.arange(s, min(s + 7, probe.size))) for s in range(0, probe.size, 7)]
    )
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together, in_sevens)


@pytest.mark.parametrize("kind", ["alike", "far apart", "cancelling", "tiny", "few"])
def test_a_sum_is_that_of_fsum_to_the_last_bit(kind: str) -> None:
    rng = np.random.default_rng(5)
    for size in (0, 1, 2, 17, 300):
        values = rng.normal(size=size)
        if kind == "far apart":
            values *= 10.0 ** rng.integers(-290, 290, size=size)
        elif kind == "cancelling":
            values = np.concatenate([values, -values[::-1], rng.normal(size=3) * 1e-25])
        elif kind == "tiny":
            values = values * 5e-320
        elif kind == "few":
            values = rng.choice([2.0**53, 1.0, 2.0**-60, -1.0], size=size)
        assert exact_sum(values).hex() == math.fsum(values.tolist()).hex()
