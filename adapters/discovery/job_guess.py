"""From a reply that names a job to ways that may lead to its answer, the likeliest first. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adapters.http.transport.reading import Reply
from adapters.quoting import shown_value

Poll = dict[str, Any]
"""A ``[poll]`` table."""

MAX_POLLS = 12
"""Most places that are asked for one job's answer."""

_ACCEPTED, _CREATED = 202, 201
_INTERVAL = 0.02
_MAX_DEPTH = 3
_PENDING = (
    "queued", "pending", "submitted", "accepted", "created", "scheduled", "waiting", "received",
    "new", "notstarted", "starting", "started", "running", "processing", "in_progress", "in_queue",
    "working", "executing", "false",
)  # fmt: skip
_DONE = (
    "done", "succeeded", "success", "successful", "completed", "complete", "finished", "ready",
    "true", "ok",
)  # fmt: skip
_STATE = re.compile(r"(job|task|run|request|prediction|operation|execution)?(status|state|phase)")
_FLAG = re.compile(r"(is)?(done|finished|completed?|ready)")
_ID = re.compile(
    r"(job|task|run|request|prediction|operation|execution|ticket|call|inference|batch)?"
    r"(id|uuid|guid|key|handle|ref|token|name|number)|job|task|ticket|handle"
)
_URL = re.compile(r".*(ur[li]|href|link|location|self|poll|status|result|response|get|output).*")
_RESULT = re.compile(r".*(result|response|output|answer|prediction).*")
_NO_PLACE = re.compile(
    r".*(cancel|delete|abort|stop|hook|callback|stream|upload|input|docs?|log).*"
)
_PLACES = ("jobs/{id}", "status/{id}", "tasks/{id}", "results/{id}", "result/{id}", "job/{id}")
_OPERATION = re.compile(r"(^|/)(operations|jobs|tasks)/[^/]")
"""Name of a long-running operation as Google's services give it: operations/abc/123."""
_VERSION = re.compile(r"/v[0-9][0-9a-z]*$")
_HEADERS = ("operation-location", "azure-asyncoperation", "location", "content-location")


def job_polls(reply: Reply, body: Any, base: str, routes: Sequence[str] = ()) -> list[Poll]:
    """Ways to the answer that ``reply``, with the parsed ``body``, says will come later; none if it
    says no such thing. ``base`` is the path that was asked, ``routes`` are those with one parameter
    that the server describes.
    """
    state = state_of(body)
    pending = state is not None and state[1] in map(_plain, _PENDING)
    waits = pending or reply.status == _ACCEPTED
    named = isinstance(body, dict) and len(body) <= 2 and _only_names(body)
    operation = not waits and isinstance(body, dict) and _OPERATION.search(str(body.get("name")))
    if not waits and not named and not operation:
        return []
    places = [*_in_headers(reply.headers), *_in_body(body), *_by_name(body, base, routes)]
    stated: Poll = {"interval": _INTERVAL}
    if reply.status in {_ACCEPTED, _CREATED}:
        stated["statuses"] = [reply.status]
    elif operation:
        # A flag that is false is left out of such replies.
        stated |= {"state_path": "done", "pending": ["false", "null"], "done": ["true"]}
    elif named and not waits:
        stated |= {"state_path": "status", "done": _in_case(_DONE, "")}
        stated["pending"] = _in_case(_PENDING, "")
    if state is not None:
        stated |= {"state_path": state[0], "pending": _in_case(_PENDING, state[2])}
    return [{**place, **stated} for place in places[:MAX_POLLS]]


def refined(poll: Poll, body: Any) -> Poll | None:
    """``poll`` with what the newest reply, with the parsed ``body``, says of the job's state; None
    if that is known, or is a failure.
    """
    state = state_of(body)
    if state is None:
        return None
    path, plain, said = state
    known, better = poll.get("state_path", path), {**poll, "state_path": path}
    listed = list(poll.get("pending") or _in_case(_PENDING, said))
    if plain in map(_plain, _PENDING):
        listed += [said] if said.casefold() not in listed else []
    elif plain in map(_plain, _DONE) and known == path:
        better["done"] = [said]
    else:
        return None
    better["pending"] = listed
    return better if better != poll else None


def results(poll: Poll, body: Any) -> list[Poll]:
    """``poll`` with the places of the answer that a finished job's ``body`` names as URLs."""
    if "result_path" in poll:
        return []
    found = [path for path, name, _ in _urls(body) if _RESULT.fullmatch(name)]
    return [{**poll, "result_path": path} for path in found[:2]]


def state_of(body: Any) -> tuple[str, str, str] | None:
    """Path of a job's state in a parsed reply, the state without punctuation, and as it stands."""
    for path, name, value in _walk(body):
        flag = isinstance(value, bool) and _FLAG.fullmatch(name)
        if flag or (isinstance(value, str) and value and _STATE.fullmatch(name)):
            said = shown_value(value)
            return path, _plain(said), said
    return None


def _walk(value: Any, steps: tuple[str, ...] = ()) -> Iterator[tuple[str, str, Any]]:
    """Path, plain name and value of everything in nested tables, outer ones first."""
    if not isinstance(value, dict) or len(steps) >= _MAX_DEPTH:
        return
    fields = [(name, inner) for name, inner in value.items() if name and "." not in name]
    yield from ((".".join((*steps, name)), _plain(name), inner) for name, inner in fields)
    for name, inner in fields:
        yield from _walk(inner, (*steps, name))


def _in_headers(headers: Mapping[str, str]) -> Iterator[Poll]:
    yield from ({"header": name} for name in _HEADERS if headers.get(name))


def _in_body(body: Any) -> Iterator[Poll]:
    """Places that the reply itself names; those of the answer may be asked for a state too."""
    found = sorted(_urls(body), key=lambda one: bool(_RESULT.fullmatch(one[1])))
    results_at = [path for path, name, _ in found if _RESULT.fullmatch(name)]
    for path, name, _ in found:
        apart = not _RESULT.fullmatch(name) and results_at
        yield {"url_path": path, **({"result_path": results_at[0]} if apart else {})}
        if apart:
            yield {"url_path": path}


def _urls(body: Any) -> list[tuple[str, str, str]]:
    """Path, plain whole name and value of every URL of a job."""
    return [
        (path, _plain(path), value)
        for path, _, value in _walk(body)
        if isinstance(value, str)
        and value.startswith(("/", "http://", "https://"))
        and _URL.fullmatch(_plain(path))
        and not _NO_PLACE.fullmatch(_plain(path))
    ]


def _by_name(body: Any, base: str, routes: Sequence[str]) -> Iterator[Poll]:
    """Places that are usual, or described, for a job of that name."""
    parent = base.rstrip("/").rpartition("/")[0]
    described = [re.sub(r"\{[^{}]*\}", "{id}", route) for route in routes]
    usual = ["{url}/{id}", *(f"{parent}/{place}" for place in _PLACES)]
    if parent:
        usual += [f"/{place}" for place in _PLACES]
    for path, name, value in _walk(body):
        if _ID.fullmatch(name) and isinstance(value, str | int) and not isinstance(value, bool):
            whole = _above(base) if "/" in str(value).strip("/") else []
            yield from ({"id_path": path, "url": url} for url in [*whole, *described, *usual])


def _above(base: str) -> list[str]:
    """Places of a name with slashes, which stands for a path: below a version of the API, at the
    server's root, else below any part of the path ``base``.
    """
    steps = base.rstrip("/").split("/")
    parts = ["/".join(steps[:count]) for count in range(len(steps), 0, -1)]
    parts.sort(key=lambda part: 0 if _VERSION.search(part) else 1 if not part else 2)
    return [f"{part}/{{+id}}" for part in parts]


def _only_names(body: dict[str, Any]) -> bool:
    """True for a reply with nothing but a job's name, as task queues give it."""
    own = [_plain(name) for name, value in body.items() if isinstance(value, str | int)]
    jobs = [name for name in own if _ID.fullmatch(name) and name not in {"id", "name", "key"}]
    return bool(jobs) and len(own) == len(body) and all(map(_ID.fullmatch, own))


def _in_case(words: Sequence[str], said: str) -> list[str]:
    """The words of a state as this target writes them: truth values apart from texts."""
    flags = {"true", "false"}
    listed = [word for word in words if (word in flags) == (said in flags)]
    odd = _plain(said) in map(_plain, words) and said.casefold() not in listed
    return [*listed, said] if odd else listed


def _plain(name: str) -> str:
    return re.sub(r"[^0-9a-z]", "", name.casefold())
