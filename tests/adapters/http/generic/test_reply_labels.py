"""Replies about two classes, replies that name nothing, and scores written in odd ways."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.contract import LabelSpace
from adapters.errors import BadReply, TargetError
from adapters.http.generic.reply_labels import ReplyRule, content, label_names
from adapters.http.transport.reading import Reply
from adapters.target import ReplyFormat

TWO = ("safe", "nsfw")


def names(reply: Any, n: int = 1, classes: tuple[str, ...] | None = TWO, **rule: Any) -> list[str]:
    """The class names read from ``reply`` under ``rule``."""
    stated = ReplyFormat(**rule)
    listed = label_names(stated, classes)
    named = stated.kind not in {"index", "scores", "binary"}
    space = LabelSpace(listed or [], open=listed is None and named)
    return [space.name(label) for label in ReplyRule(stated, space).labels(reply, n).tolist()]


@pytest.mark.parametrize(
    ("threshold", "low", "high"),
    [
        (0.5, 0.49, 0.5),
        (0.5, "49.9 %", "50%"),
        (0.5, "12,5 %", "93,2 %"),
        (50, 49.9, 93.2),
        (0, -0.1, 0.0),
        (0, "-2.5", "3"),
        (0.3, [0.2], [[0.4]]),
        (None, False, True),
        (None, "No", "yes"),
        (None, "negative", "POSITIVE."),
        (None, "Safe", "nsfw"),
        (0.5, 0, 1),
    ],
)
def test_one_answer_about_two_classes(threshold: float | None, low: Any, high: Any) -> None:
    rule: dict[str, Any] = {"kind": "binary", "threshold": threshold, "path": "a"}
    assert names({"a": low}, **rule) == ["safe"]
    assert names({"a": high}, **rule) == ["nsfw"]
    assert names({"a": [low, high, low]}, 3, **rule) == ["safe", "nsfw", "safe"]


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ([], "safe"),
        (["outdoor", "nsfw"], "nsfw"),
        (["outdoor"], "safe"),
        ([{"label": "outdoor", "score": 0.9}, {"label": "nsfw", "score": 0.8}], "nsfw"),
        ([{"label": "nsfw", "score": "12 %"}], "safe"),
        ({"nsfw": 0.7, "outdoor": 0.2}, "nsfw"),
        ({"nsfw": 0.4}, "safe"),
        ({}, "safe"),
    ],
)
def test_a_tag_that_is_there_or_not(entry: Any, named: str) -> None:
    scored = isinstance(entry, dict) or any(isinstance(one, dict) for one in entry)
    rule: dict[str, Any] = {
        "kind": "binary",
        "tag": "nsfw",
        "threshold": 0.5 if scored else None,
        "path": "tags",
    }
    assert names({"tags": entry}, **rule) == [named]
    assert names({"other": 1}, **rule) == ["safe"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("perhaps", "neither yes nor no"),
        ("nan", "neither yes nor no"),
        ([0.1, 0.9], "neither yes nor no"),
        ({"p": 1}, "neither yes nor no"),
        (0.7, "state response.threshold"),
        (None, "response.no_label"),
    ],
)
def test_no_side_is_guessed(entry: Any, words: str) -> None:
    with pytest.raises(BadReply, match=words):
        names({"a": [entry]}, kind="binary", path="a")


@pytest.mark.parametrize(
    ("classes", "rule", "words"),
    [
        (None, {"kind": "binary"}, "two response.classes"),
        (("a", "b", "c"), {"kind": "binary"}, "two response.classes"),
        (TWO, {"kind": "label", "threshold": 0.5}, "response.threshold needs"),
        (TWO, {"kind": "scores", "tag": "x"}, "response.tag needs"),
        (None, {"kind": "index", "no_label": "none"}, "response.no_label needs response.classes"),
    ],
)
def test_rules_that_cannot_work(
    classes: tuple[str, ...] | None, rule: dict[str, Any], words: str
) -> None:
    with pytest.raises(TargetError, match=words):
        names({}, classes=classes, **rule)


EMPTY: dict[str, list[Any]] = {
    "label": [None, "", "  ", []],
    "index": [None, ""],
    "scores": [None, [], [None, None]],
    "binary": [None, ""],
    "label-score-list": [None, []],
    "label-score-dict": [None, {}, []],
    "label-score-columns": [None, {}],
}
GOOD: dict[str, Any] = {
    "label": "nsfw",
    "index": 1,
    "scores": [0.1, 0.9],
    "binary": 0.9,
    "label-score-list": [{"label": "safe", "score": 0.1}, {"label": "nsfw", "score": 0.9}],
    "label-score-dict": {"safe": 0.1, "nsfw": 0.9},
    "label-score-columns": {"label": ["safe", "nsfw"], "score": [0.1, 0.9]},
}


@pytest.mark.parametrize(
    ("kind", "entry"), [(kind, entry) for kind, entries in EMPTY.items() for entry in entries]
)
def test_an_empty_answer_of_every_kind_is_a_class_of_its_own(kind: str, entry: Any) -> None:
    rule: dict[str, Any] = {
        "kind": kind,
        "no_label": "(none)",
        "threshold": 0.5 if kind == "binary" else None,
    }
    assert names({"a": entry}, path="a", **rule) == ["(none)"]
    assert names({"a": {"b": entry}}, path="a.b", **rule) == ["(none)"]
    assert names({"a": None}, path="a.b", **rule) == ["(none)"]
    assert names({"a": []}, path="a.*.b", **rule) == ["(none)"]
    assert names({}, path="a", **rule) == ["(none)"]
    mixed = [{"b": entry}, {"b": GOOD[kind]}, {"b": None}]
    assert names(mixed, 3, path="*.b", **rule) == ["(none)", "nsfw", "(none)"]


@pytest.mark.parametrize("kind", EMPTY)
def test_another_place_than_the_label_s_stays_a_failure(kind: str) -> None:
    rule: dict[str, Any] = {
        "kind": kind,
        "no_label": "(none)",
        "threshold": 0.5 if kind == "binary" else None,
    }
    for reply in ({"error": "busy"}, "text", 7):
        with pytest.raises(BadReply):
            names(reply, path="a.b", **rule)
    with pytest.raises(BadReply, match=r"1 labels for 2|one answer for 2"):
        names({"a": [GOOD[kind]]}, 2, path="a", **rule)


@pytest.mark.parametrize(
    ("reply", "rule"),
    [
        ({"safe": "6.8 %", "nsfw": "93.2 %"}, {"kind": "label-score-dict"}),
        ({"safe": "6,8%", "nsfw": "93,2%"}, {"kind": "label-score-dict"}),
        ({"safe": None, "nsfw": 0.2}, {"kind": "label-score-dict"}),
        ([{"label": "safe", "score": 0.2}, {"label": "nsfw", "score": 0.8}], {}),
        ([[[{"label": "nsfw", "score": 0.8}, {"label": "safe", "score": 0.2}]]], {}),
        ([{"label": "safe", "score": None}, {"label": "nsfw", "score": -3.0}], {}),
        ([0.1, None, 0.05], {"kind": "scores"}),
        ([["6.8 %", "93.2 %"]], {"kind": "scores"}),
        ([[[0.1, 0.9]]], {"kind": "scores"}),
    ],
)
def test_percentages_nested_sparse_and_unordered_scores(reply: Any, rule: dict[str, Any]) -> None:
    sparse = reply == [0.1, None, 0.05]
    found = names(
        reply, classes=(*TWO, "x") if sparse else TWO, **({"kind": "label-score-list"} | rule)
    )
    assert found == ["safe" if sparse else "nsfw"]


@pytest.mark.parametrize(
    ("entry", "rule"),
    [
        ([{"n": "a", "c": {"v": 0.1}}, {"n": "b", "c": {"v": 0.9}}], {"label_key": "n"}),
        ([["a", 0.1], ["b", 0.9]], {"label_key": "0", "score_key": "1"}),
        ([["b", 0.4]], {"label_key": "0", "score_key": "1"}),
        ([{"a": 0.1}, {"b": 0.9}], {}),
        ({"a": {"c": {"v": 0.1}}, "b": {"c": {"v": 0.9}}}, {}),
        ({"a": False, "b": True}, {}),
        ('{"a": 0.1, "b": 0.9}', {}),
    ],
)
def test_scores_in_every_wrapping(entry: Any, rule: dict[str, str]) -> None:
    kind = "label-score-list" if "label_key" in rule else "label-score-dict"
    stated: dict[str, Any] = {"kind": kind, "score_key": "c.v", **rule, "path": "r"}
    assert names({"r": entry}, classes=("a", "b"), **stated) == ["b"]


@pytest.mark.parametrize("entry", [{"a": True, "b": True}, {"a": 0.2, "b": True}, {"a": {"x": 1}}])
def test_scores_that_name_no_single_best_are_refused(entry: Any) -> None:
    with pytest.raises(BadReply):
        names(entry, classes=("a", "b"), kind="label-score-dict")


def test_no_truth_at_all_is_nothing() -> None:
    nothing = {"a": False, "b": False}
    stated: dict[str, Any] = {"kind": "label-score-dict", "no_label": "none"}
    assert names(nothing, classes=("a", "b"), **stated) == ["none"]


def test_a_text_body_is_a_class_or_nothing() -> None:
    reply = Reply(200, {}, b"\xef\xbb\xbfbee\n")
    form = ReplyFormat(body="text", kind="label")
    assert names(content(reply, form), classes=("ant", "bee"), body="text", kind="label") == ["bee"]
    with pytest.raises(BadReply):
        names("<html>", classes=("ant", "bee"), body="text", kind="label")
    with pytest.raises(TargetError, match=r"any page would count as a class"):
        names("bee", classes=None, body="text", kind="label")
    with pytest.raises(TargetError, match="has no parts"):
        names("bee", classes=("ant", "bee"), body="text", kind="label", path="x")
