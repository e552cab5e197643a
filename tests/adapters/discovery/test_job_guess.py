"""What a reply that names a job leads to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.discovery.job_guess import MAX_POLLS, job_polls, refined, results
from adapters.http.transport.reading import Reply


def polls(body: Any, status: int = 202, routes: tuple[str, ...] = (), **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return job_polls(Reply(status, named, json.dumps(body).encode()), body, "/v1/predict", routes)


@pytest.mark.parametrize(
    ("body", "first"),
    [
        ({"status": "queued", "id": "a", "urls": {"cancel": "/c/a", "get": "/p/a"}}, "urls.get"),
        ({"state": "NEW", "job": "/jobs/1", "callback_url": "/hook"}, None),
        ({"id": 4, "links": {"self": "https://h/x/4", "docs": "/docs"}}, "links.self"),
    ],
)
def test_a_stated_url_comes_first(body: Any, first: str | None) -> None:
    assert polls(body)[0].get("url_path") == first


def test_a_header_comes_before_everything_else() -> None:
    assert polls({"status_url": "/s"}, operation_location="/o", location="/l")[:2] == [
        {"header": "operation-location", "interval": 0.02, "statuses": [202]},
        {"header": "location", "interval": 0.02, "statuses": [202]},
    ]


def test_a_name_is_asked_for_where_the_server_says_and_where_it_is_usual() -> None:
    found = polls({"ticket": "q"}, routes=("/v1/outcome/{t}",))
    assert [one["url"] for one in found[:3]] == ["/v1/outcome/{id}", "{url}/{id}", "/v1/jobs/{id}"]
    assert len(found) == MAX_POLLS


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"id": 3, "label": "cat"}, 200),
        ({"id": 3, "label": "cat"}, 201),
        ({"label": "cat", "status": "ok"}, 200),
        ({"name": "cat"}, 200),
        ({"prediction": 3}, 200),
        (["cat"], 200),
        (None, 202),
    ],
)
def test_an_answer_is_no_job(body: Any, status: int) -> None:
    assert polls(body, status) == []


def test_states_are_learnt_once_and_in_their_own_words() -> None:
    poll = polls({"task_id": "t"}, 200)[0]
    assert refined(poll, {"status": "FAILURE"}) is None
    first = {"url_path": "u", "statuses": [202]}
    waiting = refined(first, {"state": "In-Progress"})
    assert waiting is not None
    assert waiting["state_path"] == "state"
    assert waiting["pending"][-1] == "In-Progress"
    done = refined(waiting, {"state": "Completed", "result": {"status": "ok"}})
    assert done is not None
    assert done["done"] == ["Completed"]
    assert refined(done, {"state": "Completed"}) is None
    assert refined(done, {"result": {"status": "ok"}}) is None


def test_a_finished_job_may_name_where_its_answer_is() -> None:
    poll = {"url_path": "u"}
    body = {"status": "done", "output": {"url": "/out/1"}, "self": "/jobs/1"}
    assert results(poll, body) == [{"url_path": "u", "result_path": "output.url"}]
    assert results({**poll, "result_path": "x"}, body) == []
