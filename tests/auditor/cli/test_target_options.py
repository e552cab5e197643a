"""From options to a target description."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.errors import TargetError
from auditor.cli.options import SampleOptions, TargetOptions
from auditor.cli.target_options import build_target, resize_to
from auditor.errors import UsageError

URL = "http://host.invalid/v2/models/m"


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        (".onnx", "onnx"),
        (".ONNX", "onnx"),
        (".pt", "torchscript"),
        (".pt2", "torchscript"),
        (".ts", "torchscript"),
        (".keras", "keras"),
        (".h5", "keras"),
        (".tflite", "tflite"),
    ],
)
def test_a_model_files_ending_tells_its_kind(tmp_path: Path, suffix: str, kind: str) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"")
    target = build_target(TargetOptions(model=path))
    assert (target.kind, target.location) == (kind, str(path))
    assert not target.trust_model_file


def test_every_option_arrives(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    options = TargetOptions(
        endpoint=URL,
        access="image",
        range="-1,1.5",
        mean="0.5,0.4,0.3",
        std="0.2",
        shape="3,32,16",
        layout="NHWC",
        encoding="jpeg:90",
        classes=tmp_path / "classes.txt",
        protocol="v2-binary",
        proxy="env",
        device="cuda:1",
        threads=2,
        batch=7,
        timeout=2.5,
        trust_model_file=True,
    )
    target = build_target(options)
    assert (target.kind, target.location, target.access) == ("http", URL, "image")
    assert (target.value_range, target.mean, target.std) == ((-1.0, 1.5), (0.5, 0.4, 0.3), (0.2,))
    assert (target.shape, target.layout, target.encoding) == ((3, 32, 16), "NHWC", "jpeg:90")
    assert (target.classes, target.device) == (("cat", "dog"), "cuda:1")
    assert target.http.proxy == "env"
    assert (target.threads, target.batch, target.trust_model_file) == (2, 7, True)
    assert (target.http.protocol, target.limits.timeout) == ("v2-binary", 2.5)


def test_flags_win_over_the_target_file_and_leave_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "target.toml"
    path.write_text(
        f'url = "{URL}"\naccess = "float"\nbatch.max = 4\n[limits]\ntimeout = 9\n'
        '[auth]\nheader = "X-Key"\n[response]\npath = "label"\nkind = "label"\n'
    )
    target = build_target(TargetOptions(target=path, access="image", timeout=3.0))
    assert (target.kind, target.access, target.batch) == ("http", "image", 4)
    assert (target.limits.timeout, target.http.auth.header) == (3.0, "X-Key")
    assert (target.http.reply.path, target.http.reply.kind) == ("label", "label")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "name the model by one of"),
        ({"endpoint": URL, "model": Path("m.onnx")}, "not --endpoint and --model"),
        ({"endpoint": URL, "model": Path("m"), "target": Path("t")}, "--model and --target"),
        ({"model": Path("gone.onnx")}, "there is no model file gone.onnx"),
        ({"model": Path("x" * 300)}, "cannot be read: File name too long"),
        ({"endpoint": URL, "range": "a,b"}, "--range is 'a,b', it must be numbers"),
        ({"endpoint": URL, "range": "1"}, "--range is '1', it must be 2 numbers"),
        ({"endpoint": URL, "range": "0,1,2"}, "it must be 2 numbers"),
        ({"endpoint": URL, "mean": ""}, "--mean is ''"),
        ({"endpoint": URL, "std": "1,,1"}, "--std is '1,,1'"),
        ({"endpoint": URL, "shape": "3,32"}, "--shape is '3,32', it must be 3 numbers"),
        ({"endpoint": URL, "shape": "3,32,0"}, "must be whole numbers like 3,32,32"),
        ({"endpoint": URL, "shape": "3,32,1.5"}, "must be whole numbers"),
        ({"endpoint": URL, "shape": "3,32,inf"}, "must be whole numbers"),
        ({"endpoint": URL, "shape": "3,32,nan"}, "must be whole numbers"),
        ({"endpoint": URL, "classes": Path("gone.txt")}, "class list gone.txt cannot be read"),
    ],
)
def test_a_bad_option_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=words):
        build_target(TargetOptions(**options))


@pytest.mark.parametrize("name", ["hf:org/name", "hf:org/name@v1", "timm:resnet18.a1_in1k"])
def test_a_name_on_a_hub_is_a_model(name: str) -> None:
    target = build_target(TargetOptions(model=Path(name)))
    assert (target.kind, target.location) == ("snapshot", name)


def test_an_output_and_constants_are_named(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"")
    options = TargetOptions(model=path, output_name="logits", input_constant="flag=0,score=0.5")
    target = build_target(options)
    assert target.http.reply.path == "logits"
    assert target.constants == {"flag": 0.0, "score": 0.5}
    for bad in ("flag", "=1", "flag=x"):
        with pytest.raises(UsageError, match="--input-constant is"):
            build_target(replace(options, input_constant=bad))


@pytest.mark.parametrize("name", ["model.caffemodel", "model", "model.pth", "model.onnx.zip"])
def test_a_file_of_no_known_kind(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xfe\xdc\xba")
    with pytest.raises(UsageError, match=r"no known kind: expected a file ending in \.onnx, \.pt,"):
        build_target(TargetOptions(model=tmp_path / name))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch": 0}, "batch.max is 0, it must be at least 1"),
        ({"threads": -1}, "threads is -1"),
        ({"timeout": 0.0}, r"limits.timeout is 0.0, it must be above 0"),
        ({"timeout": float("nan")}, "limits.timeout is nan"),
        ({"timeout": float("inf")}, "limits.timeout is inf"),
    ],
)
def test_a_bad_amount_is_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(TargetError, match=words):
        build_target(TargetOptions(endpoint=URL, **options))


@pytest.mark.parametrize(("text", "size"), [("32x48", (32, 48)), ("032X1", (32, 1))])
def test_resize(text: str, size: tuple[int, int]) -> None:
    assert resize_to(SampleOptions(resize=text)) == size
    assert resize_to(SampleOptions()) is None


@pytest.mark.parametrize(
    "text", ["", "32", "32x", "x32", "0x3", "-1x3", "3x3x3", "1.5x2", "\u00b2x3"]
)
def test_a_bad_resize(text: str) -> None:
    with pytest.raises(UsageError, match="it must be HxW, for example 32x32"):
        resize_to(SampleOptions(resize=text))


def test_a_huge_resize_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(UsageError, match="more than"):
        resize_to(SampleOptions(resize="100000x100000"))


# ---- where the command line names no target --------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "here"


def test_the_file_lying_here_counts_before_the_settings(here: Path) -> None:
    (here / "xray-audit.toml").write_text('planes = 2\n[target]\nurl = "http://b.invalid/x"\n')
    target = build_target(TargetOptions(batch=3))
    assert (target.location, target.source, target.batch) == (
        "http://b.invalid/x",
        "xray-audit.toml",
        3,
    )
    (here / "xray-audit-target.toml").write_text('url = "http://a.invalid/x"\n')
    target = build_target(TargetOptions())
    assert (target.location, target.source) == ("http://a.invalid/x", "xray-audit-target.toml")
    assert build_target(TargetOptions(endpoint=URL)).location == URL


def test_a_preset_that_knows_its_url_needs_none(here: Path) -> None:
    (here / "xray-audit-target.toml").write_text('url = "http://a.invalid/x"\n')
    target = build_target(TargetOptions(preset="google-vision"))
    assert target.location == "https://vision.googleapis.com/v1/images:annotate"


def test_presets_are_given_in_a_row() -> None:
    target = build_target(TargetOptions(endpoint=URL, preset="instances,sagemaker"))
    assert target.presets == ("instances", "sagemaker")
    assert target.http.auth.type == "sigv4"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("preset", TargetOptions(model=Path("m.onnx"), preset="hf")),
        ("protocol", TargetOptions(model=Path("m.onnx"), protocol="v2")),
    ],
)
def test_a_way_to_ask_an_api_is_not_taken_for_a_file(name: str, options: TargetOptions) -> None:
    with pytest.raises(UsageError, match=f"--{name} is of prediction APIs"):
        build_target(options)
