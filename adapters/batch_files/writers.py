"""Hands out one round of inputs: a folder of images, or an ``.npz`` of arrays."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import shutil
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from adapters.batch_files.exchange import FileExchange, Round, key_of, write_whole
from adapters.contract import Batch, InputSpec
from adapters.errors import TargetError
from adapters.images import encode_image, is_image
from adapters.target import Target

MANIFEST = "inputs.csv"
COPY_BYTES = 1 << 22


def choose_encoding(place: Path, target: Target) -> str:
    """The encoding for ``place``: an image in a folder, values in an ``.npz``.

    Raises:
        TargetError: the place cannot hold the encoding, or the encoding not the access mode.
    """
    arrays = place.suffix == ".npz"
    image = target.access == "image"
    if not arrays and not image:
        raise TargetError(
            f"{place} is a folder of images, which cannot hold values outside the 8-bit range: "
            "use --access image, or name an .npz file with --input-file"
        )
    default = "png" if not arrays else "uint8" if image else "float32"
    encoding = target.encoding or default
    if arrays and encoding not in {"float32", "uint8"}:
        raise TargetError(f"encoding {encoding} is an image, and {place} holds arrays")
    if not arrays and not is_image(encoding):
        raise TargetError(f"encoding {encoding} is no image; use png or jpeg:QUALITY")
    if encoding == "uint8" and not image:
        raise TargetError("uint8 cannot carry values outside the 8-bit range: use --access image")
    return encoding


def sent_values(batch: Batch, spec: InputSpec) -> NDArray[Any]:
    """Values that travel for ``batch`` ``(n, c, h, w)``, before any encoding: pixels or inputs."""
    return spec.as_sent(batch) if spec.encoding == "float32" else spec.to_pixels(batch)


class RoundWriter:
    """Writes the next round of an exchange; nothing of it counts before :meth:`finish`."""

    def __init__(self, exchange: FileExchange, spec: InputSpec) -> None:
        self._exchange = exchange
        self._spec = spec
        self.number = len(exchange.rounds) + 1
        self._final = exchange.folder / exchange.name_of(self.number)
        self._partial = self._final.with_name(f".{self._final.name}.partial")
        self._keys: list[bytes] = []
        self._rows: list[tuple[str, str]] = []
        self._raw: IO[bytes] | None = None

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, values: NDArray[Any]) -> None:
        """Write ``values`` of inputs ``(n, c, h, w)``, of :func:`sent_values`.

        Raises:
            TargetError: they cannot be written.
        """
        try:
            if not self._keys:
                self._begin()
            for value in values:
                self._add_one(value)
                self._keys.append(key_of(value))
        except OSError as error:
            raise TargetError(
                f"inputs cannot be written to {self._partial}: {error.strerror}; nothing was "
                "handed out"
            ) from error

    def finish(self) -> Round:
        """Put the round into its place and return it; the exchange's state is the caller's.

        Raises:
            TargetError: it cannot be written.
        """
        try:
            if self._exchange.arrays:
                self._pack()
            else:
                write_whole(self._partial / MANIFEST, self._manifest())
            # A round missing from the state was left by a kill between here and its saving.
            _remove(self._final)
            self._partial.replace(self._final)
            record = b"".join(self._keys)
            write_whole(self._exchange.keys_file(self.number), record)
        except OSError as error:
            raise TargetError(f"inputs cannot be written to {self._final}: {error}") from error
        finally:
            self.discard()
        digest = hashlib.sha256(record).hexdigest()
        return Round(self.number, len(self._keys), self._final.name, digest)

    def discard(self) -> None:
        """Remove the unfinished round."""
        if self._raw is not None:
            self._raw.close()
            self._raw = None
            _remove(self._raw_file)
        if self._keys:
            _remove(self._partial)

    @property
    def _raw_file(self) -> Path:
        return self._partial.with_name(f"{self._partial.name}.raw")

    def _begin(self) -> None:
        self._exchange.folder.mkdir(parents=True, exist_ok=True)
        _remove(self._partial)
        if self._exchange.arrays:
            self._raw = self._raw_file.open("w+b")
        else:
            self._partial.mkdir()

    def _add_one(self, value: NDArray[Any]) -> None:
        name = f"{self._exchange.prefix(self.number)}{len(self._keys):06d}"
        if self._raw is None:
            data = encode_image(value, self._spec.encoding)
            file = f"{name}.{'png' if self._spec.encoding == 'png' else 'jpg'}"
            (self._partial / file).write_bytes(data)
            self._rows.append((file, hashlib.sha256(data).hexdigest()))
            return
        if self._exchange.facts["layout"] == "NHWC":
            value = value.transpose(1, 2, 0)
        data = np.ascontiguousarray(value).tobytes()
        self._raw.write(data)
        self._rows.append((name, hashlib.sha256(data).hexdigest()))

    def _manifest(self) -> bytes:
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("file", "sha256"))
        writer.writerows(self._rows)
        return text.getvalue().encode("utf-8")

    def _pack(self) -> None:
        """Make the ``.npz`` without ever holding all its images in memory."""
        assert self._raw is not None
        c, h, w = self._spec.shape
        one = (h, w, c) if self._exchange.facts["layout"] == "NHWC" else (c, h, w)
        kind = np.dtype("u1" if self._spec.encoding == "uint8" else "<f4")
        names, digests = (np.array(column) for column in zip(*self._rows, strict=True))
        with zipfile.ZipFile(self._partial, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            with archive.open("x.npy", "w", force_zip64=True) as stream:
                header = {"descr": kind.str, "fortran_order": False, "shape": (len(self), *one)}
                np.lib.format.write_array_header_1_0(stream, header)
                self._raw.seek(0)
                shutil.copyfileobj(self._raw, stream, COPY_BYTES)
            for name, array in (("id", names), ("sha256", digests)):
                with archive.open(f"{name}.npy", "w") as stream:
                    np.lib.format.write_array(stream, array, allow_pickle=False)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
