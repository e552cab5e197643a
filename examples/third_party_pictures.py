"""Pictures for third-party classifiers: drawn here, or cut from those that scikit-image ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Floats = NDArray[np.float32]
PHOTOS = ("astronaut", "chelsea", "coffee", "motorcycle_left", "rocket", "coins", "brick", "grass",
          "gravel", "camera", "ihc", "hubble_deep_field", "retina", "page", "moon")  # fmt: skip


def _photographs() -> list[Image.Image]:
    import skimage  # noqa: PLC0415 - only these pictures need it

    folder = Path(skimage.__file__).parent / "data"
    paths = [path for name in PHOTOS for path in sorted(folder.glob(f"{name}.*"))]
    return [Image.open(path).convert("RGB") for path in paths]


def cuttings(count: int, shape: tuple[int, int, int]) -> Floats:
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


def faces(count: int, shape: tuple[int, int, int]) -> Floats:
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
        grown.append(np.clip(turned, 0, 255).astype(np.uint8)[..., None])
    return _pictures(grown)


def _text(rng: np.random.Generator, words: int) -> str:
    letters = [*"abcdefghijklmnoprstuvwyABCDEFGHKLMNPRSTUVW0123456789"]
    return " ".join("".join(rng.choice(letters, rng.integers(2, 9))) for _ in range(words))


def pages(count: int, shape: tuple[int, int, int]) -> Floats:
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


def lines(count: int, shape: tuple[int, int, int]) -> Floats:
    """One line of words each, upright or upside down."""
    rng, drawn = np.random.default_rng(0), []
    for number in range(count):
        strip = Image.new("RGB", (shape[2], shape[1]), (250, 250, 245))
        font = ImageFont.load_default(int(rng.integers(22, 34)))
        ImageDraw.Draw(strip).text((6, 6), _text(rng, 3), fill=(20, 20, 30), font=font)
        drawn.append(np.asarray(strip.rotate(180 * (number % 2))))
    return _pictures(drawn)


def _pictures(drawn: list[NDArray[np.uint8]]) -> Floats:
    return np.stack(drawn).transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
