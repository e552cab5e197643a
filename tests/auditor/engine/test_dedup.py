"""The table of inputs: a dictionary that does not grow."""

from __future__ import annotations

import random
import weakref

import pytest

from auditor.engine.dedup import KEY_BYTES, TakenInputs


@pytest.mark.parametrize("count", [3000, 5_000_000, 20_000_000])
def test_it_answers_like_a_dictionary(count: int) -> None:
    rng = random.Random(count)
    some = [rng.randbytes(KEY_BYTES) for _ in range(1000)]
    places = [*rng.sample(range(count), 2999), count - 1]
    keys = {place: rng.choice(some) for place in places}
    table, plain = TakenInputs(count), dict[bytes, int]()
    for place, key in keys.items():
        assert table.take(key, place, keys.__getitem__) == plain.get(key)
        plain.setdefault(key, place)


def test_keys_that_differ_only_where_no_slot_shows_it_are_kept_apart() -> None:
    # Neither the place in the table nor the bits kept there tell them apart.
    keys = [bytes(8) + number.to_bytes(2, "little") + bytes(KEY_BYTES - 10) for number in range(99)]
    table = TakenInputs(99)
    assert [table.take(key, place, keys.__getitem__) for place, key in enumerate(keys)] == [
        None
    ] * 99
    assert [table.take(key, 0, keys.__getitem__) for key in keys] == list(range(99))


def test_a_table_is_freed_with_its_last_owner() -> None:
    # What makes keys often holds the table: if the table held that too, only a collection of
    # cycles would free it.
    class Owner:
        def __init__(self) -> None:
            self.table = TakenInputs(9)
            assert self.table.take(bytes(KEY_BYTES), 0, self.key_of) is None

        def key_of(self, place: int) -> bytes:
            return place.to_bytes(KEY_BYTES, "little")

    owner = Owner()
    seen = weakref.ref(owner.table)
    del owner
    assert seen() is None
