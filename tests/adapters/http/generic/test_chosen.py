"""The class that a chat model names: read from its words, and never guessed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from adapters.contract import LabelSpace
from adapters.errors import BadReply, TargetError
from adapters.http import open_oracle
from adapters.http.generic.reply_labels import ReplyRule
from adapters.http.oracle import known_name
from adapters.target import ReplyFormat, read_target

CLASSES = ["red", "Blue", "fox", "red fox", "ice-cream", "Café"]


def chosen(entry: Any, **rule: Any) -> str:
    reply = ReplyFormat(path="text", kind="chosen", **rule)
    space = LabelSpace([*CLASSES, *([rule["no_label"]] if "no_label" in rule else [])])
    return space.name(int(ReplyRule(reply, space).labels({"text": entry}, 1)[0]))


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ("red", "red"),
        ("Red.", "red"),
        ("The answer is: Red.", "red"),
        ("**blue**", "Blue"),
        ("The picture shows a red fox in snow.", "red fox"),
        ("A fox", "fox"),
        ("Ice-cream!", "ice-cream"),
        ("CAFE\u0301", "Café"),
        ('{"class": "Blue"}', "Blue"),
        ('```json\n{"class": "red fox"}\n```', "red fox"),
        ('"fox"', "fox"),
        ("<think>It may be red or blue.</think> Blue", "Blue"),
        ("Red, definitely red.", "red"),
        ([{"type": "text", "text": "Blue"}], "Blue"),
    ],
)
def test_words_that_name_one_class(entry: Any, name: str) -> None:
    assert chosen(entry) == name


@pytest.mark.parametrize(
    "entry",
    [
        "red or blue",
        "It is not red.",
        "I cannot tell, maybe red",
        "neither red",
        "I'm sorry, I can't help with that.",
        "reddish",
        "infrared",
        "foxes",
        "a wolf",
        '{"class": "wolf"}',
        '{"class": "re',
        '{"class": "red", "second": "blue"}',
        "{}",
        7,
        {"class": "red"},
        [{"type": "image"}],
    ],
)
def test_other_words_are_refused(entry: Any) -> None:
    with pytest.raises(BadReply, match=r"not guessed|not with words"):
        chosen(entry)


def test_nothing_and_other_names() -> None:
    for words in ("", "gree", "red or blue", "It is not red."):
        assert chosen(words, no_label="(silent)") == "(silent)"
    assert chosen("It is red.", no_label="(silent)") == "red"
    assert chosen("The colour is crimson.", rename={"Crimson": "red"}) == "red"
    with pytest.raises(BadReply, match=r"response\.no_label"):
        chosen(None)


def test_a_sentence_where_a_name_is_due_tells_the_kind_that_reads_it() -> None:
    space = LabelSpace(["red", "green", "sky blue"])
    for words in ("The answer is: Red.", "sky blue, surely"):
        with pytest.raises(BadReply, match=r'kind = "chosen" in \[response\] .* here'):
            known_name(space, words)
    for words in ("red or green", "reddish", "nothing"):
        with pytest.raises(BadReply, match=r"not in classes$"):
            known_name(space, words)


def test_a_chat_needs_classes_and_a_model() -> None:
    table = {
        "url": "http://127.0.0.1:9/v1/chat/completions",
        "preset": "openai-vision",
        "input": {"shape": [3, 4, 4]},
    }
    for fields, words in (
        ({"response": {"classes": ["a", "b"]}}, "request.model is missing"),
        ({"request": {"model": "m"}}, "response.classes is missing"),
    ):
        with pytest.raises(TargetError, match=words):
            _fingerprint({**table, **fields})


def test_prompt_classes_and_model_are_part_of_the_fingerprint() -> None:
    base = {
        "url": "http://127.0.0.1:9/v1/chat/completions",
        "preset": "openai-vision",
        "input": {"shape": [3, 4, 4]},
        "request": {"model": "m"},
        "response": {"classes": ["a", 'b "quoted"']},
    }
    others = [
        {**base, "request": {"model": "n"}},
        {**base, "response": {"classes": ['b "quoted"', "a"]}},
        {**base, "preset": "openai-vision-text"},
    ]
    assert len({_fingerprint(one) for one in (base, *others)}) == 4


def _fingerprint(table: dict[str, Any]) -> str:
    async def run() -> str:
        oracle = await open_oracle(read_target(table))
        await oracle.aclose()
        return oracle.fingerprint

    return asyncio.run(run())
