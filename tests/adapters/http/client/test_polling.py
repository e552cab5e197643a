"""Jobs whose answer is asked for, over a real server: places, states, redirects, failures."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from starlette.requests import Request
from starlette.responses import Response

from adapters.errors import BadReply, EndpointError, ServerFailed
from adapters.http import open_oracle
from adapters.target import read_target

Mount = Callable[[Any], str]
DONE = {"state": "Done", "label": "cat"}


def ask(url: str, poll: dict[str, Any], **response: Any) -> str:
    """The label of one input; raises what the oracle raises."""
    table = {
        "url": url,
        "input": {"shape": [1, 2, 2]},
        "response": {"path": "label", "kind": "label", **response},
        "poll": {"interval": 0.01, "timeout": 2.0, **poll},
    }

    async def run() -> str:
        oracle = await open_oracle(read_target(table))
        try:
            labels = await oracle.predict_labels(np.zeros((1, 1, 2, 2), np.float32))
            return oracle.label_space.name(int(labels[0]))
        finally:
            await oracle.aclose()

    return asyncio.run(run())


def replies(*looks: Any, first: Any = None) -> tuple[Any, list[str]]:
    """A server that gives ``first`` to a request and ``looks`` one after the other, "@" being its
    own path; and the paths below that which were asked.
    """
    left, asked = list(looks), []

    async def answer(request: Request) -> Response:
        own = "/" + request.path_params["mount"]
        asked.append(request.url.path.removeprefix(own))
        one = first if request.method == "POST" else left.pop(0)
        if isinstance(one, Response):
            if "location" in one.headers:
                one.headers["location"] = one.headers["location"].replace("@", own)
            return one
        body = json.dumps(one).replace("@", own)
        return Response(body, 202 if request.method == "POST" else 200)

    return answer, asked


def test_a_header_leads_to_the_job_and_a_redirect_to_its_answer(mount: Mount) -> None:
    begun = Response(b"", 202, {"Location": "@/jobs/1"})
    away = Response(b"", 303, {"Location": "../results/1"})
    answer, asked = replies({"state": "busy"}, away, DONE, first=begun)
    poll = {"header": "Location", "statuses": [202], "state_path": "state", "pending": ["BUSY"]}
    assert ask(mount(answer), poll) == "cat"
    assert asked[1:] == ["/jobs/1", "/jobs/1", "/results/1"]


def test_the_answer_may_stand_at_a_url_of_its_own(mount: Mount) -> None:
    begun = {"look": "@/jobs/1", "answer": "@/answers/1"}
    answer, asked = replies({"state": "done"}, {"label": "cat"}, first=begun)
    poll = {"url_path": "look", "statuses": [202], "result_path": "answer"}
    assert ask(mount(answer), {**poll, "state_path": "state", "done": ["done"]}) == "cat"
    assert asked[-1] == "/answers/1"


@pytest.mark.parametrize("state", [True, 1, "TRUE"])
def test_states_are_texts_numbers_or_truth_values(mount: Mount, state: Any) -> None:
    answer, _ = replies({"ready": False}, {**DONE, "ready": state}, first={"id": 1})
    poll = {"id_path": "id", "url": "{url}/j/{id}", "state_path": "ready", "pending": ["false"]}
    assert ask(mount(answer), {**poll, "done": ["true", "1"]}) == "cat"


@pytest.mark.parametrize(
    ("url", "place"),
    [("{url}/v1/{+id}", "/v1/operations/a b/7"), ("{url}/j/{id}", "/j/operations/a b/7")],
)
def test_a_name_with_slashes_is_a_path_where_the_description_says_so(
    mount: Mount, url: str, place: str
) -> None:
    first, done = {"name": "operations/a b/7"}, {**DONE, "done": True}
    answer, asked = replies({}, done, first=first)
    poll = {"id_path": "name", "url": url, "state_path": "done", "pending": ["null"]}
    assert ask(mount(answer), {**poll, "done": ["true"]}) == "cat"
    assert asked[1:] == [place, place]


@pytest.mark.parametrize("name", ["../admin", "a//b", "a/./b", "/", "a/../../../b"])
def test_a_name_is_no_way_to_elsewhere(mount: Mount, name: str) -> None:
    answer, asked = replies(first={"name": name})
    poll = {"id_path": "name", "url": "{url}/{+id}", "state_path": "done", "pending": ["null"]}
    with pytest.raises(BadReply, match="a path that leads elsewhere"):
        ask(mount(answer), poll)
    assert len(asked) == 1


def test_a_state_that_leads_nowhere_is_a_failure_at_once(mount: Mount) -> None:
    answer, asked = replies({"state": "Broken"}, first={"id": 1})
    poll = {"id_path": "id", "url": "{url}/j/{id}", "state_path": "state", "done": ["Done"]}
    with pytest.raises(ServerFailed, match="reports state = Broken, not Done"):
        ask(mount(answer), poll)
    assert len(asked) == 2


@pytest.mark.parametrize("place", ["http://127.0.0.1:9/elsewhere", "@/jobs/1"])
def test_a_redirect_goes_nowhere_else_and_not_on_for_ever(mount: Mount, place: str) -> None:
    away = [Response(b"", 302, {"Location": place}) for _ in range(9)]
    answer, asked = replies(*away, first={"at": "@/jobs/1"})
    with pytest.raises(BadReply, match=r"another server|again and again"):
        ask(mount(answer), {"url_path": "at", "statuses": [202]})
    assert len(asked) < 7


def test_the_targets_own_pace_is_kept_and_a_request_is_never_sent_on(mount: Mount) -> None:
    answer, _ = replies(
        Response(json.dumps({}), 202, {"Retry-After": "0.3"}), DONE, first={"at": "@/jobs/1"}
    )
    assert ask(mount(answer), {"url_path": "at", "statuses": [202]}) == "cat"
    moved, _ = replies(first=Response(b"", 303, {"Location": "@/jobs/1"}))
    with pytest.raises(EndpointError, match="redirects are never followed"):
        ask(mount(moved), {"header": "location", "statuses": [202]})


def test_a_header_that_is_not_there_is_named(mount: Mount) -> None:
    answer, _ = replies(first={})
    with pytest.raises(BadReply, match="no URL in its header Location"):
        ask(mount(answer), {"header": "Location", "statuses": [202]})
