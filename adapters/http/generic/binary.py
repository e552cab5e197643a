"""One answer about one of two classes: a number and a threshold, yes or no, a tag or none."""

from __future__ import annotations

import math
import re
from typing import Any

from adapters.errors import BadReply, TargetError
from adapters.http.generic.scores import score, share_of
from adapters.quoting import shown_value
from adapters.target import ReplyFormat

_PLAIN = re.compile(r"\s*[-+]?\d{1,20}(\.\d{1,20})?([eE][-+]?\d{1,3})?\s*", re.ASCII)
_WORDS = {
    **dict.fromkeys(("yes", "y", "true", "positive", "pos"), 1),
    **dict.fromkeys(("no", "n", "false", "negative", "neg"), 0),
}


class BinaryRule:
    """Reads answers about the two ``classes`` under a ReplyFormat of the kind ``binary``."""

    def __init__(self, reply: ReplyFormat, classes: list[str]) -> None:
        self._format = reply
        self._own = {name.casefold(): place for place, name in enumerate(classes)}

    def index(self, entry: Any) -> int:
        """0 for the first class, 1 for the second. Raises BadReply if ``entry`` says neither."""
        if self._format.tag:
            return self._tagged(entry)
        entry = _innermost(entry)
        if isinstance(entry, bool):
            return int(entry)
        if isinstance(entry, str):
            word = entry.strip().rstrip(".!").casefold()
            place = self._own.get(word, _WORDS.get(word))
            if place is not None:
                return place
        return self._above(number_of(entry))

    def _above(self, number: float) -> int:
        if self._format.threshold is None:
            raise BadReply(
                f"the target answered with the number {number:g}: state response.threshold, from "
                "which number on it stands for the second of response.classes"
            )
        return int(number >= self._format.threshold)

    def _tagged(self, entry: Any) -> int:
        """1 if the tag is listed, with a score that is high enough where a threshold is stated."""
        tag, least = self._format.tag, self._format.threshold
        if isinstance(entry, dict):
            found = [value for name, value in entry.items() if name == tag]
        elif isinstance(entry, list):
            label = self._format.label_key
            names = [one.get(label) if isinstance(one, dict) else one for one in entry]
            found = [one for one, name in zip(entry, names, strict=True) if name == tag]
        else:
            raise BadReply(f"the target answered with {shown_value(entry)}, no list of tags")
        if least is None or not found:
            return int(bool(found))
        scores = [
            one.get(self._format.score_key) if isinstance(one, dict) else one for one in found
        ]
        return int(max(map(score, scores)) >= least)


def number_of(entry: Any) -> float:
    """The number that an answer is or writes. Raises BadReply if it is none."""
    number = _innermost(entry)
    if isinstance(number, str):
        share = share_of(number)
        number = float(number) if share is None and _PLAIN.fullmatch(number) else share
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        raise BadReply(f"the target answered with {shown_value(entry)}, neither yes nor no")
    return float(number)


def _innermost(entry: Any) -> Any:
    while isinstance(entry, list) and len(entry) == 1:
        entry = entry[0]
    return entry


def check_binary(reply: ReplyFormat, classes: list[str]) -> None:
    """Refuse what cannot tell two classes apart. Raises TargetError."""
    if reply.kind != "binary":
        stray = "threshold" if reply.threshold is not None else "tag" if reply.tag else ""
        if stray:
            raise TargetError(f'response.{stray} needs response.kind "binary", not {reply.kind!r}')
        return
    if len(classes) != 2:
        raise TargetError(
            'response.kind "binary" needs two response.classes: first the class of a low number, '
            "of no or of a tag that is missing, then the class of a high number, of yes or of the "
            "tag"
        )
