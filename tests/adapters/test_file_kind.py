"""A file of another kind is called by its own name, and the remedy is said."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from adapters.errors import ModelFileError
from adapters.file_kind import ONNX, file_kind, kind_of_file, kind_of_folder
from adapters.model_files.file import ModelFile
from adapters.model_files.onnx.check import check_onnx
from adapters.registry import open_oracle
from adapters.target import Target
from auditor.errors import UsageError
from auditor.workflows.targets import stated_model

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"5e" * 32 + b"\nsize 12\n"


def zipped(*names: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in names:
            archive.writestr(name, b"x" * 50)
    return target.getvalue()


def tarred() -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.onnx"))
    return target.getvalue()


def array(save: Callable[..., None], *values: object, **named: object) -> bytes:
    target = io.BytesIO()
    save(target, *values, **named)
    return target.getvalue()


SAFETENSORS = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
STATED: dict[str, tuple[bytes, str, str]] = {
    "lfs": (POINTER, "a Git LFS pointer", "run git lfs pull"),
    "html": (b"\r\n<!DOCTYPE HTML><title>Sign in</title>", "an HTML page", "fetch it again"),
    "xml": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "an XML page", "key"),
    "json": (b'{"error": "Repository not found"}', "JSON text", "fetch it again"),
    "npy": (array(np.save, np.zeros(9)), "a single array", "np.savez"),
    "npz": (array(np.savez, x=np.zeros(9)), "an .npz archive", "--samples"),
    "state dict": (zipped("w/data.pkl", "w/data/0", "w/version"), "checkpoint", "torch.onnx"),
    "old checkpoint": (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "checkpoint", "torch.onnx"),
    "pickle": (pickle.dumps({"a": 1}), "a Python pickle", "torch.onnx.export"),
    "keras": (zipped("metadata.json", "model.weights.h5"), "a Keras model", "ends in .keras"),
    "h5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file", "ends in .h5"),
    "saved model": (
        b"\x08\x01\x12\x80\x01" + b"\n\x05serve" * 40,
        "a TensorFlow SavedModel",
        "tf2",
    ),
    "tflite": (b"\x1c\0\0\0TFL3" + bytes(99), "a TensorFlow Lite model", "ends in .tflite"),
    "safetensors": (
        struct.pack("<Q", len(SAFETENSORS)) + SAFETENSORS + bytes(4),
        "a safetensors file",
        "torch.onnx.export",
    ),
    "gguf": (b"GGUF\x03" + bytes(99), "a GGUF file", "export"),
    "core ml": (b"\x08\x05\x12\x2a\n\x10" + bytes(range(40)), "a Core ML model", "ONNX model"),
    "openvino": (b'<?xml version="1.0"?>\n<net name="m" version="11">', "an OpenVINO model", "URL"),
    "tfjs": (b'{"format": "layers-model", "modelTopology": {}}', "a TensorFlow.js model", "URL"),
    "torchserve": (zipped("MAR-INF/MANIFEST.json", "m.pt"), "a TorchServe archive", "unpack it"),
    "macos": (b"\0\x05\x16\x07\0\x02\0\0Mac OS X", "a file of macOS", "without the ._"),
    "zip": (zipped("model.onnx"), "a zip archive", "unpack it"),
    "cut zip": (zipped("model.onnx")[:-30], "cut short", "fetch or save it again"),
    "gzip": (gzip.compress(b"x" * 99), "a gzip archive", "unpack it"),
    "tar": (tarred(), "a tar archive", "tar -xf"),
    "darknet": (b"[net]\nbatch=1\n", "a text file", "name the file"),
    "utf-16 page": ("\ufeff<html>".encode("utf-16-le"), "an HTML page", "fetch it again"),
    "idx": (b"\0\0\x08\x03" + bytes(99), "the IDX format of MNIST", "np.savez"),
    "zeros": (bytes(4096), "a file of zeros", "fetch it again"),
    "heic": (b"\0\0\0\x20ftypheic" + bytes(99), "an HEIC picture", "or convert it to PNG"),
    "tensorrt": (b"ptrt" + bytes(99), "a TensorRT engine", "ONNX model"),
    "ort": (b"\x20\0\0\0ORTM" + bytes(99), "ONNX Runtime's own form", "ONNX model"),
    "executorch": (b"\x20\0\0\0ET12" + bytes(99), "an ExecuTorch program", "ONNX model"),
    "rknn": (b"RKNN" + bytes(99), "an RKNN model", "ONNX model"),
    "ncnn": (b"7767517\n75 83\n", "an ncnn model", "ONNX model"),
    "lz4": (b"\x04\x22M\x18" + bytes(99), "an lz4 archive", "unpack it"),
    "ds_store": (b"\0\0\0\1Bud1" + bytes(99), "a file of macOS", "name the model"),
    "mach-o": (b"\xcf\xfa\xed\xfe" + bytes(99), "a program", "name the model"),
    "csv": (b"filename,label\na.png,red\n", "a text file", "name the file"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3", "a PDF document", "fetch it again"),
    "text": (b"see https://example.com\n", "a text file", "name the file"),
}
INTERNALS = (
    "protobuf",
    "wire type",
    "field",
    "codec",
    "Error:",
    "miniz",
    "Stream",
    "pickle_module",
)


@pytest.mark.parametrize("name", STATED)
def test_it_is_called_by_its_own_name(name: str, tmp_path: Path) -> None:
    data, what, remedy = STATED[name]
    (tmp_path / "file").write_bytes(data)
    kind = kind_of_file(tmp_path / "file")
    assert kind is not None
    assert what in kind.what
    assert remedy in kind.remedy


def test_nothing_is_made_of_what_is_unknown(tmp_path: Path) -> None:
    assert file_kind(b"\xfe\xdc\xba" * 50) is None
    assert kind_of_file(tmp_path / "gone") is None
    assert str(file_kind(b"")) == "an empty file: fetch or write it again"


@pytest.mark.parametrize("name", STATED)
@pytest.mark.parametrize("trusted", [False, True])
def test_an_onnx_file_that_is_something_else(
    name: str,
    trusted: bool,  # noqa: FBT001 - a parameter of the test
    tmp_path: Path,
) -> None:
    data, what, remedy = STATED[name]
    (tmp_path / "model.onnx").write_bytes(data)

    async def go() -> None:
        target = Target("onnx", str(tmp_path / "model.onnx"), trust_model_file=trusted)
        await open_oracle(target)

    with pytest.raises(ModelFileError) as caught:
        asyncio.run(go())
    said = str(caught.value)
    assert f"model.onnx is not ONNX but {what[:2]}"[:-2] in said
    assert what in said
    assert remedy in said
    assert not any(word in said for word in INTERNALS)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_an_onnx_file_that_was_cut_short(
    onnx_file: Callable[..., str], share: float, tmp_path: Path
) -> None:
    whole = Path(onnx_file()).read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(whole[: int(share * len(whole))])

    async def go(*, trusted: bool) -> None:
        await open_oracle(Target("onnx", str(path), trust_model_file=trusted))

    with pytest.raises(
        ModelFileError, match=r"cut.onnx is not ONNX any more but cut short or damaged: fetch"
    ):
        asyncio.run(go(trusted=False))
    with pytest.raises(ModelFileError, match=r"is not ONNX, or was cut short: fetch or export"):
        asyncio.run(go(trusted=True))


def test_random_bytes_get_one_plain_sentence() -> None:
    """None of them are called a model that one might trust."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        data = rng.integers(0, 256, int(rng.integers(20, 400)), dtype=np.uint8).tobytes()
        if file_kind(data) is ONNX:
            continue
        with pytest.raises(ModelFileError) as caught:
            check_onnx(ModelFile("m.onnx", "", data))
        assert "--trust-model-file" not in str(caught.value)
        assert not any(word in str(caught.value) for word in INTERNALS)


@pytest.mark.parametrize(
    ("name", "held", "words"),
    [
        ("model.dat", "h5", "model.dat is an HDF5 file"),
        ("model.safetensors", "safetensors", "is a safetensors file"),
        ("model.pth", "state dict", "is a PyTorch checkpoint"),
        ("model.onnx.gz", "gzip", "is a gzip archive"),
        ("model.bin", "lfs", "is a Git LFS pointer"),
        ("error.json", "json", "is JSON text, perhaps the error reply of a server: fetch it"),
        ("data.csv", "csv", "is a text file: name the file that is meant"),
        ("model.xyz", "", "of no known kind: expected a file ending in .onnx"),
    ],
)
def test_a_model_by_another_ending(tmp_path: Path, name: str, held: str, words: str) -> None:
    (tmp_path / name).write_bytes(STATED[held][0] if held else b"\xfe\xdc")
    with pytest.raises(UsageError) as caught:
        stated_model(tmp_path / name)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        (["pytorch_model.bin"], "Hugging Face Hub without safetensors: export it: optimum-cli"),
        (["readme.md", "best.onnx"], "a folder with one model: name the file best.onnx in it"),
        (["a.onnx", "b.onnx"], "a folder, not a model file: name one in it"),
        (["readme.md"], "a folder, not a model file, and none lies directly in it"),
        ([], "a folder, not a model file, and none lies directly in it"),
    ],
)
def test_a_folder_is_no_model_file(tmp_path: Path, inside: list[str], words: str) -> None:
    for name in inside:
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UsageError) as caught:
        stated_model(tmp_path)
    assert words in str(caught.value)
    assert (kind_of_folder(inside) is None) == ("not a model file" in words)


def test_a_link_or_a_pipe_is_not_called_missing(tmp_path: Path) -> None:
    links = {"one.onnx": "two.onnx", "two.onnx": "one.onnx", "late.onnx": "gone.onnx"}
    for name, other in links.items():
        (tmp_path / name).symlink_to(other)
        with pytest.raises(UsageError, match=f"{name} is a link to {other}, where no file is: set"):
            stated_model(tmp_path / name)
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(UsageError, match=r"pipe.onnx is a pipe or a device: copy it into a file"):
        stated_model(tmp_path / "pipe.onnx")
    with pytest.raises(UsageError, match=r"there is no model file .*never.onnx"):
        stated_model(tmp_path / "never.onnx")


@pytest.mark.parametrize(("field", "words"), [(b"\x10", "[oO]pset 99"), (b"\x08", "IR version 99")])
def test_a_model_newer_than_the_runtime_says_of_which_version_it_is(
    onnx_file: Callable[..., str], field: bytes, words: str, tmp_path: Path
) -> None:
    data = bytearray(Path(onnx_file()).read_bytes())
    # The version of the operators is the last field, that of the form is the first one.
    at = len(data) - 1 if field == b"\x10" else 1
    assert data[at - 1 : at] == field
    data[at] = 99
    (tmp_path / "new.onnx").write_bytes(data)
    with pytest.raises(ModelFileError, match=rf"does not take new.onnx, which is of {words}: exp"):
        asyncio.run(open_oracle(Target("onnx", str(tmp_path / "new.onnx"))))
