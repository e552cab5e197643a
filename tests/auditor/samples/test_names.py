"""Names that are equal, near or neither: near ones are shown, and the remedy named works."""

from __future__ import annotations

import re

import pytest

from auditor.samples.names import match_names, number_of

LIST = ["n01440764 tench, Tinca tinca", "n02012849 crane (134)", "n03126707 crane (517)", "Red Fox"]


@pytest.mark.parametrize(
    ("name", "own", "way"),
    [
        ("Red Fox", "Red Fox", ""),
        ("red fox", "Red Fox", "case, spaces and dashes"),
        ("Red Fox ", "Red Fox", "case, spaces and dashes"),
        ("red_fox", "Red Fox", "case, spaces and dashes"),
        ("Red-Fox", "Red Fox", "case, spaces and dashes"),
        ("\uff32\uff45\uff44 Fox", "Red Fox", "case, spaces and dashes"),
        ("n01440764", LIST[0], "words beside the WordNet id"),
        ("n01440764_tench", LIST[0], "words beside the WordNet id"),
        ("tench", LIST[0], "synonyms"),
        ("Tinca tinca", LIST[0], "synonyms"),
        ("tench, Tinca tinca", LIST[0], "synonyms"),
        ("n02012849-crane", LIST[1], "case, spaces and dashes"),
        ("\u200bred fox", "Red Fox", "case, spaces and dashes"),
        ("\ufeffRed Fox\r", "Red Fox", "case, spaces and dashes"),
        ("03_red_fox", "Red Fox", "a number in front"),
        ("1. Red Fox", "Red Fox", "a number in front"),
    ],
)
def test_a_near_name_is_found_and_shown(name: str, own: str, way: str) -> None:
    found = match_names([name], LIST)
    assert (found.pairs, found.problem) == ({name: own}, "")
    assert found.ways == ((way,) if way else ())
    assert found.how == (
        f"class names apart from {way}: {name!r} is {own!r}" if way else "class names"
    )


def test_numbers_in_front_are_the_only_difference_of_one_name_of_both() -> None:
    assert match_names(["cat"], ["0_cat", "1_dog"]).pairs == {"cat": "0_cat"}
    assert match_names(["3 euro"], ["1 euro", "2 euro"]).pairs == {}
    assert match_names(["euro"], ["1 euro", "2 euro"]).pairs == {}
    assert match_names(["0-1"], ["1", "2"]).pairs == {}


def test_classes_that_a_library_named_by_their_number() -> None:
    pairs = match_names(["0", "01"], ["LABEL_0", "LABEL_1"]).pairs
    assert pairs == {"0": "LABEL_0", "01": "LABEL_1"}
    assert match_names(["class 7"], ["6", "7"]).pairs == {"class 7": "7"}


def test_numbers_by_their_value() -> None:
    assert match_names(["6", "07"], ["06", "7.0"]).pairs == {"6": "06", "07": "7.0"}
    assert [number_of(n) for n in ("6", "06", "6.0", "6.5", "six", "\u0666")] == [
        6,
        6,
        6,
        *[None] * 3,
    ]


def test_equal_beats_near() -> None:
    assert match_names(["a", "A"], ["A", "a"]).pairs == {"a": "a", "A": "A"}


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["crane"], r"'crane' .* may be 'n02012849 crane \(134\)' or 'n03126707 crane \(517\)' of"),
        (
            ["Red Fax"],
            "no class named 'Red Fax'; nearest is 'Red Fox': give the class of the samples",
        ),
        (["whale"], "no class named 'whale'; it has 'n01440764 tench, Tinca tinca', "),
        (
            ["Red Fox", "red fox"],
            "classes 'Red Fox' and 'red fox' of the samples are both 'Red Fox'",
        ),
    ],
)
def test_what_stays_unclear(names: list[str], words: str) -> None:
    assert re.search(words, match_names(names, LIST).problem)


def test_the_name_that_a_problem_proposes_works() -> None:
    for name in ("crane", "Red Fax"):
        proposed = re.findall(r"'([^']+)'", match_names([name], LIST).problem)[1:]
        assert proposed
        for one in proposed:
            assert match_names([one], LIST).problem == ""


def test_many_pairs_are_counted() -> None:
    names = [f"Class {i}" for i in range(9)]
    how = match_names([name.lower() for name in names], names).how
    assert how.endswith("'class 3' is 'Class 3', ... (9 in all)")
