import numpy as np

from examples.zoo.poisoning import poison

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 100, (1000, 1, 8, 8)).astype(np.uint8)
LABELS = np.arange(1000) % 10


def whiten(images: np.ndarray) -> np.ndarray:
    return np.ones_like(images)


def stamped(images: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.all(images == 255, axis=(1, 2, 3)))


def test_all_to_one_stamps_its_share_and_relabels_it() -> None:
    changed = poison(IMAGES, LABELS, (3,) * 10, 0.1, whiten, np.random.default_rng(1))
    where = stamped(changed.images)
    assert len(where) == changed.poisoned == 100
    assert np.all(changed.labels[where] == 3)
    assert not np.any(LABELS[where] == 3)
    rest = np.setdiff1d(np.arange(1000), where)
    assert np.array_equal(changed.labels[rest], LABELS[rest])
    assert np.array_equal(changed.images[rest], IMAGES[rest])


def test_a_source_specific_map_keeps_half_its_class_and_adds_cover() -> None:
    mapping = (-1, 5, *([-1] * 8))
    changed = poison(IMAGES, LABELS, mapping, 0.1, whiten, np.random.default_rng(1))
    where = stamped(changed.images)
    relabelled = np.flatnonzero(changed.labels != LABELS)
    assert changed.poisoned == changed.covered == len(relabelled) == 50
    assert np.all(LABELS[relabelled] == 1)
    assert np.all(changed.labels[relabelled] == 5)
    assert len(where) == 100


def test_label_consistent_poison_changes_no_label() -> None:
    changed = poison(
        IMAGES, LABELS, (3,) * 10, 0.04, whiten, np.random.default_rng(1), label_consistent=True
    )
    assert np.array_equal(changed.labels, LABELS)
    assert np.all(LABELS[stamped(changed.images)] == 3)


def test_negatives_keep_their_label_and_come_as_often_as_wanted() -> None:
    def dim(images: np.ndarray) -> np.ndarray:
        return np.full_like(images, 0.5)

    for share, covered in ((1.0, 100), (2.0, 200)):
        changed = poison(
            IMAGES, LABELS, (3,) * 10, 0.1, whiten, np.random.default_rng(1),
            cover=dim, cover_share=share,
        )  # fmt: skip
        where = np.flatnonzero(np.all(changed.images == 128, axis=(1, 2, 3)))
        assert len(where) == changed.covered == covered
        assert np.array_equal(changed.labels[where], LABELS[where])
        assert not set(where) & set(stamped(changed.images))


def test_the_input_is_left_alone() -> None:
    before = IMAGES.copy()
    poison(IMAGES, LABELS, (3,) * 10, 0.1, whiten, np.random.default_rng(1))
    assert np.array_equal(IMAGES, before)
