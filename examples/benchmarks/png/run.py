"""What do uploads as PNG and JPEG cost, beside other ways to write the same pixels?

    python -m examples.benchmarks png [--rounds 10] [--pictures FOLDER]

Crops of photographs (by default of the portrait that ships with matplotlib), and points of planes
through three of them, at 64 to 320 pixels: bytes and processor time of each way, in turns in one
run. Every file is decoded again: a PNG must give the very pixels, a JPEG those of the tool's JPEG.
The tool writes PNG by ``isal`` (igzip) where it is installed, as the extra ``fast`` does;
``zlib-ng`` is measured if it is there.
"""

from __future__ import annotations

import argparse
import importlib
import io
import statistics
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adapters import png
from adapters.images import encode_image
from auditor.probes.plane import plane_through
from examples.benchmarks.machine import machine
from examples.benchmarks.stored import write_page

PAGE = Path(__file__).with_name("README.md")
SIDES = (64, 160, 224, 320)
COUNT = 8
QUALITY = 90
Pixels = NDArray[np.uint8]
Encode = Callable[[Pixels], bytes]
Deflate = Callable[[bytes], bytes]


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--pictures", type=Path, help="a folder of photographs (.jpg, .png)")
    options = parser.parse_args()
    lines = [
        "# What uploads as PNG and JPEG cost",
        "",
        f"Made by `make bench BENCH=png`: {options.rounds} alternating rounds, {COUNT} crops of "
        f"{'a folder of photographs' if options.pictures else 'one photograph'} and as many points "
        "of planes through three crops, 8-bit RGB. Kilobytes an image, and microseconds of "
        "processor time, medians (smallest to largest). Every file was decoded and compared. "
        f"{machine()}.",
        "",
        "| images | side | way | kB | µs | bytes over the tool's | time over the tool's |",
        "|---|---|---|---|---|---|---|",
    ]
    for side in SIDES:
        crops = _crops(_photographs(options.pictures), side)
        for name, images in (("photographs", crops), ("plane points", _points(crops))):
            lines += _rows(name, side, images, options.rounds)
            print("\n".join(lines[-len(_ways()) :]), flush=True)
    write_page(PAGE, "\n".join(lines))


def _photographs(folder: Path | None) -> list[Pixels]:
    if folder is None:
        paths = [Path(importlib.import_module("matplotlib").get_data_path())]
        paths = [paths[0] / "sample_data" / "grace_hopper.jpg"]
    else:
        found = (path for path in sorted(folder.rglob("*")) if path.suffix in {".jpg", ".png"})
        paths = [path for path, _ in zip(found, range(COUNT), strict=False)]
    return [np.asarray(Image.open(path).convert("RGB")) for path in paths]


def _crops(photographs: list[Pixels], side: int) -> list[Pixels]:
    """Square parts at random places, at random scales down to ``side``; the same each time."""
    rng = np.random.default_rng(side)
    crops = []
    for number in range(COUNT):
        whole = photographs[number % len(photographs)]
        least = min(whole.shape[:2])
        size = int(rng.integers(min(side, least), least + 1))
        top, left = (int(rng.integers(0, edge - size + 1)) for edge in whole.shape[:2])
        part = Image.fromarray(whole[top : top + size, left : left + size])
        scaled = np.asarray(part.resize((side, side), Image.Resampling.BICUBIC))
        crops.append(np.ascontiguousarray(scaled.transpose(2, 0, 1)))
    return crops


def _points(crops: list[Pixels]) -> list[Pixels]:
    """Points of the planes through three crops each, as the paper's grid reaches them."""
    rng = np.random.default_rng(1)
    found = []
    for number in range(COUNT):
        three = np.stack([crops[(number + step) % COUNT] for step in range(3)]) / np.float32(255)
        plane = plane_through(three)
        span = np.ptp(plane.coordinates, axis=0)
        at = plane.coordinates.min(axis=0) + (11 * rng.random(2) - 5) * span
        point = plane.points(at[None])[0]
        found.append(np.rint(255 * point.clip(0, 1)).astype(np.uint8))
    return found


def _rows(name: str, side: int, images: list[Pixels], rounds: int) -> list[str]:
    ways = _ways()
    files = {way: [encode(one) for one in images] for way, encode in ways.items()}
    for way, made in files.items():
        for one, other in zip(made, files[_own(way)], strict=True):
            assert (_decoded(one) == _decoded(other)).all(), way
    for one, image in zip(files["PNG: tool"], images, strict=True):
        assert (_decoded(one) == image.transpose(1, 2, 0)).all()
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, encode in ways.items():
            began = time.process_time()
            for image in images:
                encode(image)
            times[way].append(1e6 * (time.process_time() - began) / len(images))
    lines = []
    for way in ways:
        own = _own(way)
        size, ours = (sum(map(len, files[one])) / len(images) for one in (way, own))
        ratios = [a / b for a, b in zip(times[way], times[own], strict=True)]
        lines.append(
            f"| {name} | {side} | {way} | {size / 1000:.1f} | {_spread(times[way], 0)} "
            f"| {size / ours:.2f} | {_spread(ratios, 2)} |"
        )
    return lines


def _own(way: str) -> str:
    """The tool's way of the same format."""
    return f"{way.partition(':')[0]}: tool"


def _spread(values: list[float], digits: int) -> str:
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _decoded(data: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(data)))


# ---- ways ----------------------------------------------------------------------------------------


def _ways() -> dict[str, Encode]:
    """Name -> function from pixels ``(3, h, w)`` to a file; the tool's way of each format first."""
    ways: dict[str, Encode] = {"PNG: tool": lambda one: encode_image(one, "png")}
    ways["PNG: tool without igzip"] = _without_igzip
    for level in (1, 3, 6, 9):
        ways[f"PNG: Pillow level {level}"] = _pillow("PNG", compress_level=level)
    ways["PNG: Pillow, Huffman codes alone"] = _pillow(
        "PNG", compress_level=1, compress_type=zlib.Z_HUFFMAN_ONLY
    )
    for filtered, name in ((1, "left"), (2, "above"), (4, "Paeth")):
        ways[f"PNG: filter {name} for all rows, run lengths"] = _written(filtered, _run_lengths)
    for library, level in (("isal.isal_zlib", 1), ("zlib_ng.zlib_ng", 1)):
        if (fast := _compressor(library, level)) is not None:
            for filtered, name in ((1, "left"), (4, "Paeth")):
                where = library.partition(".")[0].replace("_", "-")
                ways[f"PNG: filter {name} for all rows, {where} level {level}"] = _written(
                    filtered, fast
                )
    ways["JPEG: tool"] = lambda one: encode_image(one, f"jpeg:{QUALITY}")
    ways["JPEG: optimised codes"] = _pillow("JPEG", quality=QUALITY, optimize=True)
    ways["JPEG: progressive"] = _pillow("JPEG", quality=QUALITY, progressive=True)
    return ways


def _without_igzip(pixels: Pixels) -> bytes:
    had, png.AVAILABLE = png.AVAILABLE, False
    try:
        return encode_image(pixels, "png")
    finally:
        png.AVAILABLE = had


def _pillow(kind: str, **options: int) -> Encode:
    def encode(pixels: Pixels) -> bytes:
        target = io.BytesIO()
        image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
        image.save(target, format=kind, **options)
        return target.getvalue()

    return encode


def _run_lengths(data: bytes) -> bytes:
    deflate = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    return deflate.compress(data) + deflate.flush()


def _compressor(library: str, level: int) -> Deflate | None:
    try:
        module = importlib.import_module(library)
    except ModuleNotFoundError:
        return None
    return lambda data: bytes(module.compress(data, level))


def _written(filtered: int, deflate: Deflate) -> Encode:
    """A PNG put together here, with one filter for all rows."""

    def encode(pixels: Pixels) -> bytes:
        rows = np.ascontiguousarray(pixels.transpose(1, 2, 0))
        height, width = rows.shape[:2]
        lines = np.empty((height, 1 + 3 * width), np.uint8)
        lines[:, 0] = filtered
        lines[:, 1:] = (rows - _expected(rows, filtered)).reshape(height, -1)
        head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        chunks = ((b"IHDR", head), (b"IDAT", deflate(lines.tobytes())), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)

    return encode


def _expected(rows: Pixels, filtered: int) -> Pixels:
    """What a PNG filter expects each value of ``(h, w, 3)`` to be."""
    wide = np.pad(rows, ((1, 0), (1, 0), (0, 0)))
    left, above, corner = wide[1:, :-1], wide[:-1, 1:], wide[:-1, :-1]
    if filtered < 4:
        return left if filtered == 1 else above
    whole = left.astype(np.int16) + above - corner
    to_left, to_above, to_corner = (np.abs(whole - one) for one in (left, above, corner))
    other = np.where(to_above <= to_corner, above, corner)
    return np.where((to_left <= to_above) & (to_left <= to_corner), left, other)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


if __name__ == "__main__":
    main()
