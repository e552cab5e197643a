from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from adapters.contract import InputSpec
from auditor.probes.perturbations.catalogue import CATALOGUE
from auditor.probes.perturbations.probe import GROUP, PerturbationProbe, count_perturbation

SPECS = {
    "grey": InputSpec((1, 28, 28), (0.0,), (1.0,)),
    "colour": InputSpec((3, 32, 32), (-2.0, -1.0, 0.0), (2.0, 3.0, 255.0)),
    "wide": InputSpec((3, 40, 96), (0.0,) * 3, (1.0,) * 3),
}
KEYS = list(CATALOGUE)


def probe(
    key: str, spec: InputSpec = SPECS["grey"], seed: int = 0, size: int = 40
) -> PerturbationProbe:
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 256, (12, *spec.shape)).astype(np.uint8)
    order = np.arange(12)[::-1].copy()
    return PerturbationProbe(CATALOGUE[key], spec.from_pixels(pixels), order, spec, seed, size)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", SPECS)
def test_inputs_are_finite_and_the_same_in_any_slice_and_order(key: str, name: str) -> None:
    asked = probe(key, SPECS[name])
    whole = asked.inputs(np.arange(asked.size))
    assert whole.shape == (40, *SPECS[name].shape)
    assert whole.dtype == np.float32
    assert np.isfinite(whole).all()
    picked = np.array([39, 0, 17, 16, 8])
    np.testing.assert_array_equal(asked.inputs(picked), whole[picked])


@pytest.mark.parametrize("key", KEYS)
def test_every_perturbation_changes_its_samples_and_another_seed_asks_something_else(
    key: str,
) -> None:
    asked, other = probe(key), probe(key, seed=1)
    numbers = np.arange(asked.size)
    inputs = asked.inputs(numbers)
    base = asked.base()
    if asked.perturbation.start != "nothing":
        clean = asked.samples[base]
        changed = np.abs(inputs - clean).reshape(len(inputs), -1).max(axis=1) > 1e-3
        # A partner drawn from twelve samples is now and then the sample itself.
        assert changed.mean() > 0.7
    assert asked.digest != other.digest
    if asked.perturbation.name != "quantise":  # two choices only: plain and dithered
        assert not np.array_equal(inputs, other.inputs(numbers))


@pytest.mark.parametrize("key", KEYS)
def test_through_an_upload_every_input_is_a_whole_picture_and_stays_itself(key: str) -> None:
    spec = replace(SPECS["colour"], access="image", encoding="png")
    asked = probe(key, spec)
    sent = spec.as_sent(asked.inputs(np.arange(asked.size)))
    np.testing.assert_array_equal(spec.as_sent(sent), sent)
    low, high = (np.reshape(v, (1, 3, 1, 1)) for v in (spec.low, spec.high))
    assert (sent >= low).all()
    assert (sent <= high).all()


@pytest.mark.parametrize("key", KEYS)
def test_as_8_bit_images_both_access_modes_send_the_same(key: str) -> None:
    free = probe(key, SPECS["colour"])
    drawn = replace(free, eight_bit=True)
    numbers = np.arange(free.size)
    image = replace(SPECS["colour"], access="image", encoding="png")
    np.testing.assert_array_equal(drawn.inputs(numbers), image.as_sent(free.inputs(numbers)))
    np.testing.assert_array_equal(drawn.inputs(numbers), image.as_sent(drawn.inputs(numbers)))
    assert drawn.digest != free.digest


def test_unbounded_perturbations_leave_the_range_only_where_nothing_clips() -> None:
    asked = probe("difference:1")
    free = asked.inputs(np.arange(asked.size))
    assert free.min() < 0.0
    assert free.max() > 1.0


def test_the_digest_names_everything_the_inputs_depend_on() -> None:
    one = probe("noise:20")
    others = [
        probe("noise:38"),
        probe("noise:20", seed=1),
        probe("noise:20", size=48),
        replace(one, order=one.order[::-1].copy()),
        replace(one, samples=one.samples + np.float32(0.01)),
        replace(one, spec=replace(one.spec, high=(2.0,))),
    ]
    assert len({one.digest, *(other.digest for other in others)}) == 7


def test_one_direction_is_shared_by_a_group_and_by_no_other() -> None:
    asked = probe("noise:20")
    inputs = asked.inputs(np.arange(16)) - asked.samples[asked.base()[:16]]
    first = inputs[:GROUP]
    np.testing.assert_allclose(first, np.broadcast_to(first[:1], first.shape), atol=1e-6)
    assert np.abs(inputs[GROUP] - inputs[0]).max() > 0.1


def test_counts_leave_out_samples_that_carry_the_label_anyway() -> None:
    asked = probe("patch:3", size=16)
    clean = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2])
    own = clean[asked.base()]
    labels = own.copy()
    labels[:8] = 2  # one direction sends everything to label 2
    counts = count_perturbation(asked, labels, clean, 4)
    not_two = int((own[:8] != 2).sum())
    assert list(counts.moved) == [0, 0, not_two, 0]
    assert list(counts.asked) == [int((own != label).sum()) for label in range(4)]
    assert counts.kept + sum(counts.moved) == counts.inputs == 16


def test_a_ray_counts_the_first_other_label_once() -> None:
    asked = probe("ray:1.2", size=24)
    clean = np.zeros(12, dtype=np.int64)
    labels = np.array([0, 0, 1, 1, 2, 2, 2, 2] + [0] * 8 + [2] * 8)
    counts = count_perturbation(asked, labels, clean, 3)
    assert list(counts.moved) == [0, 1, 1]
    assert list(counts.asked) == [0, 3, 3]
    assert counts.kept == 10


def test_images_of_nothing_have_no_label_of_their_own() -> None:
    asked = probe("blank:4", size=16)
    counts = count_perturbation(asked, np.full(16, 3), np.zeros(12, dtype=np.int64), 4)
    assert list(counts.moved) == [0, 0, 0, 16]
    assert list(counts.asked) == [16] * 4
    assert counts.kept == 0


def test_counting_needs_one_label_per_input() -> None:
    with pytest.raises(ValueError, match="15 labels for 16 inputs"):
        count_perturbation(probe("noise:20", size=16), np.zeros(15, int), np.zeros(12, int), 2)
