"""A target in order that answers now and then without a label: ``check`` asks again."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auditor.errors import ExitCode


@pytest.mark.parametrize("odd", [{7}, {7, 8}, {20, 31, 40}])
def test_a_lone_success_without_a_label_ends_no_check(
    command: Callable[..., Any],
    make_server: Callable[..., tuple[Any, str]],
    pictures: Callable[..., Path],
    odd: set[int],
) -> None:
    server, url = make_server("torchserve")
    honest = server.routes["POST /predictions/audit"]
    asked = 0

    def predict(headers: Any, body: bytes) -> Any:
        nonlocal asked
        asked += 1
        return {"error": "worker restarted"} if asked in odd else honest(headers, body)

    server.routes["POST /predictions/audit"] = predict
    words = ("check", url, "--preset", "torchserve", "--shape", "3,8,8", "--samples", pictures())
    done = command(*words, "--json")
    assert done.code == ExitCode.NO_EVIDENCE, done
    assert asked > max(odd)
    assert json.loads(done.out)["queries"] == asked


def test_a_server_that_takes_requests_and_never_answers_is_given_up_soon(
    command: Callable[..., Any], pictures: Callable[..., Path]
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:  # the system accepts for it
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/predict"
        words = ("--samples", pictures(), "--timeout", "0.2")
        done = command("check", url, *words)
    assert done.code == ExitCode.FAILED
    assert "the server does not answer: 2 formats in a row got no reply in time" in done.err
    assert "formats gave a label" not in done.err
