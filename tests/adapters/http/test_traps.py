"""What a client must survive, as seen on real servers, and which test holds it.

Ten traps of prediction servers. ``TRAPS`` names the tests of each; the tests below cover what no
other file does, and the last one checks that every test named exists.
"""

from __future__ import annotations

import ast
import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.requests import Request
from starlette.responses import Response

from adapters.discovery.proposals import propose
from adapters.discovery.survey import Facts
from adapters.errors import BadReply, ServerFailed
from adapters.http import open_oracle
from adapters.http.client.endpoint import read_endpoint
from adapters.target import read_target

ROOT = Path(__file__).parents[3]
HTTP = "tests/adapters/http"

TRAPS: dict[str, list[str]] = {
    "1 a status does not tell the cause: bad input is 500 or 503, a bad token 400": [
        f"{HTTP}/test_presets.py::test_torchserve_fails_on_a_picture_with_503_and_that_is_no_wish_to_slow_down",
        f"{HTTP}/test_presets.py::test_torchserve_and_its_token",
        f"{HTTP}/test_presets.py::test_aws_puts_everything_into_400",
        "tests/auditor/engine/test_failures.py::test_attempts_are_capped",
        "tests/auditor/engine/test_failures.py::test_a_dead_target_costs_a_tenth_more_than_the_plan_at_most_and_ends_with_the_patience",
        "tests/auditor/workflows/check/test_find.py::test_a_server_that_never_gives_a_label",
    ],
    "2 200 does not mean success, and a missing label never becomes a class": [
        f"{HTTP}/test_presets.py::test_a_failed_prediction_is_no_label_although_it_is_200",
        f"{HTTP}/test_presets.py::test_mosec_answers_nothing_with_200",
        f"{HTTP}/test_presets.py::test_gradio_events",
        f"{HTTP}/generic/test_protocol.py::test_no_label_is_made_up",
        f"{HTTP}/v2/test_protocol.py::test_no_label_is_made_up",
    ],
    "3 Cog answers 409 to strictly sequential calls": [
        f"{HTTP}/test_presets.py::test_cog_at_capacity_is_throttling",
        f"{HTTP}/client/test_failures.py::test_throttle_statuses_are_the_users",
        "tests/auditor/engine/test_failures.py::test_every_tenth_request_throttled_costs_little",
    ],
    "4 after an unhandled 500 the connection is reset": [
        f"{HTTP}/client/test_failures.py::test_after_a_failure_the_next_query_uses_a_fresh_connection",
        f"{HTTP}/client/test_failures.py::test_a_broken_connection_has_an_unknown_outcome",
    ],
    "5 a reply may be six times the request": [
        f"{HTTP}/client/test_failures.py::test_endless_replies_are_cut",
        f"{HTTP}/client/test_failures.py::test_an_endless_error_keeps_its_status",
    ],
    "6 the content type of a reply says nothing; ours always goes out": [
        f"{HTTP}/test_traps.py::test_a_reply_is_read_whatever_type_it_claims",
        f"{HTTP}/generic/test_protocol.py::test_method_headers_and_content_type",
    ],
    "7 a token expires in mid-audit": [
        "tests/auditor/workflows/check/test_expired_key.py::test_a_token_that_expires_stops_the_audit_and_a_new_one_continues_it",
    ],
    "8 a picture and its floats are different inputs": [
        f"{HTTP}/generic/test_protocol.py::test_uploads_carry_the_eight_bit_picture",
        f"{HTTP}/generic/test_protocol.py::test_image_access_arrays_are_eight_bit_values_in_model_units",
        f"{HTTP}/generic/test_protocol.py::test_fingerprint_changes_with_what_makes_answers_incomparable",
    ],
    "9 a wrong datatype or scale is cast silently": [
        "tests/auditor/workflows/check/test_measure.py::test_one_label_for_everything",
        "tests/auditor/workflows/check/test_measure.py::test_wrong_classes",
        "tests/auditor/workflows/check/test_find.py::test_a_low_accuracy_is_explained_by_how_pictures_are_written",
    ],
    "10 malformed JSON kills a worker, and the next request waits for another": [
        f"{HTTP}/test_traps.py::test_no_json_is_tried_on_a_server_of_pictures_first",
        f"{HTTP}/test_traps.py::test_a_worker_that_died_is_worth_another_attempt",
    ],
    "V2: KServe takes raw tensors unlisted, MLServer breaks on them": [
        f"{HTTP}/v2/test_protocol.py::test_unlisted_raw_tensors_only_when_asked",
        f"{HTTP}/v2/test_protocol.py::test_raw_tensors_fall_back_to_json_and_say_so",
        "tests/auditor/workflows/check/test_find.py::test_of_several_formats_the_leanest_is_taken_and_the_others_are_told",
    ],
    "V2: metadata never gives layout or range": [
        f"{HTTP}/v2/test_protocol.py::test_an_open_choice_is_asked_not_guessed",
        "tests/servers/test_newcomer.py::test_two_commands",
    ],
    "V2: OpenVINO Model Server wants pictures as BYTES of shape [N], whatever its metadata says": [
        f"{HTTP}/v2/test_images.py::test_pictures_for_a_model_of_openvino",
        f"{HTTP}/v2/test_grpc.py::test_pictures_travel_as_texts",
    ],
}

ZEROS = np.zeros((1, 1, 2, 2), np.float32)


def _ask(url: str, times: int = 1, preset: str = "http") -> list[Any]:
    table = {"url": url, "preset": preset, "input": {"shape": [1, 2, 2]}}

    async def run() -> list[Any]:
        oracle = await open_oracle(read_target(table))
        try:
            found: list[Any] = []
            for _ in range(times):
                try:
                    found += (await oracle.predict_labels(ZEROS)).tolist()
                except (ServerFailed, BadReply) as error:
                    found.append(error)
            return found
        finally:
            await oracle.aclose()

    return asyncio.run(run())


@pytest.mark.parametrize("kind", [None, "*/*", "text/plain", "text/html; charset=latin-1"])
def test_a_reply_is_read_whatever_type_it_claims(
    mount: Callable[[Any], str], kind: str | None
) -> None:
    async def answer(_: Request) -> Response:
        headers = {} if kind is None else {"content-type": kind}
        return Response(b"[[0, 1]]", headers=headers)

    assert _ask(mount(answer)) == [1]


def test_no_json_is_tried_on_a_server_of_pictures_first() -> None:
    """The Hugging Face toolkit's worker dies of JSON that it cannot read."""
    found = propose(Facts(read_endpoint("http://host.invalid/invocations")))
    assert found[0].table["preset"] == "hf"
    found = propose(Facts(read_endpoint("http://host.invalid/what/ever")))
    assert found[0].table["request"] == {"body": "raw"}


def test_a_worker_that_died_is_worth_another_attempt(mount: Callable[[Any], str]) -> None:
    states = [(500, {"message": "Worker died."}), (200, [{"label": "a", "score": 0.9}])]

    async def answer(_: Request) -> Response:
        status, value = states.pop(0)
        return Response(json.dumps(value), status)

    died, label = _ask(mount(answer), times=2, preset="hf")
    assert isinstance(died, ServerFailed)
    assert died.advice.kind == "transient"
    assert label == 0


@pytest.mark.parametrize("trap", TRAPS)
def test_every_test_named_exists(trap: str) -> None:
    for name in TRAPS[trap]:
        path, _, function = name.partition("::")
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert function in {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}, name
