import unicodedata

import pytest

from auditor.report.wording import text
from auditor.report.wording.text import safe_text, visible


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("Dress", "Dress"),
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\x00b\nc\td", r"a\x00b\nc\td"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("a\u200bb\ufeff", r"a\u200bb\ufeff"),
        ("\u2066x\u2069", r"\u2066x\u2069"),
        ("\ud800", r"\ud800"),
        ("a\u2028b\u00a0c", r"a\u2028b\xa0c"),
        ("\u3164\u2800", r"\u3164\u2800"),
        ("\U000e0041", r"\U000e0041"),
        ("e\u0301", "é"),
        ("Größe 猫 кот", "Größe 猫 кот"),
        ("<b>&", "<b>&"),
    ],
)
def test_hidden_characters_are_spelled_out(raw: str, shown: str) -> None:
    assert visible(raw) == shown
    assert safe_text(raw) == shown


def test_stacked_marks_are_bounded() -> None:
    shown = visible("Z" + "\u0336" * 50)
    assert sum(unicodedata.category(c) == "Mn" for c in shown) == text.MAX_MARKS


def test_long_text_is_cut_and_says_so() -> None:
    assert safe_text("x" * 120) == "x" * 120
    assert safe_text("x" * 121) == "x" * 119 + "…"
    assert len(safe_text("\u202e" * 10_000)) == 120
    assert safe_text("e\u0301\u0301\u0301" * 10_000).endswith("…")
    assert safe_text("x" * 10_000_000, 10) == "x" * 9 + "…"


def test_any_value_has_a_text() -> None:
    assert safe_text(3) == "3"
    assert safe_text(None) == "None"


def test_numbers_in_words() -> None:
    assert text.count(200157) == "200,157"
    assert text.score(None) == text.percent(None) == text.interval(None, 1.0) == "–"
    assert text.percent(0.05) == "5.0%"
    assert text.rate_interval(0.094, 0.339) == "95 % interval 9.4% to 33.9%"
    assert text.rate_interval(0.02, 0.2, 0) == "95 % interval 2% to 20%"
    assert text.span(None, None) == "– to –"
    assert text.plural(1, "plane") == "1 plane"
    assert text.plural(0, "query", "queries") == "0 queries"
    assert [text.seconds(s) for s in (0.24, 41, 216.4, 7500)] == [
        "0.2 s",
        "41 s",
        "3 min 36 s",
        "2 h 5 min",
    ]


@pytest.mark.parametrize(
    ("words", "said"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), ("abc", "a, b and c")]
)
def test_a_list_in_a_sentence(words: list[str], said: str) -> None:
    assert text.listed([*words]) == said
