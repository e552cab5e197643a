"""Perturbations that end before their last answer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from auditor.probes.perturbations.probe import PerturbationCounts
from auditor.verdict.curtailment import expected_counts, rest_changes_nothing

LABELS, INPUTS, ROUNDS = 5, 200, 5
KEYS = ("one", "two", "three")
LIMIT = 60
REFERENCES = [{key: PerturbationCounts(key, (160,) * 5, (4,) * 5, 180, 200) for key in KEYS}] * 3


def suspicious(counts: Mapping[str, PerturbationCounts]) -> bool:
    """A rule whose word is known: enough answers for one label, over all perturbations."""
    totals = np.sum([one.moved for one in counts.values()], axis=0)
    return bool(totals.max() >= LIMIT)


def population(total: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """All answers of each perturbation: label 3 ``total`` times, some others, the rest kept."""
    answers = []
    for number in range(len(KEYS)):
        hits = total // 3 + (number < total % 3)
        rest = rng.choice([0, 1, 2, 4, LABELS], INPUTS - hits, p=[0.03, 0.03, 0.02, 0.02, 0.9])
        answers.append(rng.permutation(np.append(np.full(hits, 3), rest)))
    return answers


def counts_of(answers: list[NDArray[np.int64]], asked: int) -> list[PerturbationCounts]:
    found = []
    for key, every in zip(KEYS, answers, strict=True):
        seen = np.bincount(every[:asked], minlength=LABELS + 1)
        part = (asked * 160 // INPUTS,) * LABELS
        found.append(PerturbationCounts(key, part, tuple(seen[:-1].tolist()), int(seen[-1]), asked))
    return found


def ends(total: int, seed: int) -> tuple[bool, int]:
    """True if the early outcome is that of all answers, and the number asked for it."""
    rng = np.random.default_rng([total, seed])
    answers = population(total, rng)
    whole = dict.fromkeys(KEYS, ((160,) * LABELS, INPUTS))
    final = suspicious({one.key: one for one in counts_of(answers, INPUTS)})
    for turn in range(1, ROUNDS + 1):
        asked = turn * INPUTS // ROUNDS
        partial = counts_of(answers, asked)
        if turn == ROUNDS or rest_changes_nothing(partial, whole, REFERENCES, suspicious, rng):
            outcome = suspicious(
                {one.key: expected_counts(one, *whole[one.key]) for one in partial}
            )
            return outcome is final, asked
    raise AssertionError


def other_words(totals: list[int], seeds: int) -> int:
    return sum(not ends(total, seed)[0] for total in totals for seed in range(seeds))


def test_comparing_after_every_round_hardly_ever_says_something_else() -> None:
    # More than 5 of 120 would be seen once in a thousand tests where 1 % is true.
    assert other_words([45, 58, 62, 75], 30) <= 5


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("total", [20, 40, 45, 50, 55, 58, 60, 62, 66, 75, 90, 110])
def test_at_no_distance_from_the_threshold_does_it_say_something_else(total: int) -> None:
    # Of 500, more than 12 would be seen twice in a thousand tests where 1 % is true.
    assert other_words([total], 500) <= 12


def test_clear_cases_end_early_and_borderline_ones_do_not() -> None:
    asked = {total: np.mean([ends(total, s)[1] for s in range(5)]) for total in (10, 60, 130)}
    assert asked[10] <= 0.7 * INPUTS
    assert asked[130] <= 0.7 * INPUTS
    assert asked[60] >= 0.95 * INPUTS


def test_nothing_is_fixed_before_the_first_answer_of_every_perturbation() -> None:
    none = [PerturbationCounts(key, (0,) * 5, (0,) * 5, 0, 0) for key in KEYS]
    whole = dict.fromkeys(KEYS, ((160,) * LABELS, INPUTS))
    assert not rest_changes_nothing(none, whole, REFERENCES, suspicious, np.random.default_rng(0))
    assert not rest_changes_nothing([], whole, REFERENCES, suspicious, np.random.default_rng(0))


def test_expected_counts_are_those_of_the_whole_perturbation() -> None:
    half = PerturbationCounts("one", (80, 80, 0), (4, 1, 0), 90, 100)
    full = expected_counts(half, (160, 150, 10), 200)
    assert full == PerturbationCounts("one", (160, 150, 10), (8, 2, 0), 180, 200)
    assert expected_counts(full, (160, 150, 10), 200) is full
