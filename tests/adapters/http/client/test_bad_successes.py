"""Successes that hold no labels, refusals with a reason, and the statuses that the user names."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from adapters.errors import BadReply, EndpointError, NotFound, ServerFailed, TargetError
from adapters.http import open_oracle
from adapters.target import read_target

Mount = Callable[[Callable[[Request], Awaitable[Response]]], str]
both = pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
BATCH = np.zeros((3, 1, 2, 2), np.float32)


def always(reply: Callable[[], Response]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_: Request) -> Response:
        return reply()

    return answer


def answered(url: str, **fields: Any) -> list[int]:
    """The labels of one request with three inputs."""
    table = {"url": url, "input": {"shape": [1, 2, 2]}, "response": {"path": "labels"}, **fields}

    async def run() -> list[int]:
        oracle = await open_oracle(read_target(table))
        try:
            labels: list[int] = (await oracle.predict_labels(BATCH)).tolist()
            return labels
        finally:
            await oracle.aclose()

    return asyncio.run(run())


def failure(url: str, **fields: Any) -> EndpointError:
    """The error of one request with three inputs."""
    with pytest.raises(EndpointError) as caught:
        answered(url, **fields)
    return caught.value


ODD: dict[str, tuple[Callable[[], Response], str]] = {
    "page": (lambda: HTMLResponse("<title>Scheduled maintenance</title>"), "Scheduled maintenance"),
    "empty": (lambda: Response(b""), "not JSON"),
    "no content": (lambda: Response(status_code=204), "HTTP 204"),
    "queued": (lambda: JSONResponse({"status": "queued"}, 202), "queued.*describe poll"),
    "one short": (lambda: JSONResponse({"labels": [1, 2]}), "2 labels for 3 inputs"),
    "one long": (lambda: JSONResponse({"labels": [1, 2, 3, 4]}), "4 labels for 3 inputs"),
    "one for all": (lambda: JSONResponse({"labels": 1}), "one answer for 3 inputs"),
    "a failed item": (
        lambda: JSONResponse({"labels": [1, 2, {"error": "cannot decode"}]}),
        "says: cannot decode",
    ),
    "an absent item": (lambda: JSONResponse({"labels": [1, None, 3]}), "null"),
    "cut off": (lambda: Response(b'{"labels": [1, 2'), "not JSON"),
    "an error": (lambda: JSONResponse({"error": "worker restarted"}), "says: worker restarted"),
    "Google": (lambda: JSONResponse({"error": {"code": 13, "message": "backend"}}), "backend"),
    "AWS": (lambda: JSONResponse({"__type": "a#Oops", "Message": "try later"}), "later .Oops"),
    "problem": (lambda: JSONResponse({"title": "Down", "detail": "until noon"}), "until noon"),
    "out of range": (lambda: JSONResponse({"labels": [1, -2, 3]}), "label -2"),
    "numbers that are none": (lambda: Response(b'{"labels": [1, NaN, 3]}'), "NaN"),
}


@both
@pytest.mark.parametrize("kind", ODD)
def test_a_success_without_labels_is_worth_a_few_more_attempts(
    mount: Mount, kind: str, transport: str
) -> None:
    reply, words = ODD[kind]
    response = {"path": "labels", "kind": "index"}
    error = failure(mount(always(reply)), transport=transport, response=response)
    assert isinstance(error, BadReply)
    assert error.advice.kind == "odd"
    assert error.status == f"{reply().status_code} without labels"
    assert str(error).startswith("http://127.0.0.1:")
    assert re.search(words, str(error)), error


@both
def test_the_reason_of_a_success_is_short_and_harmless(mount: Mount, transport: str) -> None:
    said = {"error": "\x1b[2J" + "flood\n" * 100_000}
    error = failure(mount(always(lambda: JSONResponse(said))), transport=transport)
    assert len(str(error)) < 600
    assert str(error).isprintable()


@both
@pytest.mark.parametrize(
    ("retry", "kind", "advice"),
    [
        ({"statuses": [204]}, "ServerFailed", "transient"),
        ({"throttle": [204]}, "Throttled", "throttled"),
        ({"final": [204]}, "BadReply", "never"),
        ({}, "BadReply", "odd"),
    ],
)
def test_configured_statuses_do_what_they_say(
    mount: Mount, retry: dict[str, Any], kind: str, advice: str, transport: str
) -> None:
    url = mount(always(lambda: Response(status_code=204)))
    error = failure(url, transport=transport, retry=retry)
    assert (type(error).__name__, error.advice.kind) == (kind, advice)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"retry": {"statuses": [200]}}, "retry.statuses holds 200, which every answer has"),
        ({"retry": {"final": [500, 102]}}, "retry.final holds 102, which no request ends with"),
        (
            {"poll": {"statuses": [404], "url_path": "url"}},
            "poll.statuses holds 404, which says that the request failed",
        ),
    ],
)
def test_statuses_that_could_not_do_it_are_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(TargetError, match=words):
        failure("http://127.0.0.1:1/x", **fields)


# ---- metadata, and answers that come later ------------------------------------------------------

META: dict[str, Any] = {
    "name": "shop",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 1, 2, 2]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 3]}],
}


def opening(url: str) -> Any:
    async def run() -> Any:
        oracle = await open_oracle(read_target({"url": f"{url}/v2/models/shop"}))
        await oracle.aclose()
        return oracle

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, {"error": "Request for unknown model: 'shop' is not found"}),
        (404, {"error": "unknown model shop"}),
        (200, {"error": "model shop is not ready"}),
        (422, {"detail": [{"loc": ["path", "model"], "msg": "unknown model"}]}),
    ],
)
def test_metadata_that_is_refused_has_the_reason_and_a_remedy_that_fits(
    mount: Mount, status: int, said: dict[str, Any]
) -> None:
    url = mount(always(lambda: JSONResponse(said, status)))
    with pytest.raises((NotFound, BadReply), match="model's name and version") as caught:
        opening(url)
    text = str(caught.value)
    assert f"HTTP {status}" in text
    assert "/v2/models/shop" in text
    assert "shape" not in text
    assert str(next(iter(said.values())) if status != 422 else "unknown model") in text


def test_metadata_behind_one_odd_success_is_read(mount: Mount) -> None:
    replies = [HTMLResponse("<title>one moment</title>"), JSONResponse({})]

    async def answer(request: Request) -> Response:
        if not request.url.path.endswith("/models/shop"):
            return JSONResponse({"name": "triton"})
        return replies.pop(0) if replies else JSONResponse(META)

    assert opening(mount(answer)).input_spec.shape == (1, 2, 2)


def test_an_error_in_a_v2_success_is_told(mount: Mount) -> None:
    async def answer(request: Request) -> Response:
        infer = request.url.path.endswith("/infer")
        return JSONResponse({"error": "in-flight limit"} if infer else META)

    async def run() -> None:
        url = f"{mount(answer)}/v2/models/shop"
        oracle = await open_oracle(read_target({"url": url}))
        with pytest.raises(BadReply, match=r"/infer answered HTTP 200 .* says: in-flight limit"):
            await oracle.predict_labels(BATCH)
        await oracle.aclose()

    asyncio.run(run())


def test_an_odd_look_for_an_answer_is_repeated_without_another_job(mount: Mount) -> None:
    jobs, looks = [], [b"<html>", b"", json.dumps({"state": "done", "labels": [1, 2, 3]}).encode()]

    async def answer(request: Request) -> Response:
        if request.method == "POST":
            jobs.append(1)
            return JSONResponse({"state": "queued", "id": "7"}, 202)
        return Response(looks.pop(0))

    async def run() -> Any:
        table = {
            "url": mount(answer),
            "input": {"shape": [1, 2, 2]},
            "response": {"path": "labels", "kind": "index", "success_path": "state"},
            "poll": {"pending": ["queued"], "id_path": "id", "url": "{url}/{id}", "interval": 0.01},
        }
        table["response"]["success_value"] = "done"  # type: ignore[index]  # a table of strings
        oracle = await open_oracle(read_target(table))
        labels = await oracle.predict_labels(BATCH)
        await oracle.aclose()
        return labels.tolist()

    assert asyncio.run(run()) == [1, 2, 3]
    assert (len(jobs), looks) == (1, [])


@pytest.mark.parametrize("url", ["http://[", "http://h:99999999/", "\ud800", "//[::1", "\x00"])
@pytest.mark.parametrize("field", ["url_path", "id_path"])
def test_a_place_that_is_none_is_a_stumble(mount: Mount, url: str, field: str) -> None:
    async def answer(_: Request) -> Response:
        return Response(json.dumps({"at": url}), 202)

    poll = {"statuses": [202], field: "at", "url": "{url}/{id}", "interval": 0.01, "timeout": 0.5}
    error = failure(mount(answer), poll=poll, limits={"timeout": 2})
    assert isinstance(error, EndpointError)
    assert str(error).isprintable()


def test_a_look_that_is_refused_has_a_remedy_about_looks(mount: Mount) -> None:
    async def answer(request: Request) -> Response:
        if request.method == "POST":
            return JSONResponse({"id": "7"}, 202)
        return JSONResponse({"error": "no such job"}, 400)

    poll = {"statuses": [202], "id_path": "id", "url": "{url}/{id}", "interval": 0.01}
    error = failure(mount(answer), poll=poll)
    assert isinstance(error, NotFound)
    assert "check poll.url" in str(error)
    assert "no such job" in str(error)


def test_an_error_beside_complete_labels_is_a_failure_only_where_the_description_says_so(
    mount: Mount,
) -> None:
    """Services put warnings, and notes on other steps, there; who knows better states the path."""
    url = mount(always(lambda: JSONResponse({"labels": [1, 2, 3], "error": "cache was cold"})))
    response = {"path": "labels", "kind": "index"}
    assert answered(url, response=response) == [1, 2, 3]
    assert "cold" in str(failure(url, response={**response, "error_path": "error"}))


def test_a_failure_inside_a_success_is_odd_too(mount: Mount) -> None:
    url = mount(always(lambda: JSONResponse({"labels": [1, 2, 3], "oops": "out of memory"})))
    error = failure(url, response={"path": "labels", "kind": "index", "error_path": "oops"})
    assert isinstance(error, ServerFailed)
    assert (error.advice.kind, error.status) == ("odd", "200 without labels")


def test_a_server_that_wants_whole_numbers_is_told_how_to_send_them(mount: Mount) -> None:
    said = {"error": "expected input of type uint8, got float32"}
    error = failure(mount(always(lambda: JSONResponse(said, 400))))
    assert "with access image and request.value pixels" in str(error)
    assert "expected input of type uint8" in str(error)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"inputs": [{**META["inputs"][0], "name": f"x{n}"} for n in range(900)]}, "lists 900"),
        ({"outputs": [{**META["outputs"][0], "name": "y" * 900}] * 900}, "name the output"),
        ({"inputs": [{**META["inputs"][0], "name": "x" * 100_000}]}, "absurd"),
        ({"inputs": [{**META["inputs"][0], "shape": [-1, 3, 10**12, 10**12]}]}, "absurd"),
        ({"inputs": [{**META["inputs"][0], "shape": [-1, 3, 60_000, 60_000]}]}, "more than the"),
        ({"inputs": [{**META["inputs"][0], "shape": [1] * 100_000}]}, "is not that of an image"),
        ({"versions": ["v" * 1000] * 1000, "inputs": []}, "lists 0"),
        ({"versions": ["v" * 10_000] * 10_000}, "raise limits.max_reply_bytes$"),
    ],
)
def test_huge_metadata_ends_in_one_short_sentence(
    mount: Mount, change: dict[str, Any], words: str
) -> None:
    url = mount(always(lambda: JSONResponse({**META, **change})))
    with pytest.raises((TargetError, BadReply), match=words) as caught:
        opening(url)
    assert len(str(caught.value)) < 800


@pytest.mark.parametrize(
    ("reply", "wait"),
    [
        ({"status": "loading", "message": "the model is starting"}, None),
        ({"error": "Model is currently loading", "estimated_time": 20.0}, 20.0),
    ],
)
def test_a_success_of_a_server_that_is_not_ready_is_an_outage(
    mount: Mount, reply: dict[str, Any], wait: float | None
) -> None:
    error = failure(mount(always(lambda: JSONResponse(reply))))
    assert isinstance(error, BadReply)
    assert (error.advice.kind, error.advice.retry_after_s) == ("outage", wait)
