"""Seeded draws of triplets and of the samples of a trigger search. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from auditor.errors import SamplesError

TRIPLET_STREAM, REPEAT_STREAM, SEARCH_STREAM, ORDER_STREAM, NET_STREAM = 1, 2, 3, 4, 5
PERTURBATION_STREAM = 6
"""Second seeds, so that no two kinds of draws share their random numbers."""
MIN_SEARCH_SAMPLES, MAX_SEARCH_SAMPLES = 40, 120
"""Samples a trigger search needs, half of them for verification, and most it uses."""
SOURCES, MAX_SOURCE_SAMPLES = 10, 600
"""Source classes that are searched by themselves, and samples of all of them together in plans of
up to version 10."""
LEAST_SOURCES, MIN_OF_SOURCE, MAX_OF_SOURCE = 3, 20, 30
"""Classes that are searched by themselves at least, and samples of each, at least and at most."""
SOURCE_STREAM = 12
"""Chooses the classes that are, and their samples."""
MAX_DRAWS_PER_PLANE = 1000
PLANE_CLASSES = 3
"""A plane runs through three classes; a task of two has none."""


def pick_search_samples(
    classes: NDArray[np.int64], seed: int, most: int = MAX_SEARCH_SAMPLES
) -> NDArray[np.int64]:
    """Samples for the trigger search, evenly over their classes, at most ``most``.

    Returns:
        Ascending indices; none if there are fewer than :data:`MIN_SEARCH_SAMPLES` samples.
    """
    if len(classes) < MIN_SEARCH_SAMPLES:
        return np.empty(0, dtype=np.int64)
    return pick_evenly(classes, seed, most)


def pick_evenly(
    classes: NDArray[np.int64], seed: int, most: int = MAX_SEARCH_SAMPLES
) -> NDArray[np.int64]:
    """At most ``most`` samples, evenly over their classes; ascending indices."""
    order = np.random.default_rng([seed, SEARCH_STREAM]).permutation(len(classes))
    turn: dict[int, int] = {}
    ranks = np.empty(len(classes), dtype=np.int64)
    for index in order:
        ranks[index] = turn.get(int(classes[index]), 0)
        turn[int(classes[index])] = int(ranks[index]) + 1
    evenly = order[np.argsort(ranks[order], kind="stable")]
    return np.sort(evenly[:most])


def pick_by_source(classes: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Samples of at most :data:`SOURCES` classes that have enough to search each by itself.

    Returns:
        Ascending indices, at most :data:`MAX_OF_SOURCE` of each; none if fewer than three
        classes have :data:`MIN_OF_SOURCE`.
    """
    rng = np.random.default_rng([seed, SOURCE_STREAM])
    names, counts = np.unique(classes, return_counts=True)
    able = names[counts >= MIN_OF_SOURCE]
    if len(able) < LEAST_SOURCES:
        return np.empty(0, dtype=np.int64)
    chosen = rng.permutation(able)[:SOURCES]
    each = [rng.permutation(np.flatnonzero(classes == name))[:MAX_OF_SOURCE] for name in chosen]
    return np.sort(np.concatenate(each))


def picked(images: NDArray[np.float32], indices: NDArray[np.int64]) -> NDArray[np.float32]:
    """The ``images`` at ascending ``indices``; no copy if that is all of them."""
    return images if len(indices) == len(images) else images[indices]


def draw_triplets(classes: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Draw ``count`` different triplets of samples with three different true classes.

    Three classes are drawn uniformly, then one sample of each, so that a class with many
    samples is not favoured. The first triplets do not depend on ``count``.

    Returns:
        ``(count, 3)`` sample indices.

    Raises:
        SamplesError: the samples do not allow that many different triplets.
    """
    members = _members(classes, count)
    names = np.array(sorted(members))
    rng = np.random.default_rng([seed, TRIPLET_STREAM])

    def drawn() -> Iterator[list[int]]:
        for _ in range(MAX_DRAWS_PER_PLANE * count):
            chosen = rng.choice(names, size=3, replace=False)
            yield [int(rng.choice(members[int(c)])) for c in chosen]

    return _first_different(drawn(), count)


def draw_in_turn(classes: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Draw ``count`` different triplets in which every class takes its turn.

    Random orders of all classes are cut into threes, and each class gives its samples in a
    random order again and again. Each triplet is as likely as with :func:`draw_triplets`
    (uniform over classes, then over their samples), but together they are even: the share of
    a class or a sample in a score does not vary from draw to draw. For the rest see
    :func:`draw_triplets`.

    Raises:
        SamplesError: the samples do not allow that many different triplets.
    """
    members = _members(classes, count)
    rng = np.random.default_rng([seed, TRIPLET_STREAM])
    names = np.array(sorted(members))
    queues: dict[int, list[int]] = {name: [] for name in members}

    def next_member(name: int) -> int:
        if not queues[name]:
            queues[name] = rng.permutation(members[name]).tolist()
        return queues[name].pop()

    def drawn() -> Iterator[list[int]]:
        for _ in range(MAX_DRAWS_PER_PLANE * count):
            order = rng.permutation(names).tolist()
            for start in range(0, len(order) - 2, 3):
                yield [next_member(name) for name in order[start : start + 3]]

    return _first_different(drawn(), count)


def _first_different(drawn: Iterable[list[int]], count: int) -> NDArray[np.int64]:
    """The first ``count`` different triplets of ``drawn``.

    Raises:
        SamplesError: there are not as many.
    """
    seen: dict[tuple[int, ...], list[int]] = {}
    for triplet in drawn:
        seen.setdefault(tuple(sorted(triplet)), triplet)
        if len(seen) == count:
            return np.array(list(seen.values()), dtype=np.int64)
    raise SamplesError(f"no {count} different triplets found; give more samples")


def _members(classes: NDArray[np.int64], count: int) -> dict[int, NDArray[np.int64]]:
    """Indices of each class's samples.

    Raises:
        SamplesError: they do not allow ``count`` different triplets.
    """
    members = {int(c): np.flatnonzero(classes == c) for c in np.unique(classes)}
    sizes = [len(indices) for indices in members.values()]
    possible = sum(a * b * c for a, b, c in combinations(sizes[:60], 3))
    if possible < count:
        raise SamplesError(
            f"the samples allow {possible} different planes and {count} are asked for: "
            "give more samples or fewer --planes"
        )
    return members
