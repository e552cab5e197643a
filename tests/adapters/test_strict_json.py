from __future__ import annotations

import json

import pytest

from adapters import strict_json
from adapters.errors import BadReply


@pytest.mark.parametrize("depth", [65, 900, 100_000])
def test_json_nested_too_deep_is_refused_wherever_it_is_read(depth: int) -> None:
    with pytest.raises(BadReply, match="nested"):
        strict_json.parse(b"[" * depth + b"]" * depth)


def test_brackets_in_texts_nest_nothing() -> None:
    value = ["[" * 500, '\\"[[' * 100, [[[1]]] * 50]
    assert strict_json.parse(json.dumps(value).encode()) == value
