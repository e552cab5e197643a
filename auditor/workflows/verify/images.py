"""Images of a bundle's samples: unpacked and compared with their hashes, within bounds."""

from __future__ import annotations

import dataclasses
import math
import zlib
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec
from auditor.errors import EvidenceError
from auditor.evidence.files import BundleFiles
from auditor.evidence.layout import PLAN, SAMPLES
from auditor.evidence.record_types import SamplesRecord
from auditor.evidence.records import image_hash
from auditor.samples.fit import to_model_units
from auditor.samples.samples import Samples

MAX_IMAGE_BYTES = 16 * 1024**3
"""Size of the array of all samples' images; only those in the bundle take up memory."""
MAX_INPUT_VALUES = 64 * 1024**2
"""Values of one sample or input."""
MAX_KEPT_VALUES, MAX_NOISE_VALUES = 2**30, 2**27
"""Values of the images that are asked about, in model units, and of noise in place of images."""
MOST_EXPANDED, MOST_FLAT, FLAT_BYTES = 1100, 100, 32 * 1024**2
"""Bytes that one of zlib's can expand to, at most; that one of images' does; and bytes up to which
any images may be flat.
"""
NOISE_SEED = 0


class TooLarge(EvidenceError):
    """A sound bundle may be larger than this program takes on."""


class Damaged(EvidenceError):
    """Files do not fit each other, whichever version wrote them."""


def recorded_samples(files: BundleFiles, held: SamplesRecord, digest: str) -> Samples:
    """Samples of a plan, with the images that the bundle holds; the others are zero.

    Raises:
        TooLarge: they are more than can be held here.
        Damaged: images are not those of the plan.
        EvidenceError: the record does not fit itself.
    """
    dtype, count = np.dtype(held.dtype), len(held.refs)
    values = math.prod(held.shape)
    if len(held.sha256) != count or len(held.classes) != count:
        raise EvidenceError(f"{PLAN} does not name a class and a hash for every sample")
    if any(place >= count for place in held.kept):
        raise EvidenceError(f"{PLAN} names images of samples that it does not have")
    if any(one >= two for one, two in pairwise(held.kept)):
        raise EvidenceError(f"{PLAN} does not name images in order, each once")
    if values > MAX_INPUT_VALUES or count * values * dtype.itemsize > MAX_IMAGE_BYTES:
        raise TooLarge("the samples are more than can be judged again here")
    images = np.zeros((count, *held.shape), dtype=dtype)
    if SAMPLES in files:
        _fill(images, files.get(SAMPLES), held)
    return Samples(
        refs=held.refs,
        classes=held.classes,
        images=images,
        class_order=held.class_order,
        stated_order=held.stated_order,
        digest=digest,
        notes=held.notes,
    )


def _fill(images: NDArray[Any], packed: bytes, held: SamplesRecord) -> None:
    """Unpack the images of the bundle to their places, and compare them with their hashes."""
    places, one = held.kept, images[:1].nbytes
    other = Damaged(f"{SAMPLES} does not hold the images that {PLAN} names")
    if len(places) * one > MOST_EXPANDED * len(packed):
        raise other
    if len(places) * one > max(FLAT_BYTES, MOST_FLAT * len(packed)):
        raise TooLarge(f"{SAMPLES} expands more than images do")
    unpacker = _Unpacker(packed, other)
    for place in places:
        values = np.frombuffer(unpacker.take(one), dtype=images.dtype.newbyteorder("<"))
        images[place] = values.reshape(images.shape[1:])
        if image_hash(images[place]) != held.sha256[place]:
            raise Damaged(f"image {place} of {SAMPLES} is not the one that {PLAN} names")
    unpacker.end()


class _Unpacker:
    """Takes zlib data apart piece by piece; raises ``damaged`` if it does not hold just those."""

    def __init__(self, packed: bytes, damaged: EvidenceError) -> None:
        self._packed, self._damaged = packed, damaged
        self._zlib = zlib.decompressobj()

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        data = b""
        while len(data) < size:
            part = self._next(size - len(data))
            if not part:
                raise self._damaged
            data = data + part if data else part
        return data

    def end(self) -> None:
        """Check that nothing is left, and that the checksum fits."""
        if self._next(1) or not self._zlib.eof or self._zlib.unused_data:
            raise self._damaged

    def _next(self, most: int) -> bytes:
        try:
            part = self._zlib.decompress(self._packed, most)
        except zlib.error:
            raise self._damaged from None
        self._packed = self._zlib.unconsumed_tail
        return part


def model_images(
    files: BundleFiles, samples: Samples, held: SamplesRecord, spec: InputSpec, planes: int
) -> NDArray[np.float32]:
    """All images in model units ``(n, c, h, w)``: zero if not kept, noise if withheld.

    Raises:
        TooLarge: they, or the inputs of ``planes`` planes, are more than can be made here.
    """
    places = list(held.kept)
    most = MAX_KEPT_VALUES if SAMPLES in files else MAX_NOISE_VALUES
    asked = max(len(places), planes) * spec.size
    if spec.size > MAX_INPUT_VALUES or asked > most:
        raise TooLarge("the inputs are more than can be judged again here")
    # Pages that are never touched take no memory.
    images = np.zeros((len(samples), *spec.shape), dtype=np.float32)
    if SAMPLES in files:
        part = dataclasses.replace(
            samples,
            refs=tuple(samples.refs[place] for place in places),
            classes=tuple(samples.classes[place] for place in places),
            images=samples.images[places],
        )
        images[places] = to_model_units(part, spec)
    else:
        noise = np.random.default_rng(NOISE_SEED)
        for place in places:
            images[place] = noise.random(spec.shape, dtype=np.float32)
    return images
