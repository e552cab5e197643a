"""The table of inputs: a dictionary that does not grow."""

from __future__ import annotations

import random

import pytest

from auditor.engine.dedup import KEY_BYTES, TakenInputs


@pytest.mark.parametrize("count", [3000, 5_000_000, 20_000_000])
def test_it_answers_like_a_dictionary(count: int) -> None:
    rng = random.Random(count)
    some = [rng.randbytes(KEY_BYTES) for _ in range(1000)]
    places = [*rng.sample(range(count), 2999), count - 1]
    keys = {place: rng.choice(some) for place in places}
    table, plain = TakenInputs(count, keys.__getitem__), dict[bytes, int]()
    for place, key in keys.items():
        assert table.take(key, place) == plain.get(key)
        plain.setdefault(key, place)


def test_keys_that_differ_only_where_no_slot_shows_it_are_kept_apart() -> None:
    # Neither the place in the table nor the bits kept there tell them apart.
    keys = [bytes(8) + number.to_bytes(2, "little") + bytes(KEY_BYTES - 10) for number in range(99)]
    table = TakenInputs(99, keys.__getitem__)
    assert [table.take(key, place) for place, key in enumerate(keys)] == [None] * 99
    assert [table.take(key, 0) for key in keys] == list(range(99))
