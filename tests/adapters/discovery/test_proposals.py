"""What is made of what a server says about itself, however odd."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.discovery.proposals import MAX_PROPOSALS, propose
from adapters.discovery.reply_guess import MAX_GUESSES, guesses
from adapters.discovery.survey import Facts
from adapters.http.client.endpoint import read_endpoint
from adapters.target import read_target

ODD: list[Any] = [
    None,
    5,
    "text",
    [],
    {},
    {"paths": 5},
    {"paths": {"/x": 5, "no-slash": {"post": {}}, "/\u00e9 \n": {"post": {"requestBody": []}}}},
    {
        "paths": {
            "//evil.invalid/predict": {"post": {}},
            "https://evil.invalid/predict": {"post": {}},
        }
    },
    {"routes": [5, {"route": 5}, {"route": "x", "input": {"properties": {"a": 5}}}]},
    {"named_endpoints": {"//evil.invalid": {}, "\u202e": {}}},
    {"models": [None, {"name": 5}, {"name": "../../x?y#z"}, "\u00e9"]},
]


@pytest.mark.parametrize("answer", ODD)
@pytest.mark.parametrize("path", ["", "/predict", "/v1/models/m"])
def test_no_answer_leads_off_the_server_or_breaks_anything(answer: Any, path: str) -> None:
    facts = Facts(read_endpoint(f"http://host.invalid:8000{path}"))
    for question in ("/v2", "/v2/models", "/v1/models", "/openapi.json", "/schema.json"):
        facts.answers[question] = answer
    facts.answers["/gradio_api/info"] = answer
    found = propose(facts)
    assert len(found) <= MAX_PROPOSALS
    for proposal in found:
        target = read_target({**proposal.table, "input": {"shape": [3, 8, 8]}})
        assert read_endpoint(target.location).origin == "http://host.invalid:8000"


@pytest.mark.parametrize(
    ("url", "preset"),
    [
        ("https://runtime.sagemaker.eu-west-1.amazonaws.com/endpoints/x/invocations", "sagemaker"),
        ("https://rekognition.eu-west-1.amazonaws.com/", "rekognition"),
        ("https://vision.googleapis.com/v1/images:annotate", "google-vision"),
        ("https://api.clarifai.com/v2/models/m/outputs", "clarifai"),
        ("https://x.eastus.inference.ml.azure.com/score", "azureml"),
        ("https://x.endpoints.huggingface.cloud", "hf"),
        ("http://h/v2/models/m", "v2"),
        ("http://h/v1/models/m:predict", "instances"),
        ("http://h/predictions/m", "torchserve"),
        ("http://h/gradio_api/call/predict", "gradio-events"),
    ],
)
def test_the_url_itself_tells(url: str, preset: str) -> None:
    first = propose(Facts(read_endpoint(url)))[0].table
    assert first["preset"] == preset
    if "amazonaws" in url:
        assert first["auth"] == {"region": "eu-west-1"}


def test_a_server_that_says_nothing_is_sent_a_picture_in_json_too() -> None:
    for channels in (1, 3):
        found = propose(Facts(read_endpoint("http://host.invalid/x")), channels)
        requests = [one.table.get("request", {}) for one in found]
        assert {"template": '{"image": "$INPUT"}', "value": "base64"} in requests


@pytest.mark.parametrize(
    ("reply", "rule"),
    [
        ({"label": 2, "scores": [[0.1, 0.9]]}, {"path": "label", "kind": "index"}),
        ({"labels": [2], "scores": [[0.1, 0.9]]}, {"path": "labels.*", "kind": "index"}),
        ({"result": [2]}, {"path": "result.*", "kind": "index"}),
        ({"prediction": "cat", "confidence": 0.9}, {"path": "prediction", "kind": "label"}),
        ({"data": {"class_id": 4}}, {"path": "data.class_id", "kind": "index"}),
        ([[0.1, 0.9]], {"path": "*", "kind": "scores"}),
        ({"cat": 0.9, "dog": 0.1}, {"path": "", "kind": "label-score-dict"}),
        (
            {"predictions": [{"displayNames": ["a", "b"], "confidences": [0.1, 0.9]}]},
            {
                "path": "predictions.*",
                "kind": "label-score-columns",
                "label_key": "displayNames",
                "score_key": "confidences",
            },
        ),
        (
            [{"class": "a", "prob": 0.9}, {"class": "b", "prob": 0.1}],
            {"path": "", "kind": "label-score-list", "label_key": "class", "score_key": "prob"},
        ),
    ],
)
def test_the_likeliest_rule_comes_first(reply: Any, rule: dict[str, Any]) -> None:
    assert guesses(reply)[0] == rule


@pytest.mark.parametrize(
    "reply",
    [
        {"error": "no"},
        {"detail": [{"msg": "x"}]},
        {},
        [],
        None,
        True,
        {"label": None},
        {"a.b": 5, "": 4},
        {"*": {"label": 5}},
        json.loads("[" * 40 + "1" + "]" * 40),
    ],
)
def test_nothing_is_read_into_a_failure_or_into_nothing(reply: Any) -> None:
    found = guesses(reply)
    assert len(found) <= MAX_GUESSES
    assert [rule for rule in found if rule["path"] != "*.label"] == []


@pytest.mark.parametrize(
    ("reply", "rule"),
    [
        ({"verdict": "Bee", "took": 3}, {"path": "verdict", "kind": "label"}),
        ({"x": {"ant": 91.2, "bee": 8.8}}, {"path": "x", "kind": "label-score-dict"}),
        ({"ant": False, "bee": True}, {"path": "", "kind": "label-score-dict"}),
        ({"y": '{"v": "ant"}'}, {"path": "y.v", "kind": "label"}),
        (
            {"p": [[0.1, 0.9]], "names": ["bee", "ant"]},
            {"path": "p", "kind": "scores", "classes": ["bee", "ant"]},
        ),
        (
            [["bee", 0.2], ["ant", 0.8]],
            {"path": "", "kind": "label-score-list", "label_key": "0", "score_key": "1"},
        ),
        (
            {"answer": "I see an ant here."},
            {"path": "answer", "kind": "chosen", "classes": ["ant", "bee"]},
        ),
    ],
)
def test_the_samples_own_classes_are_found_under_any_key(reply: Any, rule: Any) -> None:
    assert rule in guesses(reply, ["ant", "bee"])
    if rule["kind"] != "chosen":
        assert guesses(reply, ["ant", "bee"])[0] == rule


@pytest.mark.parametrize(
    ("entry", "label"),
    [
        ({"mid": "/m/01yrx", "description": "cat", "score": 0.9, "topicality": 0.9}, "description"),
        ({"tagId": "7f", "tagName": "cat", "probability": 0.9}, "tagName"),
        ({"@id": "x", "uri": "http://h/cat", "title": "cat", "confidence": 0.9}, "title"),
        ({"id": "cat", "score": 0.9}, "id"),
    ],
)
def test_an_entry_is_named_by_its_words_before_its_id(entry: dict[str, Any], label: str) -> None:
    found = guesses({"responses": [{"labelAnnotations": [entry, entry]}]})
    assert found[0]["label_key"] == label
    assert found[0]["path"] == "responses.*.labelAnnotations"
