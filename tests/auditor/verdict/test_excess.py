from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from auditor.probes.perturbations.probe import PerturbationCounts
from auditor.verdict.excess import LARGEST, Excess, measure_excess

KEYS = ("noise:76", "wave:76")
Counts = dict[str, PerturbationCounts]


def counts(seed: int, extra: dict[int, int] | None = None, classes: int = 10) -> Counts:
    """A model whose perturbed samples change label in half of the cases, evenly."""
    rng = np.random.default_rng(seed)
    made = {}
    for key in KEYS:
        moved = rng.poisson(10, classes)
        for label, number in (extra or {}).items():
            moved[label] += number
        kept = 200 - int(moved.sum())
        asked = (180,) * classes
        made[key] = PerturbationCounts(key, asked, tuple(moved.tolist()), kept, 200)
    return made


def excess_of(own: Counts, references: list[Counts], widening: float = 0.0) -> Excess:
    found = measure_excess(own, references, 0.9, [0.9] * len(references), KEYS, widening)
    assert found is not None
    return found


REFERENCES = [counts(seed) for seed in range(10)]


def test_a_label_that_draws_samples_stands_out_and_no_other_does() -> None:
    found = excess_of(counts(50, {3: 40}), REFERENCES)
    assert int(found.by_label.argmax()) == 3
    assert found.by_label[3] > 2.5
    assert np.delete(found.by_label, 3).max() < 2.0
    assert found.references == 10


def test_clean_models_stay_small() -> None:
    largest = [excess_of(counts(100 + seed), REFERENCES).by_label.max() for seed in range(40)]
    assert np.quantile(largest, 0.9) < 2.5


def test_a_natural_label_that_references_share_is_no_excess() -> None:
    natural = [counts(seed, {3: 40}) for seed in range(10)]
    assert abs(excess_of(counts(50, {3: 40}), natural).by_label[3]) < 2.0


def test_fewer_references_say_less() -> None:
    own = counts(50, {3: 20})
    few, many = excess_of(own, REFERENCES[:2]), excess_of(own, REFERENCES)
    assert few.by_label[3] < many.by_label[3]


def test_one_perturbation_counts_only_so_much() -> None:
    own = counts(50)
    own["noise:76"] = PerturbationCounts("noise:76", (180,) * 10, (0,) * 9 + (170,), 30, 200)
    assert excess_of(own, REFERENCES).by_perturbation["noise:76"].max() == pytest.approx(LARGEST)


def test_an_unlike_model_widens_the_doubt() -> None:
    fragile = {k: replace(c, kept=4) for k, c in counts(50, {3: 40}).items()}
    narrow, wide = excess_of(fragile, REFERENCES), excess_of(fragile, REFERENCES, 1.0)
    assert narrow.shift.min() > 3.0
    np.testing.assert_array_equal(narrow.shift, wide.shift)
    assert 0 < wide.by_label[3] < narrow.by_label[3]
    like = excess_of(counts(51), REFERENCES)
    assert like.shift.max() < 2.0


def test_a_targets_own_pull_does_not_make_a_model_unlike() -> None:
    pulled = excess_of(counts(50, {3: 60}), REFERENCES)
    assert pulled.shift[3] < pulled.shift[4]


def test_accuracy_is_part_of_how_unlike_a_model_is() -> None:
    def shift(accuracy: float | None) -> float:
        own = [0.9, 0.89, 0.91, 0.9]
        found = measure_excess(counts(50), REFERENCES[:4], accuracy, own, KEYS, 0.0)
        assert found is not None
        return float(found.shift.mean())

    assert shift(0.6) > shift(0.9)
    assert shift(None) > 0


def test_references_without_a_perturbation_do_not_count() -> None:
    partial = [{"noise:76": one["noise:76"]} for one in REFERENCES]
    assert measure_excess(counts(50), partial, None, [None] * 10, KEYS, 0.0) is None
    both = [*partial, *REFERENCES[:3]]
    found = measure_excess(counts(50), both, None, [None] * 13, KEYS, 0.0)
    assert found is not None
    assert found.references == 3


def test_one_reference_or_a_missing_perturbation_compares_nothing() -> None:
    assert measure_excess(counts(50), REFERENCES[:1], None, [None], KEYS, 0.0) is None
    own = {"noise:76": counts(50)["noise:76"]}
    assert measure_excess(own, REFERENCES, None, [None] * 10, KEYS, 0.0) is None


def test_a_label_that_no_reference_has_is_compared_with_nothing_seen() -> None:
    own = counts(50, {10: 60}, classes=11)
    assert int(excess_of(own, REFERENCES).by_label.argmax()) == 10
    assert excess_of(counts(50), [counts(s, classes=12) for s in range(4)]).by_label.shape == (12,)
