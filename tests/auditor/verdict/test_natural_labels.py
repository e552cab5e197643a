from __future__ import annotations

from auditor.probes.perturbations.probe import PerturbationCounts
from auditor.verdict.natural_labels import NaturalLabels, find_natural_labels

KEYS = ("noise:76", "wave:76")


def reference(noise: tuple[int, ...], wave: tuple[int, ...]) -> dict[str, PerturbationCounts]:
    return {
        key: PerturbationCounts(key, (180,) * len(moved), moved, 200 - sum(moved), 200)
        for key, moved in zip(KEYS, (noise, wave), strict=True)
    }


def test_a_label_that_takes_more_than_its_share_under_any_perturbation_is_natural() -> None:
    one = reference((80, 10, 10, 0, 0), (19, 19, 19, 24, 19))
    other = reference((60, 20, 20, 0, 0), (10, 10, 10, 60, 10))
    assert find_natural_labels([one, other], KEYS) == frozenset({0, 3})


def test_the_references_mean_counts_not_one_of_them() -> None:
    odd = reference((0, 0, 0, 0, 40), (10, 10, 10, 10, 0))
    others = [reference((10, 10, 10, 10, 0), (10, 10, 10, 10, 0))] * 9
    assert find_natural_labels([odd, *others], KEYS) == frozenset({0, 1, 2, 3})
    assert find_natural_labels([odd], KEYS) == frozenset({0, 1, 2, 3, 4})


def test_without_complete_references_nothing_is_known() -> None:
    partial = {"noise:76": reference((1,), (1,))["noise:76"]}
    assert find_natural_labels([], KEYS) is None
    assert find_natural_labels([partial], KEYS) is None
    assert find_natural_labels([partial, reference((9, 1), (6, 4))], KEYS) == frozenset({0})


def test_references_that_never_moved_have_no_natural_labels() -> None:
    assert find_natural_labels([reference((0, 0), (0, 0))], KEYS) == frozenset()


def test_references_with_fewer_labels_are_padded() -> None:
    short, long = reference((10, 0), (10, 0)), reference((0, 0, 10), (0, 0, 10))
    assert find_natural_labels([short, long], KEYS) == frozenset({0, 2})


def test_only_patches_towards_a_label_with_natural_ones_are_natural() -> None:
    natural_labels = NaturalLabels(None, frozenset({12}))
    assert natural_labels.natural_patch("patch", 12)
    assert natural_labels.natural_patch("patch@sources", 12)
    assert not natural_labels.natural_patch("patch", 13)
    assert not natural_labels.natural_patch("wave@strong", 12)
