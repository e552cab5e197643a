"""The kind of a file by its first and last bytes, whatever its name says.

Nothing is parsed: bytes of a file that is not to be trusted are only compared.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LOOK_AT = 1024**2
"""Bytes looked at from the beginning and from the end."""


@dataclass(frozen=True, slots=True)
class FileKind:
    """``what`` a file is, with its article; the ``remedy`` as a command; the ``suffix`` by which
    this tool takes such a file, empty if it takes none.
    """

    what: str
    remedy: str
    suffix: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}"


_AGAIN = "fetch it again from its address, with the key or login that it asks for"
_EXPORT = "load it into its model and export that: torch.onnx.export(model, example, 'model.onnx')"
_OR_OBJECT = "; or pass the loaded model to auditor.audit(model, ...)"
_CONVERT = "convert the model: python -m tf2onnx.convert --{} FILE --output model.onnx"
_PICTURE = "put pictures into class folders (class/name.png)"
_ARRAYS = "save arrays as one file: np.savez('samples.npz', x=images, y=labels)"

EMPTY = FileKind("an empty file", "fetch or write it again")
ZEROS = FileKind("a file of zeros, left by a broken copy or download", "fetch it again")
CUT_ZIP = FileKind("a zip-based file that was cut short", "fetch or save it again")
TORCHSCRIPT = FileKind("a TorchScript model", "name it so that it ends in .pt", ".pt")
EXPORTED = FileKind("a torch.export program", "name it so that it ends in .pt2", ".pt2")
ONNX = FileKind("an ONNX model", "name it so that it ends in .onnx", ".onnx")
NPZ = FileKind("an .npz archive of arrays", "pass it as --samples, named .npz", ".npz")
NPY = FileKind("a single array (.npy)", _ARRAYS, ".npy")
WEIGHTS = FileKind(
    "a PyTorch checkpoint (torch.save: weights or a pickled model), which no runtime can run alone",
    _EXPORT + _OR_OBJECT,
)
PICKLE = FileKind(
    "a Python pickle, which is never opened here (it could run any code)",
    _EXPORT + _OR_OBJECT,
)
KERAS = FileKind("a Keras model", "name it so that it ends in .keras", ".keras")
HDF5 = FileKind("an HDF5 file, as Keras saves models", "name it so that it ends in .h5", ".h5")
TFLITE = FileKind("a TensorFlow Lite model", "name it so that it ends in .tflite", ".tflite")
SAVED_MODEL = FileKind(
    "a TensorFlow SavedModel",
    "name the folder that it lies in, or "
    + _CONVERT.format("saved-model").replace("FILE", "FOLDER"),
    ".pb",
)
TEXT = FileKind("a text file", "name the file that is meant")
ZIP = FileKind("a zip archive", "unpack it and name what is inside")
SAFETENSORS = FileKind(
    "a safetensors file, which holds weights but no model",
    "name the folder of the Hugging Face Hub that it lies in, or " + _EXPORT,
    ".safetensors",
)
_SOURCE = "name the ONNX model that it was made from"
CORE_ML = FileKind("a Core ML model", _SOURCE)
TENSORRT = FileKind("a TensorRT engine", "name the ONNX model that it was built from")
JSON = FileKind("JSON text, perhaps the error reply of a server", _AGAIN)
XML = FileKind("an XML page, perhaps the error reply of a server", _AGAIN)

_STARTS: tuple[tuple[bytes, FileKind], ...] = (
    (
        b"version https://git-lfs.github.com/spec",
        FileKind("a Git LFS pointer, not the file itself", "run git lfs pull in its repository"),
    ),
    (
        b"# xet version",
        FileKind("a Xet pointer, not the file itself", "run git xet checkout, or download it"),
    ),
    (
        b"/annex/objects/",
        FileKind("a git-annex pointer, not the file itself", "run git annex get on it"),
    ),
    (
        b"\0\0\x08\x03",
        FileKind("pictures in the IDX format of MNIST", "load them, then " + _ARRAYS),
    ),
    (b"outs:\n", FileKind("a DVC pointer, not the file itself", "run dvc pull")),
    (b"\x93NUMPY", NPY),
    (b"GGUF", FileKind("a GGUF file, made for language models", _EXPORT)),
    (b"\x89HDF\r\n\x1a\n", HDF5),
    (b"\x1f\x8b", FileKind("a gzip archive", "unpack it (gunzip, or tar -xzf for .tar.gz)")),
    (b"BZh", FileKind("a bzip2 archive", "unpack it with bunzip2 or tar -xjf")),
    (b"\xfd7zXZ\x00", FileKind("an xz archive", "unpack it with unxz or tar -xJf")),
    (b"\x28\xb5\x2f\xfd", FileKind("a zstd archive", "unpack it with zstd -d")),
    (b"7z\xbc\xaf\x27\x1c", FileKind("a 7z archive", "unpack it")),
    (b"Rar!\x1a\x07", FileKind("a rar archive", "unpack it")),
    (b"%PDF-", FileKind("a PDF document", _AGAIN)),
    (b"\x89PNG\r\n\x1a\n", FileKind("a PNG picture", _PICTURE, ".png")),
    (b"\xff\xd8\xff", FileKind("a JPEG picture", _PICTURE, ".jpg")),
    (b"GIF8", FileKind("a GIF picture", _PICTURE, ".gif")),
    (b"II*\x00", FileKind("a TIFF picture", _PICTURE, ".tif")),
    (b"MM\x00*", FileKind("a TIFF picture", _PICTURE, ".tif")),
    (b"8BPS", FileKind("a Photoshop picture", "export it as PNG")),
    (b"PAR1", FileKind("a Parquet table", "write its pictures to files or arrays")),
    (b"ARROW1", FileKind("an Arrow table", "write its pictures to files or arrays")),
    (b"MATLAB 5.0", FileKind("a MATLAB file", "load it with scipy.io.loadmat, then " + _ARRAYS)),
    (b"SQLite format 3\x00", FileKind("an SQLite database", "name another file")),
    (b"ftrt", TENSORRT),
    (b"ptrt", TENSORRT),
    (b"RKNN", FileKind("an RKNN model", _SOURCE)),
    (b"7767517\n", FileKind("an ncnn model", _SOURCE)),
    (b"\x04\x22M\x18", FileKind("an lz4 archive", "unpack it with lz4 -d")),
    (
        b"\x00\x05\x16\x07",
        FileKind("a file of macOS beside the one meant", "name it without the ._ in front"),
    ),
    (b"\0\0\0\1Bud1", FileKind("a file of macOS (.DS_Store)", "name the model file instead")),
    (b"\0asm", FileKind("a program or library", "name the model file instead")),
    (b"\xcf\xfa\xed\xfe", FileKind("a program or library", "name the model file instead")),
    (b"\x7fELF", FileKind("a program or library", "name the model file instead")),
    (b"MZ", FileKind("a Windows program or library", "name the model file instead")),
)

_IN_ZIP = (
    (b"constants.pkl", TORCHSCRIPT),
    (b"archive_format", EXPORTED),
    (b"serialized_exported_program", EXPORTED),
    (b"data.pkl", WEIGHTS),
    (b"model.weights.h5", KERAS),
    (b"MAR-INF/", FileKind("a TorchServe archive", "unpack it and name the model in it")),
    (
        b"saved_model.pb",
        FileKind("a zip archive with a SavedModel", "unpack it and name the folder inside"),
    ),
)
"""A name in a zip archive -> its kind, the first that is there."""

HEIC_REMEDY = "pip install 'xray-audit[heic]', or convert it to PNG or JPEG"
HEIC_PICTURE = FileKind("an HEIC picture", HEIC_REMEDY)
_AVIF = FileKind("an AVIF picture", _PICTURE, ".avif")
_PLACES: tuple[tuple[int, bytes, FileKind], ...] = (
    (4, b"TFL3", TFLITE),
    (4, b"ORTM", FileKind("a model in ONNX Runtime's own form (.ort)", _SOURCE)),
    (4, b"ET12", FileKind("an ExecuTorch program", _SOURCE)),
    (257, b"ustar", FileKind("a tar archive", "unpack it with tar -xf")),
    (4, b"ftypavi", _AVIF),
    (4, b"ftyphe", HEIC_PICTURE),
    (4, b"ftypmif1", HEIC_PICTURE),
    (4, b"ftypmsf1", HEIC_PICTURE),
    (4, b"ftyp", FileKind("a film", _PICTURE)),
    (8, b"WEBPVP8", FileKind("a WebP picture", _PICTURE, ".webp")),
    (0, b"RIFF", FileKind("a film or sound", _PICTURE)),
    # torch's own number, before its files were zip files.
    (2, b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19", WEIGHTS),
)
_PICKLES = {b"\x02", b"\x03", b"\x04", b"\x05"}

_ONNX_FIELDS = frozenset(bytes([byte]) for byte in b"\x12\x1a\x22\x28\x32\x3a\x42")
"""First bytes of the fields that may follow an ONNX model's version."""

_SERVE = "serve it and give the URL, or name the ONNX model that it was made from"
_MODEL_TEXTS = (
    (b"<net ", FileKind("an OpenVINO model", _SERVE)),
    (b'"modeltopology"', FileKind("a TensorFlow.js model", _SERVE)),
    (b'"weightsmanifest"', FileKind("a TensorFlow.js model", _SERVE)),
)
_TEXTS: tuple[tuple[tuple[bytes, ...], FileKind], ...] = (
    (
        (b"<!doctype html", b"<html", b"<head", b"<body"),
        FileKind("an HTML page, not the file itself", _AGAIN),
    ),
    ((b"<?xml", b"<error>"), XML),
)
_JSON = re.compile(rb'[{\[]\s*(["{}\[\]\d-]|true|false|null|$)')


def file_kind(head: bytes, tail: bytes = b"") -> FileKind | None:
    """The kind of a file with these first and last bytes (up to ``LOOK_AT``); None if unknown."""
    if not head:
        return EMPTY
    if not head.strip(b"\0"):
        return ZEROS if len(head) >= 16 else None
    if head.startswith(b"PK\x03\x04"):
        return _of_zip(head, tail or head)
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    return _of_place(head) or _of_text(head) or _of_protobuf(head)


def kind_of_file(path: Path) -> FileKind | None:
    """The kind of the file at ``path``; None if it is unknown or cannot be read."""
    try:
        with path.open("rb") as stream:
            head = stream.read(LOOK_AT)
            stream.seek(max(0, path.stat().st_size - LOOK_AT))
            return file_kind(head, stream.read(LOOK_AT))
    except OSError:
        return None


def foreign_kind(path: Path) -> FileKind | None:
    """The kind of a file that should be text or a model; None if it may be what it should."""
    kind = kind_of_file(path)
    return None if kind in {EMPTY, TEXT, JSON} else kind


def why_unreadable(path: Path, error: Exception) -> str:
    """Reason why the text file at ``path`` was not read, in words."""
    kind = foreign_kind(path)
    if kind is not None:
        # A kind that has a suffix is fine where it belongs, so its remedy would mislead.
        return f"it is {kind.what}" if kind.suffix else f"it is {kind}"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text: save it as UTF-8"
    return getattr(error, "strerror", None) or str(error)


def kind_of_folder(names: Sequence[str]) -> FileKind | None:
    """The kind of model that a folder with files of these ``names`` holds; None if unknown."""
    models = sorted(name for name in names if name.lower().endswith((".onnx", ".pt2")))
    if len(models) == 1:
        return FileKind("a folder with one model", f"name the file {models[0]} in it")
    if "saved_model.pb" in names:
        return SAVED_MODEL
    if {"pytorch_model.bin", "tf_model.h5"} & set(names):
        return FileKind(
            "a folder of the Hugging Face Hub without safetensors",
            "export it: optimum-cli export onnx --model FOLDER --task image-classification OUT",
        )
    if "Manifest.json" in names:
        return CORE_ML
    return None


def _of_zip(head: bytes, tail: bytes) -> FileKind:
    """A zip archive by the names of its entries, which stand before each and again at the end."""
    if b"PK\x05\x06" not in tail[-66_000:]:
        return CUT_ZIP
    first = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    if first.endswith(b".npy"):
        return NPZ
    # The first entries may be all that tells, if there are very many.
    names = head[:4096] + tail
    return next((kind for mark, kind in _IN_ZIP if mark in names), ZIP)


def _of_place(head: bytes) -> FileKind | None:
    """Kinds with a mark behind the first bytes."""
    for at, mark, kind in _PLACES:
        if head.startswith(mark, at):
            return kind
    length = int.from_bytes(head[:8], "little")
    if 2 <= length < 1 << 30 and head[8:9] == b"{":
        return SAFETENSORS
    return PICKLE if head[:1] == b"\x80" and head[1:2] in _PICKLES else None


def _of_text(head: bytes) -> FileKind | None:
    """Kinds of text, and any other text."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.decode("utf-16", errors="replace").encode("utf-8")
    start = head[:512].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for mark, kind in _MODEL_TEXTS:
        if mark in start:
            return kind
    for starts, kind in _TEXTS:
        if start.startswith(starts):
            return kind
    if _JSON.match(start):
        return JSON
    try:
        text = head[:512].decode("utf-8")
    except UnicodeDecodeError:
        return None
    if text.isprintable() or all(c.isprintable() or c in "\r\n\t" for c in text):
        return TEXT
    return None


def _of_protobuf(head: bytes) -> FileKind | None:
    """ONNX begins with its version, 3 or later; a SavedModel with 1 and a long part."""
    if head[:3] == b"\x08\x01\x12" and head[3:4] >= b"\x80":
        return SAVED_MODEL
    if head[:1] == b"\x08" and head[2:3] == b"\x12" and b"\n" in head[4:6]:
        return CORE_ML  # a description, where ONNX has the name of a program
    if head[:1] == b"\x08" and b"\x03" <= head[1:2] <= b"\x40" and head[2:3] in _ONNX_FIELDS:
        return ONNX
    if head[:1] == b"\x0a" and (b"Placeholder" in head or b"\x12\x05Const" in head):
        return FileKind("a TensorFlow graph (.pb)", _CONVERT.format("graphdef"))
    return None
