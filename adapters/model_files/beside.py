"""Files that belong to a model file and lie beside it: weights too large for the file itself."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from adapters.errors import ModelRefused
from adapters.model_files.file import MAX_FILE_BYTES, Content, unreadable
from adapters.quoting import one_line

MAX_FILES = 64
"""Most files beside one model; exporters write one."""

_USUAL = re.compile(r"(.*[._-])?(data|bin|weights?|pb)", re.IGNORECASE)
"""Endings of names that exporters give to weights."""


@dataclass(frozen=True, slots=True)
class FileBeside:
    """A file beside a model, as the model names it, and the fewest bytes that it must hold; its
    ``place`` if that is another than the name in the model's folder.
    """

    name: str
    least: int
    place: Path | None = None


def why_foreign(model: str, name: str) -> str:
    """Reason why ``name`` cannot be a weights file of ``model``, by its name alone; or empty."""
    path = PurePosixPath(name)
    if not name or not name.isprintable() or "\\" in name:
        return "whose name is no plain file name"
    if path.is_absolute() or ".." in path.parts:
        return "outside its own folder"
    stem = PurePosixPath(model).stem
    if not (path.name.startswith(stem) or _USUAL.fullmatch(path.name)):
        return "that is not named like weights"
    return ""


def find_beside(location: str, part: FileBeside) -> Path:
    """The file ``part`` of the model at ``location``. Raises ModelRefused unless it lies within the
    model's own folder itself: a link could lead to any file of the user's.
    """
    model = Path(location)
    stated = part.place or model.parent.resolve() / part.name
    try:
        real = stated.resolve(strict=True)
        # The cache of the Hugging Face Hub links both names into one folder of contents.
        cached = model.is_symlink() and real.parent == model.resolve().parent
        linked = real != stated and not cached
        status = real.stat()
    except (OSError, RuntimeError) as error:
        problem = "is missing" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise refused(model.name, f"{one_line(part.name, 80)!r}, which {problem} here") from error
    if not real.is_file():
        raise refused(model.name, f"{one_line(part.name, 80)!r}, which is no file")
    if linked or (status.st_nlink > 1 and not cached):
        raise refused(model.name, f"{one_line(part.name, 80)!r}, which is a link: copy the file")
    if status.st_size < part.least:
        raise refused(model.name, f"{one_line(part.name, 80)!r}, which does not hold all of them")
    if status.st_size > MAX_FILE_BYTES:
        raise refused(model.name, f"{one_line(part.name, 80)!r}, of more than the 2 GiB supported")
    return real


def read_beside(location: str, parts: Sequence[FileBeside]) -> dict[str, Content]:
    """Read and hash ``parts`` of the model at ``location``. Raises ModelRefused as
    :func:`find_beside`.
    """
    found = {}
    for part in parts:
        try:
            data = find_beside(location, part).read_bytes()
        except OSError as error:
            raise unreadable(part.name, error) from error
        found[part.name] = Content(hashlib.sha256(data).hexdigest(), data)
    return found


def refused(model: str, what: str) -> ModelRefused:
    """Error for a model whose weights in another file cannot be taken."""
    return ModelRefused(
        f"model file {model} keeps weights in another file, {what}; or store them in the model "
        f"with onnx.save(onnx.load('{model}'), 'whole.onnx')"
    )
