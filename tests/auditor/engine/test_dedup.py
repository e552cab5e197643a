"""The table of answers: a dictionary that does not grow."""

from __future__ import annotations

import random

import pytest

from auditor.engine.dedup import ASKED, KEY_BYTES, KnownAnswers


@pytest.mark.parametrize("expected", [0, 10, 5000])
def test_it_answers_like_a_dictionary(expected: int) -> None:
    rng = random.Random(expected)
    keys = [rng.randbytes(KEY_BYTES) for _ in range(3000)]
    table, plain = KnownAnswers(expected), dict[bytes, int]()
    for _ in range(12_000):
        key, label = rng.choice(keys), rng.choice([ASKED, 0, 1, 65534])
        if rng.random() < 0.5:
            assert table.claim(key) == plain.get(key)
            plain.setdefault(key, ASKED)
        else:
            assert table.get(key) == plain.get(key)
            table.put(key, label)
            plain[key] = label
    assert len(table) == len(plain)
    assert all(table.get(key) == plain.get(key) for key in keys)


def test_keys_that_want_one_slot_are_kept_apart() -> None:
    table = KnownAnswers(10)
    keys = [bytes([number]) + bytes(KEY_BYTES - 1) for number in range(200)]
    table.update((key, number) for number, key in enumerate(keys))
    assert [table.get(key) for key in keys] == list(range(200))
    assert table.get(b"\xff" * KEY_BYTES) is None
