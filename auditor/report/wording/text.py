"""Text from models, labels and samples, made safe to show.

Labels are hostile: a server may answer with escape sequences, right-to-left overrides, markup
or ten thousand letters. :func:`safe_text` makes every character visible and the length bounded;
the HTML builder escapes markup on top of that.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that never show as themselves: controls, formats (all bidi overrides and
zero-width characters), lone surrogates, private and unassigned code points, separators."""

_BLANK = frozenset("\u034f\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that are drawn as nothing at all."""

MAX_MARKS = 4
"""Combining marks kept on one character; more of them would climb over the lines around."""


def visible(text: str) -> str:
    r"""NFC form of ``text`` with every invisible character spelled out, as in ``\u202e``."""
    if text.isascii() and text.isprintable():  # nearly all of a page, pictures above all
        return text
    shown = []
    marks = 0
    for character in unicodedata.normalize("NFC", text):
        category = unicodedata.category(character)
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        hidden = (
            category in _HIDDEN
            or character in _BLANK
            or (category == "Zs" and character != " ")
            or marks > MAX_MARKS
        )
        shown.append(character.encode("unicode_escape").decode() if hidden else character)
    return "".join(shown)


def safe_text(value: object, limit: int = 120) -> str:
    """``value`` as visible text of at most ``limit`` characters, the last one "…" if cut.

    The result is plain text: a sink with markup still has to escape it.
    """
    raw = str(value)
    # Four code points at most compose into one, so this keeps at least ``limit`` characters
    # without normalising megabytes.
    shown = visible(raw[: 4 * limit])
    return shown if len(shown) <= limit and len(raw) <= 4 * limit else shown[: limit - 1] + "…"


def first(words: str) -> str:
    """The first sentence of ``words``."""
    head, dot, _ = words.partition(". ")
    return safe_text(head + ("." if dot else ""), 240)


def count(value: float) -> str:
    """A whole number with thousands separated: ``200,157``."""
    return f"{value:,.0f}"


def score(value: float | None) -> str:
    """A score to three decimals; an en dash if there is none."""
    return "–" if value is None else f"{value:.3f}"


INTERVAL = "95 % interval"
"""Name of every interval of a report, in sentences and heads of tables."""


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage with ``digits`` decimals; an en dash if there is none."""
    return "–" if share is None else f"{share:.{digits}%}"


def span(low: float | None, high: float | None, digits: int = 1) -> str:
    """The ends of a rate's interval: ``9.4% to 33.9%``."""
    return f"{percent(low, digits)} to {percent(high, digits)}"


def rate_interval(low: float | None, high: float | None, digits: int = 1) -> str:
    """A rate's interval with its name: ``95 % interval 9.4% to 33.9%``."""
    return f"{INTERVAL} {span(low, high, digits)}"


def interval(low: float | None, high: float | None) -> str:
    """An interval to three decimals; an en dash if there is none."""
    return "–" if low is None or high is None else f"{low:.3f} to {high:.3f}"


def seconds(value: float) -> str:
    """A duration in the two largest units that matter: ``2 h 5 min``, ``41 s``."""
    whole = round(value)
    if whole < 60:
        return f"{value:.1f} s" if value < 10 else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, left = divmod(minutes, 60)
    return f"{hours} h {left} min" if hours else f"{minutes} min {rest} s"


def listed(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``; empty if there are none."""
    return " and ".join([", ".join(words[:-1]), *words[-1:]] if len(words) > 1 else words)


def plural(number: int, one: str, many: str | None = None) -> str:
    """``1 plane``, ``20 planes``."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"
