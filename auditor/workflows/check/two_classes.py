"""Services that give one answer about two classes, and answers that name nothing. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from adapters import strict_json
from adapters.contract import LabelSpace
from adapters.discovery.reply_guess import Guess
from adapters.errors import BadReply, EndpointError
from adapters.http.client.exchange import Exchange
from adapters.http.generic.reply_labels import ReplyRule
from adapters.target import ReplyFormat

NO_LABEL = "(no label)"
"""Class that stands for an answer without one, where ``check`` finds that a target gives such."""

TWO_CLASSES = (
    "The samples hold two classes: an audit searches for a trigger, without planes, which run "
    "through three; none of two classes can clear a model, and xray-audit plan says if it can "
    "accuse one."
)
"""The note on samples that no all-clear can come of."""


def completed(guess: Guess, classes: Sequence[str]) -> Iterator[Guess]:
    """``guess`` with the ``classes`` of the samples in each order, if it is about two classes."""
    if guess["kind"] != "binary":
        yield guess
    elif len(classes) == 2:
        for pair in (list(classes), list(reversed(classes))):
            tag = {"tag": pair[1]} if "tag" in guess else {}
            yield {**guess, **tag, "classes": pair}


def single_number(reply: Any) -> Iterator[Guess]:
    """Rules for a V2 reply whose only output holds one number."""
    outputs = reply.get("outputs") if isinstance(reply, dict) else None
    value = outputs[0].get("data") if isinstance(outputs, list) and len(outputs) == 1 else None
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, int | float) and not isinstance(value, bool):
        for threshold in (0.5, 0.0) if 0 <= value <= 1 else (0.0, 50.0):
            yield {"kind": "binary", "threshold": threshold}


def may_be_empty(exchange: Exchange) -> bool:
    """True if a good reply holds null or something empty where a label might be."""
    try:
        reply = strict_json.parse(exchange.reply.body)
    except BadReply:
        return False
    return 200 <= exchange.reply.status < 300 and _has_nothing(reply)


def _has_nothing(value: Any) -> bool:
    if isinstance(value, dict | list) and value:
        inner = value.values() if isinstance(value, dict) else value
        return any(map(_has_nothing, inner))
    return value in (None, "", [], {})


def better_threshold(
    reply: ReplyFormat, classes: Sequence[str], replies: Sequence[Exchange], truth: Sequence[str]
) -> tuple[float, int] | None:
    """The threshold under which most ``replies`` are right, between two of their numbers, and the
    number of those; None unless every reply is one number.
    """
    rule = ReplyRule(reply, LabelSpace([*classes, *([reply.no_label] if reply.no_label else [])]))
    numbers: list[float] = []
    for exchange in replies:
        try:
            numbers.append(rule.number(strict_json.parse(exchange.reply.body)))
        except EndpointError:
            return None
    values = sorted(set(numbers))
    middles = [(low + high) / 2 for low, high in itertools.pairwise(values)]
    scored = [
        (sum(classes[n >= middle] == own for n, own in zip(numbers, truth, strict=True)), middle)
        for middle in middles
    ]
    right, threshold = max(scored, default=(0, 0.0))
    return (float(f"{threshold:.3g}"), right) if scored else None
