"""Target descriptions from TOML tables."""

from __future__ import annotations

import math
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from adapters.errors import TargetError
from adapters.target import (
    Auth,
    Limits,
    Poll,
    Retry,
    Target,
    over,
    preset_names,
    read_description,
    read_target,
    refuse_secrets,
)
from tests.adapters.target._descriptions import BAD, FULL, LEAST


def test_a_url_is_a_target_with_every_default() -> None:
    assert read_target(LEAST) == Target("http", "http://host.invalid/x")


def test_every_field_arrives(tmp_path: Path) -> None:
    path = tmp_path / "target.toml"
    path.write_text(FULL)
    target = read_target(read_description(path))
    assert (target.name, target.presets, target.access) == ("Skin classifier", ("hf",), "image")
    assert (target.shape, target.layout, target.color) == ((3, 32, 32), "NHWC", "bgr")
    assert (target.value_range, target.mean, target.std) == ((0.0, 255.0), (0.5,), (0.2,) * 3)
    assert (target.encoding, target.upload_size, target.resample) == (
        "jpeg:90",
        (224, 224),
        "nearest",
    )
    assert target.recoded == "jpeg:75/444"
    assert (target.classes, target.batch) == (("cat", "dog"), 3)
    http = target.http
    assert http.headers == {"X-Tenant": "me", "X-Number": "5"}
    assert http.auth == Auth("header", header="X-Key", prefix="Key ", secret_file="~/key")
    assert http.tls.ca == "ca.pem"
    assert (http.request.body, http.request.value) == ("json", "base64")
    assert (http.reply.path, http.reply.kind) == ("outputs.0", "label-score-list")
    assert (http.reply.no_label, http.reply.min_score) == ("nothing", 0.5)
    assert http.reply.rename == {"LABEL_0": "cat"}
    assert target.limits == Limits(9.0, 2, 10.0, 5.5, 1000, 4096)
    assert http.retry == Retry((429, 529), (404,), (500,), 3, False, "stop")
    assert http.poll == Poll(pending=("starting",), url_path="urls.get", interval=0.25)
    assert (target.preflight.min_accuracy, target.preflight.determinism_repeats) == (0.75, 5)


def test_overrides_win_field_by_field() -> None:
    table = {**LEAST, "batch": {"max": 3}, "limits": {"timeout": 9.0}, "response": {"path": "a"}}
    target = read_target(over(table, {"access": "image", "limits": {"timeout": 2.0}}))
    assert (target.access, target.batch) == ("image", 3)
    assert (target.limits.timeout, target.http.reply.path) == (2.0, "a")


def test_the_given_tables_stay_as_they_are() -> None:
    table: dict[str, Any] = {**LEAST, "preset": "hf", "response": {"path": "a"}}
    read_target(over(table, {"response": {"kind": "label"}}))
    assert table == {**LEAST, "preset": "hf", "response": {"path": "a"}}
    assert read_target({**LEAST, "preset": "hf"}).http.reply.path == ""


@pytest.mark.parametrize(("changes", "words"), BAD)
def test_a_bad_field_is_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(TargetError, match=words):
        read_target({**LEAST, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"limits": {"timeout": math.inf}}, "limits.timeout is inf, which is not finite"),
        ({"input": {"range": [0, math.nan]}}, "input.range is nan, which is not finite"),
        ({"preset": "nope"}, "there is no preset 'nope'; there are azureml"),
        ({"preset": "kserv"}, "did you mean 'v2'"),
        ({"preset": "hugginface"}, "did you mean 'hf'"),
        ({"preset": [1]}, "preset is .*, it must be a name or a list of names"),
        ({"url": None, "model": None}, "neither url nor model"),
        ({"model": "m.onnx"}, "both url and model"),
        ({"url": None, "model": "m.caffe"}, "it must be a file ending in .onnx"),
        ({"url": "http://${NO_SUCH_NAME}/x"}, "url names the environment variable 'NO_SUCH_NAME'"),
    ],
)
def test_a_description_that_cannot_work(changes: dict[str, Any], words: str) -> None:
    table = {k: v for k, v in {**LEAST, **changes}.items() if v is not None}
    with pytest.raises(TargetError, match=words):
        read_target(table)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"auth": {"key": "s3cret-value"}}, "auth.key looks like a secret"),
        ({"auth": {"token": "s3cret-value"}}, "auth.token looks like a secret"),
        ({"api_key": "s3cret-value"}, "api_key looks like a secret"),
        ({"headers": {"Authorization": "Bearer s3cret-value"}}, "headers.Authorization looks"),
        ({"headers": {"x-api-key": "s3cret-value"}}, "headers.x-api-key looks"),
        ({"headers": {"X-Auth-Token": "s3cret-value"}}, "headers.X-Auth-Token looks"),
        ({"headers": {"Cookie": "s3cret-value"}}, "headers.Cookie looks"),
        ({"url": "http://h/x?api_key=s3cret-value"}, "url holds what looks like a secret"),
        ({"url": "http://h/x?a=1&key=s3cret-value"}, "url holds what looks like a secret"),
    ],
)
def test_a_secret_in_a_description_is_refused_and_not_repeated(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(TargetError, match=words) as caught:
        refuse_secrets({**LEAST, **changes})
    assert "secret_env" in str(caught.value)
    assert "s3cret-value" not in str(caught.value)


def test_names_of_variables_are_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_HOST", "host.invalid")
    monkeypatch.setenv("MY_TOKEN", "abc")
    table = {
        "url": "http://${MY_HOST}/x?token=${MY_TOKEN}",
        "headers": {"X-Auth-Token": "${MY_TOKEN}"},
    }
    refuse_secrets(table)
    target = read_target(table)
    assert target.location == "http://host.invalid/x?token=abc"
    assert target.http.headers == {"X-Auth-Token": "abc"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"url = ", "is not TOML"),
        (b"\xff", "is not TOML"),
        (b"a = " + b"[" * 5000 + b"]" * 5000, "is not TOML"),
        (b"target = 5", r"\[target\] is not a table"),
        (b"[target]\nurl = 'x'\n[limits]\ntimeout = 1\n", r"'limits' stands outside \[target\]"),
    ],
)
def test_a_bad_file(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "t.toml").write_bytes(content)
    with pytest.raises(TargetError, match=words):
        read_description(tmp_path / "t.toml")


def test_a_byte_order_mark_before_a_description(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_bytes(b"\xef\xbb\xbfurl = 'x'\r\n")
    assert read_description(tmp_path / "t.toml") == {"url": "x"}


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="cannot be read: No such file"):
        read_description(tmp_path / "gone.toml")
    with pytest.raises(TargetError, match="cannot be read: Is a directory"):
        read_description(tmp_path)


def test_a_model_file_may_be_described_and_never_vouched_for() -> None:
    target = read_target({"model": "m.PT2", "device": "cuda:0", "threads": 2})
    assert (target.kind, target.location, target.device) == ("torchscript", "m.PT2", "cuda:0")
    assert not target.trust_model_file
    with pytest.raises(TargetError, match="no field 'trust_model_file'"):
        read_target({"model": "m.pt", "trust_model_file": True})


def test_a_url_stays_what_was_stated() -> None:
    target = read_target({"url": LEAST["url"], "input": {"range": [0, 1]}}, source="t.toml")
    assert (target.kind, target.location, target.source) == ("http", LEAST["url"], "t.toml")
    assert target.value_range == (0.0, 1.0)
    assert not target.trust_model_file


def test_only_the_caller_vouches() -> None:
    assert read_target({"model": "m.onnx"}, vouched=True).trust_model_file
    with pytest.raises(TargetError, match="trust_model_file"):
        read_target({"model": "m.onnx", "trust_model_file": True})


@pytest.mark.parametrize(
    ("place", "stated", "access"),
    [
        ("inputs.npz", {}, "float"),
        ("folder", {}, "image"),
        ("folder", {"access": "float"}, "float"),
    ],
)
def test_a_target_by_files_takes_its_access_from_the_place(
    place: str, stated: dict[str, Any], access: str
) -> None:
    given = {"shape": [1, 4, 5], "range": [0, 255]}
    table = {"input_file": place, "labels_file": "l.csv", "input": given, **stated}
    target = read_target({**table, "response": {"classes": ["a", "b"]}})
    assert (target.kind, target.location, target.access) == ("files", place, access)
    assert (target.shape, target.value_range) == ((1, 4, 5), (0.0, 255.0))
    assert (target.labels_file, target.classes) == ("l.csv", ("a", "b"))


def test_a_description_cannot_ask_by_files(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text('input_file = "/anywhere"\n')
    with pytest.raises(TargetError, match="has no field 'input_file'"):
        read_target(read_description(path), source=str(path))


def test_a_mistake_names_the_file_it_stands_in() -> None:
    with pytest.raises(TargetError, match=r"^t\.toml: .*acces.*did you mean 'access'"):
        read_target({"url": LEAST["url"], "acces": "image"}, source="t.toml")
    with pytest.raises(TargetError, match=r"^[^:]*acces"):
        read_target({"url": LEAST["url"], "acces": "image"})


def test_a_secret_in_a_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text(f'url = "{LEAST["url"]}"\nheaders.Authorization = "Bearer hunter2"\n')
    with pytest.raises(TargetError, match="looks like a secret") as caught:
        read_description(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(TargetError, match=r"^settings: url holds"):
        refuse_secrets({"url": f"{LEAST['url']}?token=hunter2"}, "settings")


# ---- presets ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_a_description_and_says_what_it_is_for(name: str) -> None:
    target = read_target({**LEAST, "preset": name})
    assert target.presets == (name,)
    assert target.http.protocol != "auto"
    preset = resources.files("adapters.target.presets").joinpath(f"{name}.toml")
    assert len(tomllib.loads(preset.read_text(encoding="utf-8"))["about"]) > 10


def test_presets_stand_on_each_other() -> None:
    alone = read_target({**LEAST, "preset": "sagemaker"})
    assert (alone.http.auth.type, alone.http.reply.kind) == ("sigv4", "label-score-list")
    both = read_target({**LEAST, "preset": ["instances", "sagemaker"]})
    assert (both.http.auth.type, both.http.reply.path) == ("sigv4", "predictions")
    assert both.access == "float"


@pytest.mark.parametrize(
    ("stated", "access", "words"),
    [
        ("jpeg", "image", "recoded 'jpeg' is no JPEG; use jpeg:QUALITY"),
        ("jpeg:0", "image", "recoded 'jpeg:0' is no JPEG"),
        ("png", "image", "recoded 'png' is no JPEG"),
        ("jpeg:75", "float", "recoded is of pictures; use --access image"),
    ],
)
def test_what_a_service_recodes_is_a_jpeg_of_pictures(stated: str, access: str, words: str) -> None:
    target = read_target({**LEAST, "access": access, "input": {"recoded": stated}})
    with pytest.raises(TargetError, match=words):
        target.input_spec((3, 64, 64), "png")


def test_what_a_service_recodes_reaches_the_spec() -> None:
    target = read_target({**LEAST, "access": "image", "input": {"recoded": "jpeg:75"}})
    spec = target.input_spec((3, 64, 64), "png")
    assert (spec.encoding, spec.recoded, spec.coding) == ("png", "jpeg:75", "jpeg:75")
