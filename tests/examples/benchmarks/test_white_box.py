"""Neural Cleanse and MM-BD on a network whose backdoor is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from examples.benchmarks.white_box.methods import cleanse, margins
from examples.benchmarks.white_box.scores import anomaly_index, margin_surprise, score

SHAPE, CLASSES, TARGET = (1, 8, 8), 6, 2


class Planted(nn.Module):
    """Sums of blocks of pixels, and one corner pixel that outweighs them all."""

    full_precision = True

    def forward(self, images: Tensor) -> Tensor:
        blocks = images.flatten(1).view(len(images), 8, 8)[:, :CLASSES].sum(2)
        blocks = blocks * torch.tensor([1.0, 1.1, 0.9, 1.05, 0.95, 1.02])
        blocks[:, TARGET] = blocks[:, TARGET] + 60 * (images[:, 0, 7, 7] - 0.5).relu()
        return blocks


@pytest.mark.slow
def test_masks_reach_every_class_and_the_largest_margin_is_the_planted_targets() -> None:
    torch.manual_seed(0)
    images = 0.4 * torch.rand(60, *SHAPE)
    norms, successes = cleanse(Planted(), images, CLASSES)
    assert min(successes) > 0.8
    assert all(0 < norm < SHAPE[1] * SHAPE[2] / 2 for norm in norms)
    found = score(norms, margins(Planted(), SHAPE, CLASSES))
    assert found.margin_target == TARGET
    assert found.margin_flags


def test_an_index_counts_deviations_below_the_median_only() -> None:
    norms = np.array([10.0, 11.0, 9.0, 10.5, 9.5])
    assert anomaly_index(norms) < 2
    assert anomaly_index(np.append(norms, 3.0)) > 2
    assert anomaly_index(np.append(norms, 30.0)) < 2


def test_the_p_value_of_a_margin_falls_as_it_grows() -> None:
    plain = np.random.default_rng(0).gamma(20.0, 1.0, 10)
    grown = [margin_surprise(np.append(plain, top)) for top in (40.0, 80.0, 400.0)]
    assert grown == sorted(grown)
    assert 3 < grown[1] < grown[2] <= 300
    assert margin_surprise(np.full(6, 8.0)) == 0.0
