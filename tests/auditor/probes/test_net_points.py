"""Few points per plane: nets, their scrambling and their inputs."""

from __future__ import annotations

import numpy as np
import pytest
import scipy

from auditor.probes.net_points import NetPointsProbe, _sobol, scrambled_net
from auditor.probes.plane import PlaneProbe, spanned

TRIPLET = np.random.default_rng(1).random((3, 1, 4, 4)).astype(np.float32)


def probe(points: int = 16, seed: tuple[int, ...] = (0, 5, 1), eta: float = 5.0) -> NetPointsProbe:
    return NetPointsProbe(TRIPLET, eta, points, seed)


@pytest.mark.parametrize("depth", range(15))
def test_the_plain_sequence_is_sobols(depth: int) -> None:
    theirs = scipy.stats.qmc.Sobol(2, scramble=False).random_base2(depth) * 2**depth
    assert _sobol(depth).T.tolist() == theirs.astype(int).tolist()


@pytest.mark.parametrize("points", [4, 8, 16, 64])
@pytest.mark.parametrize("seed", range(5))
def test_one_point_lies_in_every_box_of_every_shape_and_each_half_is_a_net(
    points: int, seed: int
) -> None:
    net = scrambled_net(points, np.random.default_rng(seed))
    assert net.shape == (points, 2)
    assert net.min() >= 0.0
    assert net.max() < 1.0
    for part in (net, net[: points // 2], net[points // 2 :]):
        m = len(part)
        for columns in 2 ** np.arange(m.bit_length()):
            boxes = (part * [columns, m // columns]).astype(int)
            assert len({tuple(box) for box in boxes.tolist()}) == m


def test_every_point_is_uniform() -> None:
    nets = np.array([scrambled_net(8, np.random.default_rng(seed)) for seed in range(2000)])
    means = nets.mean(axis=0)
    # The standard error of a mean of 2,000 uniform numbers is 0.0065.
    assert np.abs(means - 0.5).max() < 0.033
    assert np.abs(nets.var(axis=0) - 1 / 12).max() < 0.01


def test_the_share_of_a_region_is_nearer_than_that_of_independent_points() -> None:
    def inside(points: np.ndarray) -> float:
        return float((points @ [1.0, 0.6] < 0.9).mean())

    rng = np.random.default_rng(0)
    nets = [inside(scrambled_net(16, rng)) for _ in range(400)]
    independent = [inside(rng.random((16, 2))) for _ in range(400)]
    assert abs(np.mean(nets) - np.mean(independent)) < 0.02
    assert np.std(nets) < 0.6 * np.std(independent)


def test_points_lie_in_the_rectangle_of_the_grid_and_do_not_depend_on_each_other() -> None:
    one = probe()
    grid = PlaneProbe(TRIPLET, 5.0, 2)
    assert one.bounds == grid.bounds
    everything = one.inputs(np.arange(16))
    assert everything.shape == (16, 1, 4, 4)
    assert everything.dtype == np.float32
    picked = one.inputs(np.array([9, 3]))
    assert picked.tobytes() == everything[[9, 3]].tobytes()
    flat = everything.reshape(16, -1).astype(np.float64) - spanned(one.plane)[0]
    along = flat @ spanned(one.plane)[1].T
    sides = np.array([one.bounds.high1 - one.bounds.low1, one.bounds.high2 - one.bounds.low2])
    places = (along - [one.bounds.low1, one.bounds.low2]) / sides
    assert np.abs(places - one.net).max() < 1e-5


def test_the_digest_tells_every_difference() -> None:
    others = [probe(32), probe(seed=(0, 5, 2)), probe(seed=(1, 5, 1)), probe(eta=4.0)]
    others.append(NetPointsProbe(TRIPLET + np.float32(1), 5.0, 16, (0, 5, 1)))
    digests = {one.digest for one in (probe(), *others)}
    assert len(digests) == 6
    assert probe().digest == probe().digest
    assert (probe().size, probe().kind, probe().repeat) == (16, "plane", False)
