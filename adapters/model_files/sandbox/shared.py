"""Memory that a model file's process and the auditor both see, and neither can pull away."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import mmap
import os
import resource
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.errors import ModelFileError, TargetError
from adapters.model_files.beside import FileBeside, find_beside
from adapters.model_files.file import MAX_FILE_BYTES, Content, ModelFile, model_path, unreadable

_CHUNK = 4 * 1024**2


class SealedModel:
    """A model file's content in memory, hashed while it was read, that cannot be changed: what was
    hashed and checked is what runs, even if the file changes. ``handle`` is the file for the child,
    ``beside`` those of the files that belong to it, by name.
    """

    def __init__(self, location: str) -> None:
        path = model_path(location)
        self._location = location
        self.handle, digest, content = _sealed(path, location)
        self.file = ModelFile(path.name, digest, content)
        self.beside: dict[str, int] = {}

    def add(self, parts: Sequence[FileBeside]) -> None:
        """Read the files beside the model that belong to it. Raises ModelRefused as
        :func:`adapters.model_files.beside.find_beside`.
        """
        found: dict[str, Content] = {}
        try:
            for part in parts:
                path = find_beside(self._location, part)
                self.beside[part.name], digest, content = _sealed(path, part.name)
                found[part.name] = Content(digest, content)
        finally:
            self.file = replace(self.file, beside=found)

    def close(self) -> None:
        """Let go of the content; the child has its own hold on it."""
        for content in (self.file.data, *(part.data for part in self.file.beside.values())):
            assert isinstance(content, mmap.mmap)
            # An error on its way up may still hold a view of it: then it goes with the error.
            with contextlib.suppress(BufferError):
                content.close()
        for handle in (self.handle, *self.beside.values()):
            os.close(handle)


def _sealed(path: Path, location: str) -> tuple[int, str, mmap.mmap]:
    """The content of the file at ``path`` in sealed memory: its handle, digest and map."""
    handle = os.memfd_create("model", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        digest = _copy(path, location, handle)
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(handle, fcntl.F_ADD_SEALS, seals)
        return handle, digest, mmap.mmap(handle, 0, prot=mmap.PROT_READ)
    except BaseException:
        os.close(handle)
        raise


def _copy(path: Path, location: str, target: int) -> str:
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb", buffering=0) as source:
            while part := source.read(_CHUNK):
                size += len(part)
                if size > MAX_FILE_BYTES:
                    raise ModelFileError(
                        f"model file {location} is larger than the 2 GiB supported"
                    )
                digest.update(part)
                _keep(part, location, target)
    except OSError as error:
        raise unreadable(location, error) from error
    if not size:
        raise ModelFileError(f"model file {location} is empty")
    return digest.hexdigest()


def _keep(part: bytes, location: str, target: int) -> None:
    """Write ``part`` to memory. A failure is this machine's, not the model file's."""
    view = memoryview(part)
    try:
        while view:
            view = view[os.write(target, view) :]
    except OSError as error:
        raise TargetError(
            f"model file {location} cannot be kept in memory: {why(error)}"
        ) from error


def why(error: OSError) -> str:
    """Reason why memory is not to be had, in words: such memory counts as a file of this process,
    so a limit on its files holds for it too.
    """
    if error.errno == errno.EFBIG:
        most = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        return f"files are limited to {most:,} bytes here (ulimit -f): raise that limit"
    if error.errno in {errno.ENOSPC, errno.ENOMEM}:
        return "this machine has too little memory left"
    return error.strerror or str(error)


class Slots:
    """Shared memory for a few batches of inputs, one being filled while another is read; ``handle``
    is the file for the child, before its size is known.
    """

    def __init__(self) -> None:
        self.handle = os.memfd_create("inputs", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self._views: NDArray[Any] | None = None

    def shape(self, slots: int, rows: tuple[int, ...], dtype: str) -> None:
        """Give it its size, once: ``slots`` arrays of shape ``rows``, if so much is to be had."""
        kind = np.dtype(dtype)
        size = slots * int(np.prod(rows, dtype=object)) * kind.itemsize
        try:
            os.ftruncate(self.handle, size)
            # Without the seal the child could shrink it, and the auditor would die of a write.
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
            fcntl.fcntl(self.handle, fcntl.F_ADD_SEALS, seals)
            self._map = mmap.mmap(self.handle, size)
        except (OSError, ValueError, OverflowError) as error:
            if isinstance(error, OSError) and error.errno == errno.EFBIG:
                raise TargetError(f"{size:,} bytes for batches of inputs: {why(error)}") from error
            raise TargetError(
                f"batches of {rows[0]} inputs take {size:,} bytes, which are not to be had: "
                "give a smaller --batch"
            ) from error
        self._views = np.frombuffer(self._map, kind).reshape(slots, *rows)

    def fill(self, slot: int, tensor: NDArray[Any]) -> None:
        """Copy ``tensor`` to the first rows of ``slot``."""
        assert self._views is not None
        np.copyto(self._views[slot, : len(tensor)], tensor, casting="no")

    def close(self) -> None:
        """Let go of the memory."""
        if self._views is not None:
            self._views = None
            with contextlib.suppress(BufferError):  # as above
                self._map.close()
        os.close(self.handle)
