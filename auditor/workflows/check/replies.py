"""Labels read from kept replies, under one rule or another. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from adapters import strict_json
from adapters.contract import LabelSpace
from adapters.discovery.reply_guess import Guess, guesses
from adapters.errors import BadReply, EndpointError
from adapters.http.client.exchange import Exchange
from adapters.http.generic.reply_labels import ReplyRule, content, label_names
from adapters.target import ReplyFormat, Target
from auditor.workflows.check.two_classes import single_number

NAMED_KINDS = {"label", "label-score-list", "label-score-dict", "label-score-columns"}
"""Kinds of reply that hold class names."""


def protocol_of(target: Target) -> str:
    """The protocol of a target over HTTP, as ``auto`` chooses it."""
    if target.http.protocol != "auto":
        return target.http.protocol
    return "v2" if "/v2/models/" in target.location else "http"


def possible_rules(
    exchange: Exchange, target: Target, classes: Sequence[str]
) -> Iterator[tuple[Any, Guess]]:
    """A reply that was answered well, with each rule that may read it: samples of ``classes``."""
    if not 200 <= exchange.reply.status < 300:
        return
    http = protocol_of(target) == "http"
    try:
        reply = strict_json.parse(exchange.reply.body)
    except BadReply:
        if http:
            yield from _of_text(exchange, classes)
        return
    found = guesses(reply, classes) if http else single_number(reply)
    yield from ((reply, guess) for guess in found)


def _of_text(exchange: Exchange, classes: Sequence[str]) -> Iterator[tuple[Any, Guess]]:
    """A body that is no JSON, if its words name one of ``classes`` or tell two apart."""
    rule: Guess = {"body": "text", "path": "", "kind": "chosen", "classes": list(classes)}
    try:
        text = content(exchange.reply, ReplyFormat(body="text"))
    except BadReply:
        return
    yield text, rule
    for guess in guesses(text.strip()):
        if guess["kind"] == "binary":
            yield text, {"body": "text", **guess}


def space_of(target: Target) -> LabelSpace:
    """A label space for replies of ``target``, as far as its description makes one."""
    rule = target.http.reply
    names = label_names(rule, target.classes)
    return LabelSpace(names or [], open=names is None and rule.kind in NAMED_KINDS)


def read_label(reply: Any, target: Target, space: LabelSpace | None = None) -> str:
    """The label of the one input that ``reply`` answers, as ``target`` reads it.

    Raises:
        EndpointError: the rule does not read it.
        TargetError: the rule cannot work.
    """
    space = space or space_of(target)
    label = int(ReplyRule(target.http.reply, space).labels(reply, 1)[0])
    if label < 0:
        raise BadReply(f"the target answered with label {label}")
    return space.name(label)


def answers_under(replies: Sequence[Exchange], target: Target) -> list[str] | None:
    """The labels of ``replies`` under ``target``'s rule; None if it does not read one of them."""
    space = space_of(target)
    try:
        form = target.http.reply
        return [read_label(content(e.reply, form), target, space) for e in replies]
    except EndpointError:
        return None


def naming(mapping: dict[str, str], space: LabelSpace, target: Target) -> Guess | None:
    """The ``[response]`` fields that give the target's labels the samples' names."""
    if space.open or space.names:
        named = protocol_of(target) == "http" and target.http.reply.kind in NAMED_KINDS
        plain = named and target.classes is None
        if plain:
            return {"rename": {a: b for a, b in mapping.items() if a != b}}
        # Words, and samples numbered in the model's order: the list of its classes.
        order = {int(name): label for label, name in mapping.items() if name.isdecimal()}
        whole = space.open and not named and sorted(order) == list(range(len(mapping)))
        return {"classes": [order[index] for index in sorted(order)]} if whole else None
    numbers = {int(label): name for label, name in mapping.items() if label.isdecimal()}
    size = space.size or (len(numbers) if set(numbers) == set(range(len(numbers))) else None)
    if size is None or len(numbers) != len(mapping) or max(numbers) >= size or size > 2000:
        return None
    return {"classes": [numbers.get(index, f"class {index}") for index in range(size)]}
