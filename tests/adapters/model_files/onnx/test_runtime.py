from __future__ import annotations

import asyncio
import hashlib
import importlib
import json
import sys
import threading
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from adapters.contract import GroupingOracle, LabelOracle
from adapters.errors import (
    AdapterError,
    BadReply,
    InputRejected,
    MissingExtra,
    ModelFileError,
    ProviderUnavailable,
    TargetError,
)
from adapters.model_files.open import open_oracle
from adapters.model_files.oracle import LocalOracle
from adapters.model_files.sandbox import host
from adapters.target import HttpOptions, ReplyFormat, Target

Write = Callable[..., str]
Reference = Callable[..., NDArray[Any]]


# Vouched for, so that what happens can be watched and faked; ../sandbox has the rest.


def target(location: str, **how: Any) -> Target:
    return Target("onnx", location, **{"trust_model_file": True, **how})


def opened(location: str, **how: Any) -> LabelOracle:
    async def go() -> LabelOracle:
        oracle = await open_oracle(target(location, **how))
        await oracle.aclose()
        return oracle

    return asyncio.run(go())


def ask(location: str, batch: NDArray[Any], **how: Any) -> tuple[NDArray[np.int64], LabelOracle]:
    async def go() -> tuple[NDArray[np.int64], LabelOracle]:
        oracle = await open_oracle(target(location, **how))
        try:
            return await oracle.predict_labels(batch), oracle
        finally:
            await oracle.aclose()

    return asyncio.run(go())


def refusal(kind: type[AdapterError], location: str, **how: Any) -> str:
    with pytest.raises(kind) as caught:
        opened(location, **how)
    message = str(caught.value)
    assert "\n" not in message
    return message


# Shape and layout


def test_layout_is_read_where_the_channel_axis_is_plain(onnx_file: Write) -> None:
    assert opened(onnx_file()).input_spec.shape == (3, 6, 5)
    nhwc = opened(onnx_file(dims=("n", 6, 5, 3), nhwc=True))
    assert nhwc.input_spec.shape == (3, 6, 5)
    assert nhwc.description["input"]["layout"] == "NHWC"


def test_an_ambiguous_layout_is_asked_for(onnx_file: Write) -> None:
    path = onnx_file(dims=("n", 3, 6, 3))
    assert "--layout" in refusal(TargetError, path)
    assert opened(path, layout="NHWC").input_spec.shape == (3, 3, 6)
    assert opened(path, layout="NCHW").input_spec.shape == (3, 6, 3)


def test_open_axes_need_a_shape(onnx_file: Write) -> None:
    path = onnx_file(dims=("n", 3, "h", "w"))
    assert "--shape C,H,W" in refusal(TargetError, path)
    assert opened(path, shape=(3, 6, 5)).input_spec.shape == (3, 6, 5)


@pytest.mark.parametrize("isolated", [True, False])
def test_a_model_of_swapped_colours_gets_them_swapped(
    onnx_file: Write, batch: NDArray[Any], *, isolated: bool
) -> None:
    path = onnx_file()
    how = {"trust_model_file": not isolated}
    plain, rgb = ask(path, batch, **how)
    swapped, bgr = ask(path, batch, color="bgr", **how)
    assert swapped.tolist() == ask(path, batch[:, ::-1].copy(), **how)[0].tolist()
    assert swapped.tolist() != plain.tolist()
    assert rgb.fingerprint != bgr.fingerprint
    assert bgr.description["input"]["color"] == "bgr"


def test_colours_of_grey_inputs_are_refused(onnx_file: Write) -> None:
    path = onnx_file(dims=("n", 1, 6, 5))
    assert "needs 3 channels" in refusal(TargetError, path, color="bgr")


def test_all_open_axes_need_a_layout_too(onnx_file: Write) -> None:
    path = onnx_file(dims=("n", "a", "b", "c"))
    assert "--layout" in refusal(TargetError, path, shape=(3, 6, 5))
    assert opened(path, shape=(3, 6, 5), layout="NCHW").input_spec.shape == (3, 6, 5)


def test_a_shape_settles_the_layout_of_unusual_channels(onnx_file: Write) -> None:
    path = onnx_file(dims=("n", 13, 6, 5))
    assert "--layout" in refusal(TargetError, path)
    assert opened(path, shape=(13, 6, 5)).description["input"]["layout"] == "NCHW"


def test_a_contradicting_shape_is_refused(onnx_file: Write) -> None:
    assert "does not fit" in refusal(TargetError, onnx_file(), shape=(3, 8, 8))


@pytest.mark.parametrize("dims", [("n", 90), ("n", 1, 3, 6, 5)])
def test_inputs_that_are_no_images_are_refused(onnx_file: Write, dims: tuple[Any, ...]) -> None:
    assert "axes" in refusal(ModelFileError, onnx_file(dims=dims))


def test_a_second_required_input_is_refused(onnx_file: Write) -> None:
    assert "2 inputs" in refusal(ModelFileError, onnx_file(extra_input=True))


def test_an_input_type_without_images_is_refused(onnx_file: Write) -> None:
    assert "tensor(bool)" in refusal(ModelFileError, onnx_file(dtype=TensorProto.BOOL))


# Batches and types


def test_a_fixed_batch_is_padded_and_cut(
    onnx_file: Write, batch: NDArray[Any], reference: Reference
) -> None:
    path = onnx_file(dims=(5, 3, 6, 5))
    for n in (1, 3, 5):
        labels, oracle = ask(path, batch[:n])
        assert labels.tolist() == reference(batch[:n]).tolist()
        assert oracle.max_batch == 5
    assert opened(path, batch=2).max_batch == 2


def test_a_batch_of_one_stays_one(onnx_file: Write) -> None:
    assert opened(onnx_file(dims=(1, 3, 6, 5)), batch=64).max_batch == 1


@pytest.mark.parametrize(("seconds", "sizes"), [(1e9, [1, 2, 4, 8, 16, 32, 64, 64]), (0.0, [1, 1])])
def test_a_batch_of_one_is_asked_in_groups_while_they_are_answered_soon(
    onnx_file: Write,
    reference: Reference,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    sizes: list[int],
) -> None:
    monkeypatch.setattr(host, "GROUP_S", seconds)
    inputs = np.random.default_rng(0).random((64, 3, 6, 5)).astype(np.float32)
    where = target(onnx_file(dims=(1, 3, 6, 5)), trust_model_file=False)

    async def go() -> None:
        oracle = await open_oracle(where)
        assert isinstance(oracle, GroupingOracle)
        try:
            for size in sizes:
                assert oracle.group == size
                labels = await oracle.predict_labels(inputs[:size])
                assert labels.tolist() == reference(inputs[:size]).tolist()
            with pytest.raises(TargetError, match=f"{size + 1} inputs in one request"):
                await oracle.predict_labels(np.concatenate([inputs[:size], inputs[:1]]))
            assert oracle.max_batch == 1
        finally:
            await oracle.aclose()

    asyncio.run(go())


def test_a_free_batch_takes_what_the_user_says(onnx_file: Write) -> None:
    assert opened(onnx_file()).max_batch == 256
    assert opened(onnx_file(), batch=1000).max_batch == 1000


def test_large_inputs_get_smaller_default_batches(onnx_file: Write) -> None:
    oracle = opened(onnx_file(dims=("n", 3, "h", "w")), shape=(3, 1024, 1024))
    assert oracle.max_batch == 5


@pytest.mark.parametrize("dtype", [TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_other_float_inputs_work(
    onnx_file: Write, batch: NDArray[Any], reference: Reference, dtype: int
) -> None:
    rounded = batch.astype(np.float16).astype(np.float32)
    labels, _ = ask(onnx_file(dtype=dtype), rounded)
    assert labels.tolist() == reference(rounded).tolist()


def test_a_value_beyond_16_bits_is_refused(onnx_file: Write, batch: NDArray[Any]) -> None:
    with pytest.raises(TargetError, match="16-bit"):
        ask(onnx_file(dtype=TensorProto.FLOAT16), batch * 1e6)


def test_8_bit_inputs_need_image_access(
    onnx_file: Write, batch: NDArray[Any], reference: Reference
) -> None:
    path = onnx_file(dtype=TensorProto.UINT8, scale=1 / 255)
    assert "image access" in refusal(TargetError, path)
    labels, oracle = ask(path, batch * 255, access="image")
    assert oracle.input_spec.high == (255.0, 255.0, 255.0)
    assert oracle.input_spec.range_source == "the model takes 8-bit pixels"
    pixels = np.rint(np.clip(batch * 255, 0, 255))
    assert labels.tolist() == reference(pixels).tolist()


@pytest.mark.parametrize(("kind", "shift"), [("INT8", 128.0), ("INT32", 0.0), ("INT64", 0.0)])
def test_an_input_of_other_whole_numbers_takes_pixels(
    onnx_file: Write, batch: NDArray[Any], reference: Reference, kind: str, shift: float
) -> None:
    path = onnx_file(dtype=getattr(TensorProto, kind))
    assert "image access" in refusal(TargetError, path)
    labels, oracle = ask(path, batch * 255, access="image")
    # A full integer model takes pixels shifted to -128 .. 127.
    pixels = np.rint(np.clip(batch * 255, 0, 255)) - shift
    assert labels.tolist() == reference(pixels).tolist()
    assert len(set(labels.tolist())) > 1
    assert oracle.description["input_type"] == kind.lower()


def test_image_access_sends_what_an_upload_would(
    onnx_file: Write, batch: NDArray[Any], reference: Reference
) -> None:
    labels, oracle = ask(onnx_file(), batch * 3, access="image")
    assert labels.tolist() == reference(oracle.input_spec.as_sent(batch * 3)).tolist()
    assert oracle.input_spec.encoding == "uint8"


def test_an_upload_encoding_is_refused(onnx_file: Write) -> None:
    assert "jpeg:75" in refusal(TargetError, onnx_file(), access="image", encoding="jpeg:75")


# Outputs


@pytest.mark.parametrize(
    "reply",
    [
        *("scores", "probabilities", "ints", "column", "labels-first", "feature-map-first"),
        "ranked",
    ],
)
def test_every_kind_of_output_gives_the_same_labels(
    onnx_file: Write, batch: NDArray[Any], reference: Reference, reply: str
) -> None:
    labels, _ = ask(onnx_file(reply=reply), batch)
    assert labels.tolist() == reference(batch).tolist()


def test_an_output_of_unknown_shape_is_judged_by_the_reply(
    onnx_file: Write, batch: NDArray[Any], reference: Reference
) -> None:
    path = onnx_file(reply="unsized")
    assert opened(path).label_space.size is None
    labels, oracle = ask(path, batch)
    assert oracle.label_space.size == 4
    assert labels.tolist() == reference(batch).tolist()


@pytest.mark.parametrize("trusted", [True, False])
def test_of_the_best_scores_and_their_classes_the_first_class_is_the_label(
    onnx_file: Write, batch: NDArray[Any], reference: Reference, *, trusted: bool
) -> None:
    path = onnx_file(reply="ranked")
    for wanted in ("", "indices"):
        how = {"http": HttpOptions(reply=ReplyFormat(wanted)), "trust_model_file": trusted}
        labels, oracle = ask(path, batch, **how)
        assert labels.tolist() == reference(batch).tolist()
        assert oracle.description["output"] == "indices ranked by values"
        assert oracle.label_space.size is None
        assert "other_outputs" not in oracle.description


def test_whole_numbers_beside_scores_are_not_taken_for_their_classes(
    onnx_file: Write, batch: NDArray[Any], reference: Reference
) -> None:
    path = onnx_file(reply="beside")
    with pytest.raises(BadReply, match="scores every class, state --output-name scores"):
        ask(path, batch)
    labels, _ = ask(path, batch, http=HttpOptions(reply=ReplyFormat("scores")))
    assert labels.tolist() == reference(batch).tolist()


def test_names_become_indices_in_an_open_label_space(
    onnx_file: Write, batch: NDArray[Any], reference: Reference
) -> None:
    names = ("ant", "bee", "cat", "dog")
    labels, oracle = ask(onnx_file(reply="names"), batch)
    assert [oracle.label_space.name(i) for i in labels] == [names[i] for i in reference(batch)]
    known, oracle = ask(onnx_file(reply="names"), batch, classes=names)
    assert known.tolist() == reference(batch).tolist()
    assert not oracle.label_space.open


def test_a_name_outside_the_given_classes_is_a_bad_reply(
    onnx_file: Write, batch: NDArray[Any]
) -> None:
    with pytest.raises(BadReply, match="not a known class"):
        ask(onnx_file(reply="names"), batch, classes=("red", "green"))


def test_the_order_of_given_names_is_part_of_the_identity(onnx_file: Write) -> None:
    path = onnx_file(reply="names")
    forward = opened(path, classes=("ant", "bee", "cat", "dog"))
    assert forward.fingerprint != opened(path, classes=("dog", "cat", "bee", "ant")).fingerprint


def test_nan_is_no_label(onnx_file: Write, batch: NDArray[Any]) -> None:
    with pytest.raises(BadReply, match="NaN"):
        ask(onnx_file(reply="nan"), batch)


def test_a_single_class_is_refused(onnx_file: Write) -> None:
    assert "single class" in refusal(ModelFileError, onnx_file(reply="one"))


def test_a_model_without_labels_is_refused(onnx_file: Write) -> None:
    assert "no output" in refusal(ModelFileError, onnx_file(reply="scaled"))


def _changed(place: str, change: Callable[[Any], object]) -> str:
    model = onnx.load(place)
    change(model)
    onnx.save(model, place)
    return place


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        (lambda m: setattr(m.opset_import[0], "version", 99), "export it for an older opset"),
        (lambda m: setattr(m, "ir_version", 99), "export it for an older opset"),
        (
            lambda m: m.graph.input[0].type.tensor_type.ClearField("shape"),
            "does not state the shape",
        ),
        (lambda m: m.graph.ClearField("output"), "it has none"),
    ],
)
def test_what_cannot_run_is_said_with_a_remedy(
    onnx_file: Write, change: Callable[[Any], object], remedy: str
) -> None:
    assert remedy in refusal(ModelFileError, _changed(onnx_file(), change))


def test_a_table_of_scores_by_name_is_refused_with_a_remedy(onnx_file: Write) -> None:
    """skl2onnx writes probabilities so; the label beside them would do."""

    def as_maps(model: Any) -> None:
        scores = model.graph.output.pop()
        maps = helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(1, None))
        model.graph.output.append(
            helper.make_value_info("maps", helper.make_sequence_type_proto(maps))
        )
        labels: dict[str, Any] = {"domain": "ai.onnx.ml", "classlabels_int64s": [0, 1, 2]}
        model.graph.node.append(helper.make_node("ZipMap", [scores.name], ["maps"], **labels))
        model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))

    said = refusal(ModelFileError, _changed(onnx_file(), as_maps))
    assert "options={'zipmap': False}" in said


def test_class_names_must_match_the_classes(onnx_file: Write) -> None:
    assert "4 classes" in refusal(TargetError, onnx_file(), classes=("a", "b"))


def test_a_failing_run_asks_for_fewer_inputs(onnx_file: Write) -> None:
    # The file says that height is free, the weights say that it is not.
    path = onnx_file(dims=("n", 3, "h", 5))
    taller = np.zeros((2, 3, 7, 5), np.float32)
    with pytest.raises(InputRejected) as caught:
        ask(path, taller, shape=(3, 7, 5))
    assert caught.value.advice.kind == "too-large"
    with pytest.raises(InputRejected) as caught:
        ask(path, taller[:1], shape=(3, 7, 5))
    assert caught.value.advice.kind == "never"


# Metadata


def test_the_model_may_state_range_and_classes(onnx_file: Write) -> None:
    names = ["ant", "bee", "cat", "dog"]
    path = onnx_file(meta={"range": "-1,1", "classes": json.dumps(names)})
    oracle = opened(path)
    assert oracle.input_spec.low == (-1.0, -1.0, -1.0)
    assert oracle.input_spec.range_source == "model metadata"
    assert oracle.label_space.names == names
    given = opened(path, value_range=(0.0, 255.0), classes=("a", "b", "c", "d"))
    assert given.input_spec.high == (255.0, 255.0, 255.0)
    assert given.input_spec.range_source == "given"
    assert given.label_space.names == ["a", "b", "c", "d"]


@pytest.mark.parametrize("text", ["[1, 2", '["a", "b"]', '["a", "a", "b", "c"]', "{}", "[" * 9999])
def test_unreadable_classes_are_reported_not_used(onnx_file: Write, text: str) -> None:
    oracle = opened(onnx_file(meta={"classes": text}))
    assert oracle.label_space.names == []
    assert oracle.description["ignored_metadata"] == ["classes"]


@pytest.mark.parametrize("text", ["1,0", "nan,1", "0", "a,b", "0,1,2", "0,inf"])
def test_an_unreadable_range_is_reported_not_used(onnx_file: Write, text: str) -> None:
    oracle = opened(onnx_file(meta={"range": text}))
    assert oracle.input_spec.range_source.startswith("assumed")
    assert oracle.description["ignored_metadata"] == ["range"]


# Files


def test_file_errors_are_one_sentence(tmp_path: Path) -> None:
    assert "does not exist" in refusal(ModelFileError, str(tmp_path / "none.onnx"))
    assert "is a folder, not a model file" in refusal(ModelFileError, str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"not a model" * 9])
def test_a_corrupt_file_is_refused_quietly(
    tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    assert "bad.onnx is not ONNX but" in refusal(ModelFileError, str(path))
    assert capfd.readouterr() == ("", "")


def test_a_file_beyond_2_gib_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate(2 * 1024**3 + 1)  # sparse: takes no disk
    assert "2 GiB" in refusal(ModelFileError, str(path))


@pytest.mark.parametrize("way", ["{folder}/{name}", "../..{folder}/{name}"])
@pytest.mark.parametrize("trust_model_file", [True, False])
def test_weights_outside_the_folder_are_refused(
    onnx_external: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    *,
    trust_model_file: bool,
) -> None:
    path = onnx_external(way)
    monkeypatch.chdir(Path(path).parent)
    said = refusal(ModelFileError, path, trust_model_file=trust_model_file)
    assert "another file" in said


@pytest.mark.parametrize("trust_model_file", [True, False])
def test_weights_beside_the_file_are_part_of_the_model(
    onnx_external: Callable[[str], str],
    batch: NDArray[np.float32],
    reference: Reference,
    *,
    trust_model_file: bool,
) -> None:
    path = onnx_external("{name}")
    beside = Path(path).parent / "weights.bin"
    first = opened(path, trust_model_file=trust_model_file)
    assert ask(path, batch, trust_model_file=trust_model_file)[0].tolist() == (
        reference(batch).tolist()
    )
    assert first.description["files_beside"] == {
        "weights.bin": hashlib.sha256(beside.read_bytes()).hexdigest()
    }
    beside.write_bytes(bytes(len(beside.read_bytes()) - 4) + beside.read_bytes()[-4:])
    assert opened(path, trust_model_file=trust_model_file).fingerprint != first.fingerprint


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("missing", "'weights.bin', which is missing here"),
        ("short", "which does not hold all of them"),
        ("link", "which is a link: copy the file"),
        ("folder", "which is no file"),
    ],
)
def test_weights_beside_the_file_must_be_there_and_whole(
    onnx_external: Callable[[str], str], change: str, words: str
) -> None:
    path = onnx_external("{name}")
    beside = Path(path).parent / "weights.bin"
    content = beside.read_bytes()
    beside.unlink()
    if change == "short":
        beside.write_bytes(content[:-1])
    elif change == "link":
        elsewhere = beside.parent / "other"
        elsewhere.mkdir()
        (elsewhere / "secret.bin").write_bytes(content)
        beside.symlink_to(elsewhere / "secret.bin")
    elif change == "folder":
        beside.mkdir()
    assert words in refusal(ModelFileError, path, trust_model_file=False)


def test_the_hubs_cache_links_a_model_and_its_weights(
    onnx_external: Callable[[str], str], batch: NDArray[np.float32], reference: Reference
) -> None:
    path = Path(onnx_external("{name}"))
    blobs, snapshot = path.parent / "blobs", path.parent / "snapshots" / "a"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    for name in (path.name, "weights.bin"):
        (path.parent / name).rename(blobs / f"of-{name}")
        (snapshot / name).symlink_to(Path("../../blobs") / f"of-{name}")
    labels, _ = ask(str(snapshot / path.name), batch, trust_model_file=False)
    assert labels.tolist() == reference(batch).tolist()


@pytest.mark.parametrize("name", ["secret.txt", ".env", "id_rsa", ""])
def test_a_file_that_is_not_named_like_weights_is_refused(
    onnx_external: Callable[[str], str], name: str
) -> None:
    path = onnx_external(name or " ")
    if name:
        (Path(path).parent / "weights.bin").rename(Path(path).parent / name)
    assert "not named like weights" in refusal(ModelFileError, path, trust_model_file=False)


def test_the_file_never_configures_its_auditor(
    onnx_file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORT_LOAD_CONFIG_FROM_MODEL", "1")
    path = onnx_file(meta={"ort_config": '{"session_options": {"intra_op_num_threads": "x"}}'})
    assert opened(path).max_batch == 256


def test_the_description_names_the_file_not_its_folder(onnx_file: Write, tmp_path: Path) -> None:
    oracle = opened(onnx_file(), threads=1)
    text = json.dumps(oracle.description)
    assert oracle.description["file"] == "model.onnx"
    assert str(tmp_path) not in text
    assert oracle.description["threads"] == 1
    assert oracle.description["providers"] == ["CPUExecutionProvider"]
    assert oracle.description["producer"] == "tests"
    tells = hasattr(onnxruntime.InferenceSession, "get_provider_graph_assignment_info")
    assert bool(oracle.description["nodes"]) == tells


def test_running_prints_nothing(
    onnx_file: Write, batch: NDArray[Any], capfd: pytest.CaptureFixture[str]
) -> None:
    ask(onnx_file(), batch)
    with pytest.raises(InputRejected):
        ask(onnx_file(dims=("n", 3, "h", 5)), np.zeros((2, 3, 7, 5), np.float32), shape=(3, 7, 5))
    assert capfd.readouterr() == ("", "")


# Providers: only what is available is faked


class Started:
    """A session that says which providers started; everything else is the real one."""

    def __init__(self, session: Any, providers: list[str], on: str) -> None:
        self._session = session
        self._providers = providers
        self._on = on

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def get_providers(self) -> list[str]:
        return self._providers

    def get_provider_graph_assignment_info(self) -> list[Any]:
        return [SimpleNamespace(ep_name=self._on, get_nodes=lambda: [1, 2])]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A machine whose ONNX Runtime has CUDA and TensorRT; ``asked`` is what a session got."""
    state: dict[str, Any] = {"starts": None, "fails": None, "on": "CUDAExecutionProvider"}
    real = onnxruntime.InferenceSession

    def session(data: bytes, options: Any, *, providers: list[Any], **how: Any) -> Any:
        state["asked"], state["how"] = providers, how
        if state["fails"] is not None:
            raise state["fails"]
        made = real(data, options, providers=["CPUExecutionProvider"], **how)
        return Started(made, state["starts"] or [name for name, _ in providers], state["on"])

    available = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: available)
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    return state


def test_cuda_comes_first_on_the_device_asked_for(
    onnx_file: Write, gpu: dict[str, Any], batch: NDArray[Any], reference: Reference
) -> None:
    labels, oracle = ask(onnx_file(), batch, device="cuda:1")
    (cuda, options), (cpu, _) = gpu["asked"]
    assert (cuda, cpu) == ("CUDAExecutionProvider", "CPUExecutionProvider")
    assert options["device_id"] == 1
    assert gpu["how"] == {"enable_fallback": 0, "read_config_from_model": 0}
    assert labels.tolist() == reference(batch).tolist()
    assert "CUDAExecutionProvider" in oracle.fingerprint


def test_tensorrt_keeps_cuda_for_what_it_cannot_run(onnx_file: Write, gpu: dict[str, Any]) -> None:
    gpu["on"] = "TensorrtExecutionProvider"
    opened(onnx_file(), device="tensorrt")
    assert [name for name, _ in gpu["asked"]] == [
        "TensorrtExecutionProvider",
        "CUDAExecutionProvider",
        "CPUExecutionProvider",
    ]


def test_a_silent_fall_back_to_cpu_is_refused(onnx_file: Write, gpu: dict[str, Any]) -> None:
    gpu["starts"] = ["CPUExecutionProvider"]
    message = refusal(ProviderUnavailable, onnx_file(), device="cuda")
    assert "CUDAExecutionProvider did not start" in message


def test_a_provider_that_runs_nothing_is_refused(onnx_file: Write, gpu: dict[str, Any]) -> None:
    message = refusal(ProviderUnavailable, onnx_file(), device="tensorrt")
    assert "runs no part" in message
    assert gpu["asked"]


def test_what_preloading_complains_about_is_passed_on(
    onnx_file: Write,
    gpu: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    gpu["starts"] = ["CPUExecutionProvider"]
    monkeypatch.setattr(
        onnxruntime, "preload_dlls", lambda: sys.stdout.write("Failed to load libcudnn.so.9\nmore")
    )
    message = refusal(ProviderUnavailable, onnx_file(), device="cuda")
    assert "(Failed to load libcudnn.so.9)" in message
    assert capfd.readouterr().out == ""


def test_an_error_of_the_provider_is_not_blamed_on_the_file(
    onnx_file: Write, gpu: dict[str, Any]
) -> None:
    gpu["fails"] = RuntimeError("CUDA failure 101: invalid device ordinal\nfile=x.cc")
    message = refusal(ProviderUnavailable, onnx_file(), device="cuda:7")
    assert "cuda:7" in message
    gpu["fails"] = RuntimeError("/src/state.cc:729 void f(A&, const B&) Please install TensorRT\n")
    message = refusal(ProviderUnavailable, onnx_file(), device="tensorrt")
    assert message.endswith("tensorrt: Please install TensorRT")
    gpu["fails"] = RuntimeError("protobuf parsing failed")
    refusal(ModelFileError, onnx_file(), device="cuda")


def test_running_never_falls_back(onnx_file: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    real = onnxruntime.InferenceSession

    def keep(*args: Any, **how: Any) -> Any:
        made.append(real(*args, **how))
        return made[-1]

    monkeypatch.setattr(onnxruntime, "InferenceSession", keep)
    opened(onnx_file())
    assert made[0]._enable_fallback is False


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "tensorrt"])
def test_a_cpu_build_refuses_gpus_and_names_the_extra(
    onnx_file: Write, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    message = refusal(ProviderUnavailable, onnx_file(), device=device)
    assert "xray-audit[gpu]" in message
    assert "CPUExecutionProvider" in message


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "CUDA", "cpu:0", "mps", ""])
def test_unknown_devices_are_named(onnx_file: Write, device: str) -> None:
    assert repr(device) in refusal(TargetError, onnx_file(), device=device)


def test_two_builds_at_once_are_refused(onnx_file: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.distributions

    def both(*, name: str) -> Any:
        return real(name="onnxruntime" if name == "onnxruntime-gpu" else name)

    monkeypatch.setattr(metadata, "distributions", both)
    message = refusal(ProviderUnavailable, onnx_file())
    assert "onnxruntime and onnxruntime-gpu are both installed" in message


@pytest.mark.parametrize("left", [None, ModuleType("onnxruntime")])
def test_a_missing_runtime_names_the_extras(
    monkeypatch: pytest.MonkeyPatch, left: ModuleType | None
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", left)
    message = refusal(MissingExtra, "model.onnx")
    assert "xray-audit[cpu]" in message
    assert "xray-audit[gpu]" in message


def test_a_runtime_that_reads_foreign_files_is_refused(
    onnx_file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "__version__", "1.23.2")
    assert "1.23.2 is too old" in refusal(MissingExtra, onnx_file())


def test_a_runtime_that_does_not_load_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> Any:
        if name != "onnxruntime":
            return real(name)
        raise ImportError("libfoo.so: cannot open shared object file")

    real = importlib.import_module
    monkeypatch.setattr(importlib, "import_module", broken)
    assert "libfoo.so" in refusal(MissingExtra, "model.onnx")


# The worker thread


def test_the_event_loop_stays_free_and_the_thread_ends(
    onnx_file: Write, batch: NDArray[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    async def go() -> None:
        oracle = await open_oracle(target(onnx_file()))
        assert isinstance(oracle, LocalOracle)
        infer = oracle._infer

        def slow(tensor: NDArray[Any]) -> NDArray[Any]:
            begun.set()
            assert go_on.wait(30)
            return infer(tensor)

        monkeypatch.setattr(oracle, "_infer", slow)
        asked = asyncio.create_task(oracle.predict_labels(batch))
        while not begun.is_set():  # noqa: ASYNC110 - the loop turning here is what is tested
            await asyncio.sleep(0)
        go_on.set()
        closing = asyncio.create_task(oracle.aclose())
        assert len(await asked) == len(batch)
        await closing
        with pytest.raises(RuntimeError, match="closed"):
            await oracle.predict_labels(batch)

    before = threading.active_count()
    asyncio.run(go())
    for thread in threading.enumerate():
        if thread.name.startswith("xray-audit"):
            thread.join(30)
    assert threading.active_count() <= before


def test_a_failed_open_leaves_no_thread(tmp_path: Path) -> None:
    refusal(ModelFileError, str(tmp_path / "none.onnx"))
    for thread in threading.enumerate():
        if thread.name.startswith("xray-audit"):
            thread.join(30)
            assert not thread.is_alive()


def test_an_open_file_counts_requests_not_bytes(onnx_file: Write, batch: NDArray[Any]) -> None:
    _, oracle = ask(onnx_file(), batch)
    assert (oracle.wire.requests, oracle.wire.bytes_sent) == (1, 0)
    assert oracle.request_bytes(5) == 0
    assert oracle.take_pace_hint() is None


# Several outputs and inputs


def model_with(plain: str, outputs: list[str], second: str | None = None) -> str:
    """The model ``plain``, whose ``outputs`` hold features without meaning, then the true scores.

    ``second`` is the name of a further integer input, which is added to the scores.
    """
    model = onnx.load(plain)
    graph = model.graph
    features, scores = outputs
    graph.node.append(helper.make_node("ReduceMean", ["x"], [features], axes=[2, 3], keepdims=0))
    graph.node.append(helper.make_node("Identity", ["scores"], [scores]))
    del graph.output[:]
    for name, width in ((features, 3), (scores, 4)):
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width]))
    if second is not None:
        graph.input.append(helper.make_tensor_value_info(second, TensorProto.INT64, [1]))
        graph.node.append(helper.make_node("Cast", [second], ["cast"], to=TensorProto.FLOAT))
        graph.node.append(helper.make_node("Add", ["scores", "cast"], ["shifted"]))
        graph.node.append(helper.make_node("Identity", ["shifted"], ["unused"]))
    path = Path(plain).with_name("several.onnx")
    path.write_bytes(model.SerializeToString())
    return str(path)


def test_an_output_with_a_telling_name_is_taken(
    onnx_file: Write, batch: NDArray[np.float32], reference: Reference
) -> None:
    path = model_with(onnx_file(), ["features", "logits"])
    labels, oracle = ask(path, batch)
    assert labels.tolist() == reference(batch).tolist()
    assert oracle.description["output"] == "logits"
    assert oracle.description["other_outputs"] == ["features"]


@pytest.mark.parametrize("trusted", [True, False])
def test_an_output_that_is_named_is_taken(
    onnx_file: Write, batch: NDArray[np.float32], reference: Reference, *, trusted: bool
) -> None:
    path = model_with(onnx_file(), ["first", "second"])
    assert opened(path).description["output"] == "first"
    how = {"http": HttpOptions(reply=ReplyFormat("second")), "trust_model_file": trusted}
    labels, oracle = ask(path, batch, **how)
    assert labels.tolist() == reference(batch).tolist()
    assert oracle.fingerprint != opened(path, trust_model_file=trusted).fingerprint
    other = {**how, "http": HttpOptions(reply=ReplyFormat("third"))}
    assert "no output 'third' with one label" in refusal(ModelFileError, path, **other)


@pytest.mark.parametrize("trusted", [True, False])
def test_a_second_input_is_stated_never_guessed(
    onnx_file: Write, batch: NDArray[np.float32], reference: Reference, *, trusted: bool
) -> None:
    path = model_with(onnx_file(), ["features", "logits"], second="training")
    said = refusal(ModelFileError, path, trust_model_file=trusted)
    assert "2 inputs (x, training), not one" in said
    assert "--input-constant training=0" in said
    labels, oracle = ask(path, batch, constants={"training": 0}, trust_model_file=trusted)
    assert labels.tolist() == reference(batch).tolist()
    assert oracle.description["constants"] == ["training=[0]"]
    wrong = {"constants": {"train": 0}, "trust_model_file": trusted}
    assert "no further input 'train'" in refusal(ModelFileError, path, **wrong)
