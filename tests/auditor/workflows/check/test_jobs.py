"""``check URL`` of services that answer with a job, whose result is asked for."""

# ruff: noqa: ARG001, ARG005 - every kind of service and every look is called alike

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from adapters.discovery.proposals import MAX_PROPOSALS
from adapters.target import read_description
from auditor.errors import ExitCode
from auditor.workflows.check.trial import MOST_JOBS
from tests.auditor.workflows.check.conftest import SMALL

CLASSES = ("ant", "bee", "cat", "dog", "elk")
Look = Callable[[Any, str], Any]


@dataclass
class Shop:
    """Takes pictures at /api/predict; each job is not done at the first look at it.

    Attributes:
        accepted: the reply to a picture, from the job's number.
        labels: those of the jobs so far; ``seen`` are those that were looked at.
    """

    server: Any
    accepted: Callable[[int], Any]
    labels: list[str] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)

    def take(self, headers: Any, body: bytes) -> Any:
        kind = headers.get("content-type", "")
        if not kind.startswith("multipart/"):
            self.server.refuse(415, {"error": "send a form"})
        at = body.find(b"\x89PNG")
        if at < 0 or b'name="image"' not in body[:at]:
            self.server.refuse(422, {"error": "no picture in the field image"})
        self.labels.append(CLASSES[int(self.server.picture_scores(body[at:]).argmax())])
        return self.accepted(len(self.labels) - 1)

    def look(self, answer: Callable[[int, str, bool], Any]) -> Any:
        words = self.server.requests[-1].replace("?", "/").replace("=", "/").split("/")
        number = int(next(word for word in reversed(words) if word.isdecimal()))
        done = number in self.seen
        self.seen.add(number)
        return answer(number, self.labels[number], done)


def reply(server: Any, status: int, body: Any, **headers: str) -> Any:
    return server.refuse(status, body, {k.replace("_", "-"): v for k, v in headers.items()})


def named(s: Any) -> tuple[Any, Any]:
    """A URL in the body, states in lower case."""
    return (
        lambda n: reply(s, 202, {"job_id": str(n), "status": "queued", "status_url": f"/jobs/{n}"}),
        {
            "GET /jobs/*": lambda n, label, done: {
                "status": "done" if done else "running",
                **({"result": [{"name": label, "score": 0.8}]} if done else {}),
            }
        },
    )


def bare(s: Any) -> tuple[Any, Any]:
    """Nothing but headers until the answer is there."""
    return (
        lambda n: reply(s, 202, b"", Location=f"/api/jobs/{n}"),
        {
            "GET /api/jobs/*": lambda n, label, done: (
                {"label": label} if done else reply(s, 202, b"", Retry_After="0.01")
            )
        },
    )


def moved(s: Any) -> tuple[Any, Any]:
    """A finished job redirects to its result."""
    return (
        lambda n: reply(s, 202, {"message": "accepted"}, Location=f"/api/jobs/{n}"),
        {
            "GET /api/jobs/*": lambda n, label, done: (
                reply(s, 303, b"", Location=f"/api/results/{n}") if done else {"status": "Running"}
            ),
            "GET /api/results/*": lambda n, label, done: {"class": label, "confidence": 0.7},
        },
    )


def celery(s: Any) -> tuple[Any, Any]:
    """A task's name in a plain 200, to be asked beside the route."""
    return (
        lambda n: {"task_id": f"{n}"},
        {
            "GET /api/result/*": lambda n, label, done: {
                "task_id": f"{n}",
                "status": "SUCCESS" if done else "PENDING",
                "result": {"label": label} if done else None,
            }
        },
    )


def queue(s: Any) -> tuple[Any, Any]:
    """One URL for the state and one for the answer."""
    return (
        lambda n: {
            "request_id": f"{n}",
            "status": "IN_QUEUE",
            "cancel_url": f"/requests/{n}/cancel",
            "response_url": f"/answers/{n}",
            "status_url": f"/states/{n}",
        },
        {
            "GET /states/*": lambda n, label, done: {
                "status": "COMPLETED" if done else "IN_PROGRESS",
                "response_url": f"/answers/{n}",
            },
            "GET /answers/*": lambda n, label, done: {"predicted_class": label, "seed": 1},
        },
    )


def operation(s: Any) -> tuple[Any, Any]:
    """An operation whose address is absolute, in a header of its own."""
    return (
        lambda n: reply(s, 202, b"", Operation_Location=f"{s.url}/api/operations/{n}"),
        {
            "GET /api/operations/*": lambda n, label, done: {
                "status": "succeeded" if done else "notStarted",
                "createdDateTime": "2026-11-28T10:00:00Z",
                **({"analyzeResult": {"category": label}} if done else {}),
            }
        },
    )


def created(s: Any) -> tuple[Any, Any]:
    """A resource that was created, with links, and a state that is elsewhere in later replies."""
    return (
        lambda n: reply(
            s, 201, {"job": {"id": n, "state": "NEW"}, "links": {"self": f"/v1/tasks/{n}"}}
        ),
        {
            "GET /v1/tasks/*": lambda n, label, done: {
                "state": "COMPLETED" if done else "PROCESSING",
                "output": (
                    [
                        {"tagName": "none", "probability": 0.1},
                        {"tagName": label, "probability": 0.9},
                    ]
                    if done
                    else []
                ),
            }
        },
    )


def flag(s: Any) -> tuple[Any, Any]:
    """A truth value for a state, and the job under the endpoint's own path."""
    return (
        lambda n: {"id": n, "ready": False, "value": None},
        {
            "GET /api/predict/*": lambda n, label, done: {
                "id": n,
                "ready": done,
                "answer": label if done else None,
            }
        },
    )


def long_running(s: Any) -> tuple[Any, Any]:
    """An operation with slashes in its name, whose flag is left out while it is false."""
    return (
        lambda n: {"name": f"projects/x/operations/{n}", "metadata": {"@type": "Progress"}},
        {
            "GET /api/projects/x/operations/*": lambda n, label, done: {
                "name": f"projects/x/operations/{n}",
                **({"done": True, "response": {"displayNames": [label]}} if done else {}),
            }
        },
    )


def described(s: Any) -> tuple[Any, Any]:
    """A route that nobody could guess, in the OpenAPI page."""
    picture = {"type": "object", "properties": {"image": {"type": "string", "format": "binary"}}}
    body = {"content": {"multipart/form-data": {"schema": picture}}}
    s.routes["GET /openapi.json"] = lambda *_: {
        "openapi": "3.1.0",
        "paths": {
            "/api/predict": {"post": {"requestBody": body}},
            "/api/outcomes/{ticket}": {"get": {}},
        },
    }
    return (
        lambda n: reply(s, 202, {"ticket": f"{n}"}),
        {
            "GET /api/outcomes/*": lambda n, label, done: (
                {"prediction": label} if done else reply(s, 202, {"ticket": f"{n}"})
            )
        },
    )


@pytest.fixture
def shop(empty_server: Any) -> Callable[[Any], tuple[Shop, str]]:
    """Opens a shop; gives it and the URL that takes pictures."""

    def make(kind: Any) -> tuple[Shop, str]:
        accepted, looks = kind(empty_server)
        found = Shop(empty_server, accepted)
        empty_server.routes["POST /api/predict"] = found.take
        for route, answer in looks.items():
            empty_server.routes[route] = lambda *_, answer=answer: found.look(answer)
        return found, f"{empty_server.url}/api/predict"

    return make


def slowly(*kinds: Any) -> list[Any]:
    return [pytest.param(kind, marks=pytest.mark.slow) for kind in kinds]


@pytest.mark.parametrize(
    "kind",
    [named, *slowly(created, bare, moved, celery, queue, operation, long_running, flag, described)],
)
def test_two_commands_lead_through_jobs(command: Any, shop: Any, pictures: Any, kind: Any) -> None:
    made, url = shop(kind)
    folder = pictures()
    ran = command("check", url, "--samples", folder, "--write", "t.toml")
    assert ran.code == ExitCode.NO_EVIDENCE, ran.out + ran.err
    assert "Accuracy:    100% of 30 samples" in ran.out
    assert "poll" in read_description(Path("t.toml"))
    asked = len(made.labels)
    ran = command("--target", "t.toml", "--samples", folder, "--output", "out", *SMALL)
    assert ran.code == ExitCode.INCONCLUSIVE, ran.err
    report = json.loads(Path("out/report.json").read_text())
    assert report["samples"]["accuracy"] == 1.0
    assert report["queries"]["sent"] == len(made.labels) - asked


def test_a_job_whose_answer_is_nowhere_is_the_nearest_miss(
    command: Any, shop: Any, pictures: Any
) -> None:
    made, url = shop(lambda s: (lambda n: reply(s, 202, {"job_id": str(n)}), {}))
    ran = command("check", url, "--samples", pictures(), "--write", "t.toml")
    assert ran.code == ExitCode.FAILED
    assert "describe poll" in ran.err
    assert "job_id = 0" in ran.out
    assert len(made.labels) <= MOST_JOBS + MAX_PROPOSALS
