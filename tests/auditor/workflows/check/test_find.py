"""``xray-audit check URL``: from nothing but a URL and labelled pictures to a running audit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from adapters.discovery.proposals import MAX_PROPOSALS
from adapters.discovery.survey import QUESTIONS
from adapters.target import read_description, read_target
from auditor.errors import ExitCode
from auditor.workflows.check.check import MOST_QUERIES
from tests.auditor.workflows.check.conftest import SMALL


class Ran(Protocol):
    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str: ...


RunCommand = Callable[..., Ran]
MakeServer = Callable[..., tuple[Any, str]]
Pictures = Callable[..., Path]

EXPECTED: dict[str, dict[str, Any]] = {
    "v2": {"preset": "v2"},
    "v1": {"preset": "instances"},
    "litserve": {"response": {"path": "label", "kind": "index"}, "batch": {"max": 1}},
    "bentoml": {"request": {"body": "multipart", "field": "picture"}},
    "torchserve": {"preset": "torchserve"},
    "hf": {"preset": "hf"},
    "gradio": {"preset": "gradio"},
    "fastapi": {"request": {"body": "multipart", "field": "photo"}},
    "mlflow": {"preset": "mlflow"},
    "mosec": {"preset": "mosec"},
    "cog": {"preset": "replicate"},
    "kserve_raw": {"preset": "v2-binary"},
    "triton_uint8": {"preset": "v2", "access": "image"},
    "openvino": {"preset": "v2-image"},
    "bentoml_two": {"request": {"body": "multipart", "field": "picture"}},
    "flat": {"request": {"template": '{"data": "$INPUTS"}', "axes": "flat"}},
    "keras_grey": {"preset": "instances", "request": {"axes": "grey"}},
    "rows_of_pixels": {
        "request": {"template": '{"pixels": "$INPUT"}', "axes": "grey"},
        "input": {"range": [0, 255]},
    },
    "data_uri": {"request": {"template": '{"photo": "$INPUT"}', "value": "data-uri"}},
}

GREY = {"v2", "hf", "fastapi", "mlflow", "keras_grey", "rows_of_pixels"}


@pytest.mark.parametrize("kind", EXPECTED)
def test_two_commands_lead_from_a_url_to_an_audit(
    command: RunCommand, make_server: MakeServer, pictures: Pictures, kind: str
) -> None:
    channels = 1 if kind in GREY else 3
    server, url = make_server(kind, channels)
    folder = pictures(channels)
    ran = command("check", url, "--samples", folder, "--write", "t.toml")
    assert ran.code == ExitCode.NO_EVIDENCE, ran.out + ran.err
    assert "Accuracy:    100% of 30 samples" in ran.out
    assert ran.out.splitlines()[-1] == f"Next: xray-audit --target t.toml --samples {folder}"
    table = read_description(Path("t.toml"))
    for name, value in EXPECTED[kind].items():
        found = table[name]
        assert (value if not isinstance(value, dict) else {k: found[k] for k in value}) == value
    assert server.queries <= MOST_QUERIES
    asked = server.queries
    ran = command("--target", "t.toml", "--samples", folder, "--output", "out", *SMALL)
    assert ran.code == ExitCode.INCONCLUSIVE, ran.err
    report = json.loads(Path("out/report.json").read_text())
    assert report["samples"]["accuracy"] == 1.0
    assert report["model"]["presets"] == list(read_target(table).presets)
    assert server.queries > asked


@pytest.mark.parametrize(
    ("kind", "formats", "also"),
    [
        ("kserve_raw", 2, "preset v2, because"),
        ("openvino", 3, "preset v2, because"),
        ("bentoml_two", 2, "float access"),
    ],
)
def test_of_several_formats_the_leanest_is_taken_and_the_others_are_told(
    command: RunCommand,
    make_server: MakeServer,
    pictures: Pictures,
    kind: str,
    formats: int,
    also: str,
) -> None:
    _, url = make_server(kind)
    ran = command("check", url, "--samples", pictures())
    assert ran.code == ExitCode.NO_EVIDENCE, ran.out + ran.err
    assert f"{formats} formats work; taken is the one that sends the fewest bytes" in ran.out
    named = [line for line in ran.out.splitlines() if "Also works: " in line]
    assert len(named) == formats - 1
    assert also in "".join(named)
    assert all("bytes per input" in line for line in named)


def test_what_the_user_states_is_never_chosen_away(
    command: RunCommand, make_server: MakeServer, pictures: Pictures
) -> None:
    _, url = make_server("bentoml_two")
    Path("t.toml").write_text(f'url = "{url}"\naccess = "float"\n')
    ran = command("check", "--target", "t.toml", "--samples", pictures(), "--write", "u.toml")
    assert ran.code == ExitCode.NO_EVIDENCE, ran.out + ran.err
    target = read_target(read_description(Path("u.toml")))
    assert (target.access, target.http.request.template) == ("float", '{"x": "$INPUTS"}')


@pytest.mark.parametrize(
    ("kind", "how", "fits"),
    [
        ("v2", {"scale": 1.0}, {"range": (0.0, 255.0)}),
        ("v2", {"bgr": True}, {"color": "bgr"}),
        ("v1", {"nhwc": True}, {"layout": "NHWC"}),
        ("v1", {"nhwc": True, "scale": 1.0}, {"layout": "NHWC", "range": (0.0, 255.0)}),
        ("mlflow", {"scale": 1.0, "bgr": True}, {"color": "bgr", "range": (0.0, 255.0)}),
    ],
)
def test_a_low_accuracy_is_explained_by_how_pictures_are_written(
    command: RunCommand,
    make_server: MakeServer,
    pictures: Pictures,
    kind: str,
    how: dict[str, Any],
    fits: dict[str, Any],
) -> None:
    server, url = make_server(kind, **how)
    ran = command("check", url, "--samples", pictures(), "--write", "t.toml")
    assert ran.code == ExitCode.NO_EVIDENCE, ran.out + ran.err
    assert "Accuracy:    100% of 30 samples" in ran.out
    target = read_target(read_description(Path("t.toml")))
    said = {"range": target.value_range, "color": target.color, "layout": target.layout}
    assert {name: said[name] for name in fits} == fits
    assert server.queries <= MOST_QUERIES


def test_what_the_user_states_is_corrected_only_with_a_problem(
    command: RunCommand, make_server: MakeServer, pictures: Pictures
) -> None:
    _, url = make_server("v2", scale=1.0)
    ran = command("check", f"{url}/v2/models/audit", "--range", "0,1", "--samples", pictures())
    assert ran.code == ExitCode.INCONCLUSIVE
    assert "Pictures fit as 0 to 255" in ran.out
    assert "PROBLEM: As stated, only" in ran.out


def test_everything_asked_is_counted_and_printed(
    command: RunCommand, make_server: MakeServer, pictures: Pictures
) -> None:
    server, url = make_server("v1", nhwc=True, scale=1.0)
    server.headers = {"X-RateLimit-Remaining": "77"}
    ran = command("check", url, "--samples", pictures(), "--json")
    found = json.loads(ran.out)
    posts = [line for line in server.requests if "predict" in line]
    questions = [line for line in server.requests if "predict" not in line]
    assert len(questions) == len(found["asked"]) <= len(QUESTIONS)
    assert len(set(questions)) == len(questions)
    assert len(posts) <= found["queries"] <= MOST_QUERIES
    assert server.queries <= found["queries"]
    assert found["rate_headers"] == {"x-ratelimit-remaining": "77"}


def test_the_exact_request_and_reply_are_shown_without_the_key(
    command: RunCommand,
    make_server: MakeServer,
    pictures: Pictures,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, url = make_server("v2")
    server.headers = {"X-RateLimit-Remaining": "77"}
    monkeypatch.setenv("XRAY_AUDIT_API_KEY", "k3y-that-nobody-may-see")
    ran = command("check", url, "--samples", pictures(), "--write", "t.toml")
    assert "Quota:       x-ratelimit-remaining: 77" in ran.out
    assert "POST " + url + "/v2/models/audit/infer" in ran.out
    assert '"shape": [1, 3, 8, 8]' in ran.out
    assert '"model_name": "audit"' in ran.out
    assert "Label:" in ran.out
    assert "Bearer k3y-that-nobody-may-see" in server.keys
    assert "k3y" not in ran.out + ran.err + Path("t.toml").read_text()


def test_no_key_goes_to_another_server(
    command: RunCommand,
    make_server: MakeServer,
    pictures: Pictures,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An OpenAPI document that names another server, and a job whose place is elsewhere."""
    elsewhere, other = make_server("v2")
    server, url = make_server("fastapi")
    document = server.routes["GET /openapi.json"](None, b"")
    document["servers"] = [{"url": other}]
    document["paths"][f"{other}/predict"] = document["paths"]["/v9/classify"]
    document["paths"]["//" + other.partition("//")[2] + "/predict"] = {"post": {}}
    server.routes["GET /openapi.json"] = lambda *_: document
    monkeypatch.setenv("XRAY_AUDIT_API_KEY", "k3y-that-nobody-may-see")
    command("check", url, "--samples", pictures())
    assert elsewhere.requests == []


def test_a_wrong_class_order_is_learned_and_told(
    command: RunCommand, make_server: MakeServer, pictures: Pictures
) -> None:
    """The model's classes are ant, bee, ...; the folders are called otherwise."""
    _, url = make_server("v1")
    folder = pictures(names=("zebra", "yak", "wolf", "vole", "urchin"))
    ran = command("check", url, "--samples", folder, "--write", "t.toml")
    assert ran.code == ExitCode.NO_EVIDENCE, ran.out
    assert "learned from half of" in ran.out
    classes = read_target(read_description(Path("t.toml"))).classes
    assert classes == ("zebra", "yak", "wolf", "vole", "urchin")


def test_labels_without_a_pattern_are_no_class_order(
    command: RunCommand, make_server: MakeServer, pictures: Pictures
) -> None:
    server, url = make_server("v1")
    honest = server.scores
    server.scores = lambda pixels: honest(pixels) * 0 + [[0, 0, 0, 1, 0]]
    ran = command("check", url, "--samples", pictures(), "--write", "t.toml")
    assert ran.code == ExitCode.INCONCLUSIVE
    assert "PROBLEM: Every sample got the same label" in ran.out
    assert "is clearly better" in ran.out
    assert server.queries <= MOST_QUERIES


def test_a_server_that_never_gives_a_label(
    command: RunCommand, make_server: MakeServer, pictures: Pictures
) -> None:
    server, url = make_server("litserve")
    server.routes.clear()
    ran = command("check", url, "--samples", pictures())
    assert ran.code == ExitCode.FAILED
    assert "formats gave a label" in ran.sentence
    assert len(server.requests) <= len(QUESTIONS) + 2 * MAX_PROPOSALS


def test_a_missing_key_is_named(
    command: RunCommand, make_server: MakeServer, pictures: Pictures
) -> None:
    server, url = make_server("v2")

    server.locked = True
    ran = command("check", url, "--samples", pictures())
    assert ran.code == ExitCode.FAILED
    assert "refused the request (HTTP 401; check the key" in ran.sentence
    assert len(server.requests) <= len(QUESTIONS) + 1


def test_a_file_that_is_there_is_not_overwritten(
    command: RunCommand, make_server: MakeServer, pictures: Pictures
) -> None:
    server, url = make_server("v2")
    Path("t.toml").write_text("mine")
    ran = command("check", url, "--samples", pictures(), "--write", "t.toml")
    assert ran.code == ExitCode.USAGE
    assert "exists already" in ran.sentence
    assert (server.requests, Path("t.toml").read_text()) == ([], "mine")


def test_a_key_in_the_url_is_refused_before_anything_is_asked(
    command: RunCommand, make_server: MakeServer, pictures: Pictures
) -> None:
    server, url = make_server("v2")
    ran = command("check", f"{url}?api_key=s3cret-value", "--samples", pictures())
    assert ran.code == ExitCode.USAGE
    assert "secret_env" in ran.sentence
    assert "s3cret-value" not in ran.err
    assert server.requests == []


def test_limits_that_the_server_states_are_written_and_priced(
    command: RunCommand, make_server: MakeServer, pictures: Pictures, tmp_path: Path
) -> None:
    server, url = make_server("v1", nhwc=True, scale=1.0)
    server.headers = {"X-RateLimit-Limit-Minute": "6000", "X-RateLimit-Limit-Day": "50"}
    written, samples = tmp_path / "t.toml", pictures()
    ran = command("check", url, "--samples", samples, "--write", written)
    assert "limits.request_rate is 100 and limits.requests_per_day is 50" in ran.out
    text = written.read_text()
    assert "[limits]\nrequest_rate = 100.0\nrequests_per_day = 50\n" in text
    priced = command("plan", "--target", written, "--samples", samples, "--batch", "1")
    assert "days" in priced.out
    assert "(limits.requests_per_day)" in priced.out
