"""Label maps as small palette PNGs, and samples.

Orientation: e1 points right and e2 up, so that row i of a label map is the picture's column i
from the left and column j its row j from the bottom.

Nothing depends on colour alone: large regions carry their label's number, and the three samples
are marked by a circle, a square and a triangle.
"""

from __future__ import annotations

import colorsys
import io
import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Ink = int | Colour
"""A colour as the canvas takes it: a palette index, or red, green and blue."""

BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)

PALETTE: tuple[Colour, ...] = tuple(
    (code >> 16, code >> 8 & 0xFF, code & 0xFF)
    for code in (
        0xCC6677, 0x332288, 0xDDCC77, 0x117733, 0x88CCEE, 0x882255, 0x44AA99, 0x999933, 0xAA4499,
        0xDDDDDD,
    )
)  # fmt: skip
"""Paul Tol's "muted" scheme, which colour-blind readers can tell apart: labels 0 to 9."""

MARKS = ("circle", "square", "triangle")
"""Mark of the first, second and third sample of a triplet."""

SIDE = 440
"""Side in pixels that a picture is enlarged to, rounded down to whole pixels per node."""

MAX_SIDE = 880
"""Side that a denser map is thinned to, node by node."""

NUMBERED_SHARE = 0.02
"""Labels with a smaller share get no number in the picture: there is no room for one."""

MIN_UNIT, MAX_UNIT = 2, 3
"""Smallest and largest size, in pixels, of the dots that digits are made of."""

SAMPLE_SIDE = 96
"""Larger samples are shrunk: the report shows what they are, it does not archive them."""

MAX_SAMPLE_PIXELS = 1024**2
"""Larger pictures are none that an audit makes, and cost a reader time and memory."""

THUMBNAIL = 64
"""Largest side of a sample's thumbnail in pixels."""

_DIGITS = (
    "01110 10001 10011 10101 11001 10001 01110",
    "00100 01100 00100 00100 00100 00100 01110",
    "01110 10001 00001 00110 01000 10000 11111",
    "01110 10001 00001 00110 00001 10001 01110",
    "00010 00110 01010 10010 11111 00010 00010",
    "11111 10000 11110 00001 00001 10001 01110",
    "00110 01000 10000 11110 10001 10001 01110",
    "11111 00001 00010 00100 01000 01000 01000",
    "01110 10001 10001 01110 10001 10001 01110",
    "01110 10001 10001 01111 00001 00010 01100",
)
"""Digits, 5 by 7: drawn in whole pixels, they stay sharp and the palette stays small."""


def label_colour(label: int) -> Colour:
    """Colour of ``label``, the same in every report.

    Labels from 10 on walk through hue and lightness by irrational steps, so that neighbours
    are far apart; with that many classes the numbers, not the colours, tell labels apart.
    """
    if label < len(PALETTE):
        return PALETTE[label]
    hue = (label * 0.6180339887498949) % 1.0
    lightness = 0.30 + 0.50 * ((label * 0.7548776662466927) % 1.0)
    saturation = 0.40 + 0.40 * ((label * 0.5698402909980532) % 1.0)
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, saturation)
    return round(255 * red), round(255 * green), round(255 * blue)


def ink_on(colour: Colour) -> Colour:
    """Black or white, whichever stands out more on ``colour``: at least 4.5 to 1."""
    linear = [
        v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4
        for v in (channel / 255.0 for channel in colour)
    ]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return BLACK if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else WHITE


def label_map_png(label_map: Any, nodes: Sequence[Sequence[int]] = ()) -> bytes:
    """One label map as PNG.

    Args:
        label_map: ``(S, S)`` whole numbers, row i along e1 and column j along e2.
        nodes: row and column of the node nearest to each sample, up to three.
    """
    labels, step, scale = _thinned(np.asarray(label_map, dtype=np.int64))
    places = [
        ((int(row) // step + 0.5) * scale, (len(labels) - int(column) // step - 0.5) * scale)
        for row, column in nodes
    ]
    canvas, inks = _paint(labels, scale)
    draw = ImageDraw.Draw(canvas)
    _write_numbers(draw, inks, labels, scale, places)
    for shape, place in zip(MARKS, places, strict=False):
        _mark(draw, shape, place, inks)
    return _png(canvas)


def _thinned(nodes: NDArray[Any]) -> tuple[NDArray[Any], int, int]:
    """The nodes that a picture of at most :data:`MAX_SIDE` pixels shows (left out, never blended),
    the step between them, and the pixels along a node's side.
    """
    step = math.ceil(len(nodes) / MAX_SIDE)
    shown = nodes[::step, ::step]
    return shown, step, max(1, SIDE // len(shown))


def _upright(nodes: NDArray[Any], scale: int) -> NDArray[Any]:
    """The nodes in the picture's orientation, each a square of ``scale`` pixels."""
    return np.flipud(nodes.T).repeat(scale, axis=0).repeat(scale, axis=1)


def asked_png(rows: Sequence[str]) -> bytes:
    """The nodes of a refined map that were asked, dark on white, in the map's orientation.

    Args:
        rows: per row of the map a text of 1 for asked and 0 for filled.
    """
    asked, _, scale = _thinned(np.array([[one == "1" for one in row] for row in rows]))
    shades = np.where(_upright(asked, scale), 0x33, 0xFF).astype(np.uint8)
    return _png(Image.fromarray(shades))


Embedded = tuple[str, bytes, tuple[int, int]]
"""A picture as a page holds it: media type, bytes, and width and height in pixels."""


def thumbnail(picture: bytes) -> Embedded | None:
    """A sample's PNG, small enough to embed; None if it is not a PNG that can be read."""
    return embedded(picture, THUMBNAIL, 3000)


def embedded(picture: bytes, side: int, exact: int) -> Embedded | None:
    """A PNG of at most ``side`` pixels a side, as JPEG where more than ``exact`` bytes would be
    needed; None if it is not a PNG that can be read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(picture), formats=("PNG",)) as opened:
                if opened.width * opened.height > MAX_SAMPLE_PIXELS:
                    return None
                plain = opened.convert("L" if opened.mode in {"1", "L"} else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Warning):
        return None
    plain.thumbnail((side, side), Image.Resampling.BOX)
    png = _png(plain)
    if len(png) <= exact:
        return "image/png", png, plain.size
    buffer = io.BytesIO()
    plain.save(buffer, "JPEG", quality=88, subsampling=0)
    return "image/jpeg", buffer.getvalue(), plain.size


def sample_png(pixels: NDArray[np.uint8], side: int = SAMPLE_SIDE) -> bytes:
    """PNG of one sample ``(c, h, w)`` uint8, of at most ``side`` pixels a side; one channel is
    grey, three are RGB, and of any other number the first is shown.
    """
    channels = pixels.shape[0]
    plain = np.moveaxis(pixels, 0, -1) if channels == 3 else pixels[0]
    picture = Image.fromarray(np.ascontiguousarray(plain))
    picture.thumbnail((side, side))
    return _png(picture)


def texture_colour(colour: Colour) -> Colour:
    """The colour that a label's texture is drawn in: a fifth of the way to its ink."""
    ink = ink_on(colour)
    red, green, blue = (round(0.8 * c + 0.2 * i) for c, i in zip(colour, ink, strict=True))
    return red, green, blue


class _Inks:
    """Colours of one picture: palette indices, or plain colours where 256 do not suffice.

    Black, white, then each label's colour and the one of its texture.
    """

    def __init__(self, labels: NDArray[np.int64]) -> None:
        plain = [label_colour(int(label)) for label in labels]
        pairs = [colour for one in plain for colour in (one, texture_colour(one))]
        self.colours = [BLACK, WHITE, *pairs]
        self.indexed = len(self.colours) <= 256
        self.black: Ink = 0 if self.indexed else BLACK
        self.white: Ink = 1 if self.indexed else WHITE

    def on(self, label: int) -> Ink:
        return self.black if ink_on(label_colour(label)) == BLACK else self.white


def _paint(labels: NDArray[np.int64], scale: int) -> tuple[Image.Image, _Inks]:
    present, codes = np.unique(labels, return_inverse=True)
    inks = _Inks(present)
    large = 2 + 2 * _upright(codes.reshape(labels.shape), scale)
    y, x = np.indices(large.shape)
    large += TILES[(present % len(TILES))[large // 2 - 1], y % 12, x % 12]
    colours = np.array(inks.colours, dtype=np.uint8)
    if not inks.indexed:
        return Image.fromarray(colours[large]), inks
    return _indexed(large, colours), inks


def _indexed(codes: NDArray[Any], colours: NDArray[np.uint8]) -> Image.Image:
    canvas = Image.fromarray(codes.astype(np.uint8)).convert("P")
    canvas.putpalette(colours.tobytes())
    return canvas


def _tiles() -> NDArray[np.bool_]:
    """``(10, 12, 12)``, true for the pixels of each texture's second colour: plain to crossed."""
    y, x = np.indices((12, 12))
    across, down, rising, falling = x < 2, y < 2, (x + y) % 12 < 2, (x - y) % 12 < 2
    textures = (
        x < 0,
        rising,
        across,
        falling,
        down,
        across & down,
        across ^ down,
        rising ^ falling,
        (x + y) % 6 < 1,
        (x % 6 < 2) & (y % 6 < 2),
    )
    # Moved a little, so that no stroke runs along a picture's upper or left edge.
    return np.roll(np.stack(textures), (2, 5), axis=(1, 2))


TILES = _tiles()
"""Ten textures go round among the labels: with colours and numbers they keep labels apart for a
reader who sees no colour, and in a print without any."""


def label_tile(label: int, width: int, height: int) -> bytes:
    """PNG of the label's colour and texture, as in the pictures."""
    y, x = np.indices((height, width))
    where = TILES[label % len(TILES), y % 12, x % 12]
    colour = label_colour(label)
    return _png(_indexed(where, np.array([colour, texture_colour(colour)], dtype=np.uint8)))


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _mark(draw: ImageDraw.ImageDraw, shape: str, place: tuple[float, float], inks: _Inks) -> None:
    """A hollow white mark with black edges: seen on every colour, and so is the region in it."""
    x, y = place
    for grow, width, ink in ((2.0, 6, inks.black), (0.0, 3, inks.white)):
        r = 8.0 + grow
        if shape == "circle":
            draw.ellipse((x - r, y - r, x + r, y + r), outline=ink, width=width)
        elif shape == "square":
            s = r - 0.5
            draw.rectangle((x - s, y - s, x + s, y + s), outline=ink, width=width)
        else:
            t = r + 3.0
            corners = [(x, y - t), (x + t, y + 0.75 * t), (x - t, y + 0.75 * t)]
            draw.polygon(corners, outline=ink, width=width)


def _write_numbers(
    draw: ImageDraw.ImageDraw,
    inks: _Inks,
    labels: NDArray[np.int64],
    scale: int,
    places: Sequence[tuple[float, float]],
) -> None:
    present, counts = np.unique(labels, return_counts=True)
    kept = np.ones(labels.shape, dtype=bool)
    reach = math.ceil(14 / scale)
    for x, y in places:
        row, column = int(x / scale), labels.shape[0] - 1 - int(y / scale)
        kept[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1] = (
            False
        )
    for label in present[counts >= NUMBERED_SHARE * labels.size].tolist():
        row, column, depth = _deepest(kept & (labels == label))
        middle = ((row + 0.5) * scale, (labels.shape[0] - column - 0.5) * scale)
        _write(draw, str(label), middle, (2 * depth - 1) * scale - 4, inks.on(label))


def _deepest(mask: NDArray[np.bool_]) -> tuple[int, int, int]:
    """Row, column and depth of the node of ``mask`` that is farthest from its edge: a square
    of ``2 * depth - 1`` nodes around it lies inside.
    """
    inside, depth = mask, 0
    while inside.any():
        depth += 1
        core = inside
        padded = np.pad(inside, 1)
        rows = padded[:-2] & padded[1:-1] & padded[2:]
        inside = rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]
    if depth == 0:
        return 0, 0, 0
    nodes = np.argwhere(core)
    row, column = nodes[np.abs(nodes - np.median(nodes, axis=0)).sum(axis=1).argmin()]
    return int(row), int(column), depth


def _write(
    draw: ImageDraw.ImageDraw, number: str, middle: tuple[float, float], room: int, ink: Ink
) -> None:
    """Digits around ``middle``, in the largest size that ``room`` pixels hold; none if none."""
    unit = min(MAX_UNIT, room // max(6 * len(number) - 1, 7))
    if unit < MIN_UNIT:
        return
    left = int(middle[0] - unit * (6 * len(number) - 1) / 2)
    top = int(middle[1] - unit * 7 / 2)
    for position, digit in enumerate(number):
        for down, bits in enumerate(_DIGITS[int(digit)].split()):
            for across, bit in enumerate(bits):
                if bit == "1":
                    x, y = left + unit * (6 * position + across), top + unit * down
                    draw.rectangle((x, y, x + unit - 1, y + unit - 1), fill=ink)
