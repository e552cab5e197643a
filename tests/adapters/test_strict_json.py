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


@pytest.mark.parametrize(
    "number",
    ["1e999", "-1E+999", "1e0400", "9" * 400 + ".0", "1" + "0" * 400, "9" * 21, "0." + "1" * 1200],
)
def test_numbers_beyond_all_reason_are_refused(number: str) -> None:
    for text in (f"[{number}]", f'[0.5, {{"a": {number}}}]'):
        with pytest.raises(BadReply, match=r"infinite|whole number of|number of"):
            strict_json.parse(text.encode())


@pytest.mark.parametrize(
    "number", ["1e99", "1E-300", "-0.0", "5e-324", "9" * 20, "0." + "1" * 300, "1.5e+05", "12e-7"]
)
def test_other_numbers_are_what_python_reads(number: str) -> None:
    found = strict_json.parse(f'{{"e+1": [{number}, "1e9"]}}'.encode())
    assert found == json.loads(f'{{"e+1": [{number}, "1e9"]}}')
    assert type(found["e+1"][0]) is type(json.loads(number))


@pytest.mark.parametrize("before", range((1 << 20) - 24, (1 << 20) + 2))
@pytest.mark.parametrize("number", ["1e999", "1E+999", "9" * 21])
def test_a_number_beyond_all_reason_is_found_wherever_a_long_text_is_cut(
    before: int, number: str
) -> None:
    text = "[" + " " * (before - 1) + number + "]"
    with pytest.raises(BadReply, match=r"infinite|whole number of|number of"):
        strict_json.parse(text.encode())


@pytest.mark.parametrize("guard", [b")]}'\n", b")]}',\n", b"for(;;);", b"\r\nwhile (1);"])
def test_a_line_against_scripts_is_no_part_of_the_value(guard: bytes) -> None:
    assert strict_json.parse(guard + b'{"labels": [1]}') == {"labels": [1]}
