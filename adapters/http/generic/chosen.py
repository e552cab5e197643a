"""The class that a language model chose, read from its words; it is never guessed."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

from adapters.contract import LabelSpace
from adapters.errors import BadReply
from adapters.quoting import shown_value
from adapters.target import ReplyFormat

_THOUGHTS = re.compile(r"<think>.*?</think>", re.DOTALL)
_FENCE = re.compile(r"\s*```(?:json)?\s*(.*?)\s*```\s*", re.DOTALL)
_DENIED = re.compile(r"\b(not|isn't|cannot|can't|neither|nor|unsure|uncertain|either)\b")
_MOST_CHARS = 20_000


class ChosenRule:
    """Reads the one class of ``space`` that a text names, under a ReplyFormat."""

    def __init__(self, reply: ReplyFormat, space: LabelSpace) -> None:
        names = [name for name in space.names if name != reply.no_label]
        known = reply.no_label in space.names  # an open space may learn it later
        self._none = space.names.index(reply.no_label) if known else None
        renamed = {_plain(a): _plain(b) for a, b in reply.rename.items()}
        self._places = {_plain(name): space.names.index(name) for name in names}
        self._places |= {a: self._places[b] for a, b in renamed.items() if b in self._places}
        ways = sorted(filter(None, self._places), key=len, reverse=True)  # "red fox" before "fox"
        self._named = re.compile(
            "|".join(rf"(?<!\w){re.escape(way)}(?!\w)" for way in ways) or r"(?!)"
        )

    def index(self, entry: Any) -> int:
        """Index of the class that ``entry`` names: its whole text, a text in JSON, or the only
        class in a sentence. Where it names none, several, or says that it is not one, the class for
        no label counts if there is one; else raises BadReply.
        """
        if isinstance(entry, list):  # parts of a message
            parts = [one.get("text") for one in entry if isinstance(one, dict)]
            entry = "".join(part for part in parts if isinstance(part, str))
        if not isinstance(entry, str):
            raise BadReply(f"the target answered with {shown_value(entry)}, not with words")
        text = _THOUGHTS.sub(" ", entry[:_MOST_CHARS])
        words = _plain(_from_json(text))
        place = self._places.get(words.strip(" .!\"'*`:"))
        if place is not None:
            return place
        found = {self._places[name] for name in self._named.findall(words)}
        if len(found) == 1 and not _DENIED.search(words):
            return found.pop()
        if self._none is not None:
            return self._none
        count = len(found) if found else "none"
        raise BadReply(
            f"the target's words {shown_value(entry)!r} name {count} of the classes for certain, "
            "and one is due: the answer is not guessed (response.no_label makes a class of such)"
        )


def _from_json(text: str) -> str:
    """The only text in the JSON object or string that ``text`` is, fenced or not; or ``text``."""
    fenced = _FENCE.fullmatch(text)
    inner = fenced[1] if fenced else text
    try:
        value = json.loads(inner)
    except (ValueError, RecursionError):
        return inner
    if isinstance(value, dict) and len(value) == 1:
        value = next(iter(value.values()))
    return value if isinstance(value, str) else inner


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())
