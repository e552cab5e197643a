from __future__ import annotations

import numpy as np
import pytest

from auditor.probes.trigger_search.cell_model import CellModel

BATCH = 16


def learned(channels: int, side: int, seed: int, batches: int) -> tuple[CellModel, np.ndarray]:
    """A model that was asked about a hidden pattern: the more cells match, the likelier a hit."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, (channels, side, side)) * 255
    model = CellModel(channels, side)
    for _ in range(batches):
        patterns = model.draw(rng, BATCH)
        match = np.array([(one == truth).mean() for one in patterns])
        model.add(patterns, rng.random(BATCH) < 1.0 / (1.0 + np.exp(-20.0 * (match - 0.7))))
    return model, truth


@pytest.mark.parametrize(("channels", "side", "batches"), [(1, 4, 12), (1, 5, 20), (3, 3, 20)])
def test_answers_lead_to_the_pattern_that_is_answered(
    channels: int, side: int, batches: int
) -> None:
    matches, rates = [], []
    for seed in range(5):
        model, truth = learned(channels, side, seed, batches)
        matches.append((model.best() == truth).mean())
        rates.append((float(np.mean(model.hits[:BATCH])), model.rate(BATCH)))
    assert np.mean(matches) > 0.85
    first, last = np.mean(rates, axis=0)
    assert last > first + 0.3


def test_without_answers_patterns_are_random_and_of_two_levels() -> None:
    patterns = np.array(CellModel(3, 5).draw(np.random.default_rng(0), 200))
    assert patterns.shape == (200, 3, 5, 5)
    assert set(np.unique(patterns).tolist()) == {0, 255}
    assert abs(patterns.mean() / 255 - 0.5) < 0.05
    assert len({one.tobytes() for one in patterns}) > 190


def test_a_known_pattern_is_where_it_starts() -> None:
    known = (np.random.default_rng(1).integers(0, 2, (1, 5, 5)) * 255).astype(np.uint8)
    model = CellModel(1, 5, known)
    assert (model.best() == known).all()
    drawn = model.draw(np.random.default_rng(2), 100)
    assert 0.7 < np.mean([(one == known).mean() for one in drawn]) < 0.99


def test_only_a_model_that_knows_nothing_is_fresh() -> None:
    model = CellModel(1, 3)
    assert model.fresh
    assert not CellModel(1, 3, np.full((1, 3, 3), 255, dtype=np.uint8)).fresh
    model.add(model.draw(np.random.default_rng(0), 2), np.array([False, False]))
    assert not model.fresh


def test_misses_alone_say_nothing_certain() -> None:
    model = CellModel(1, 3)
    rng = np.random.default_rng(0)
    for _ in range(4):
        model.add(model.draw(rng, BATCH), np.zeros(BATCH, dtype=bool))
    assert model.rate(BATCH) == 0.0
    assert len({one.tobytes() for one in model.draw(rng, 50)}) > 20
