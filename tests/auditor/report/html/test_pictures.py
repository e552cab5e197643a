import io

import numpy as np
import pytest
from PIL import Image

from auditor.report.html import pictures
from auditor.report.html.pictures import (
    BLACK,
    TILES,
    WHITE,
    ink_on,
    label_colour,
    label_map_png,
    label_tile,
    texture_colour,
    thumbnail,
)


def _open(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png), formats=("PNG",))


def _colours(label: int) -> set[tuple[int, ...]]:
    """The label's colour and that of its texture."""
    return {label_colour(label), texture_colour(label_colour(label))}


def test_ten_labels_in_a_row_have_textures_of_their_own() -> None:
    assert len({tile.tobytes() for tile in TILES}) == 10
    assert len({label_tile(n, 24, 22) for n in range(10)}) == 10


def test_a_map_without_colours_still_tells_its_labels_apart() -> None:
    label_map = np.kron(np.array([[1, 2], [3, 4]]), np.ones((20, 20), dtype=int))
    picture = np.asarray(_open(label_map_png(label_map)).convert("RGB")).astype(int)
    side = len(picture) // 2
    corners = [picture[r : r + 36, c : c + 36] for r in (0, side) for c in (0, side)]
    patterns = {(corner == corner[0, 0]).all(axis=2).tobytes() for corner in corners}
    assert len(patterns) == 4


def test_rows_run_right_and_columns_run_up() -> None:
    label_map = np.zeros((4, 4), dtype=int)
    label_map[3, 0] = 1  # last along e1, first along e2: bottom right
    label_map[0, 3] = 2  # top left
    picture = _open(label_map_png(label_map)).convert("RGB")
    last = picture.width - 1
    assert picture.getpixel((last, last)) == label_colour(1)
    assert picture.getpixel((0, 0)) == label_colour(2)
    assert picture.getpixel((0, last)) == picture.getpixel((last, 0)) == label_colour(0)


def test_every_node_is_a_square_of_its_own_colour() -> None:
    label_map = np.random.default_rng(0).integers(0, 10, (20, 20))
    picture = np.asarray(_open(label_map_png(label_map)).convert("RGB"))
    scale = len(picture) // 20
    corners = picture[::scale, ::scale]  # numbers only ever stand in the middle
    for pixel, label in zip(corners.reshape(-1, 3), label_map.T[::-1].ravel(), strict=True):
        assert tuple(pixel) in _colours(int(label))


def test_samples_are_marked_where_their_nodes_lie_and_by_shape() -> None:
    label_map = np.full((40, 40), 7)
    plain = np.asarray(_open(label_map_png(label_map)).convert("RGB")).astype(int)
    nodes = [[5, 5], [20, 5], [30, 30]]
    marked = np.asarray(_open(label_map_png(label_map, nodes)).convert("RGB")).astype(int)
    scale = len(marked) // 40
    shapes = []
    for row, column in nodes:
        y, x = (39 - column) * scale + scale // 2, row * scale + scale // 2
        patch = marked[y - 12 : y + 13, x - 12 : x + 13]
        assert {BLACK, WHITE} <= {tuple(p) for p in patch.reshape(-1, 3)}
        assert tuple(marked[y, x]) in _colours(7)  # hollow: the region stays visible
        shapes.append((patch == 255).all(axis=2).tobytes())
    assert len(set(shapes)) == 3
    assert (marked != plain).any()


def test_large_regions_carry_their_number() -> None:
    numbered = np.asarray(_open(label_map_png(np.full((100, 100), 3))).convert("RGB"))
    others = {tuple(p) for p in numbered.reshape(-1, 3)} - _colours(3)
    assert others == {ink_on(label_colour(3))}


@pytest.mark.parametrize(("labels", "mode"), [(2, "P"), (100, "P"), (200, "RGB"), (60000, "RGB")])
def test_any_number_of_labels_is_drawn(labels: int, mode: str) -> None:
    label_map = np.random.default_rng(0).integers(0, labels, (60, 60))
    assert _open(label_map_png(label_map, [[0, 0], [59, 59], [0, 59]])).mode == mode


@pytest.mark.parametrize("density", [2, 3, 100, 441, 1000])
def test_any_density_makes_a_picture_of_bounded_size(density: int) -> None:
    label_map = np.add.outer(np.arange(density), np.arange(density)) * 5 // (2 * density)
    picture = _open(label_map_png(label_map, [[density - 1, density - 1]]))
    assert picture.width == picture.height
    assert 200 <= picture.width <= pictures.MAX_SIDE


def test_a_paper_sized_map_is_small() -> None:
    blocks = np.kron(np.random.default_rng(0).integers(0, 10, (10, 10)), np.ones((10, 10)))
    assert len(label_map_png(blocks.astype(int), [[45, 45], [54, 45], [50, 54]])) < 4000


def test_equal_maps_give_equal_bytes() -> None:
    label_map = np.random.default_rng(1).integers(0, 10, (30, 30))
    assert label_map_png(label_map) == label_map_png(label_map.tolist())


def test_colours_are_fixed_distinct_and_legible() -> None:
    assert [label_colour(i) for i in range(10)] == list(pictures.PALETTE)
    everything = [label_colour(i) for i in range(65535)]
    assert len(set(everything)) == 65535
    for colour in everything[:500]:
        assert _contrast(colour, ink_on(colour)) >= 4.5


def _contrast(a: pictures.Colour, b: pictures.Colour) -> float:
    def luminance(colour: pictures.Colour) -> float:
        s = np.array(colour) / 255.0
        linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


def _png(side: int, mode: str) -> bytes:
    pixels = np.random.default_rng(2).integers(0, 256, (side, side, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, "PNG")
    return buffer.getvalue()


def test_thumbnails_are_small() -> None:
    for side, mode, media in ((28, "L", "image/png"), (224, "RGB", "image/jpeg")):
        made = thumbnail(_png(side, mode))
        assert made is not None
        assert made[0] == media
        assert len(made[1]) < 5000
        with Image.open(io.BytesIO(made[1])) as opened:
            assert max(opened.size) <= pictures.THUMBNAIL


@pytest.mark.parametrize("data", [b"", b"<svg onload=alert(1)>", b"\x89PNG\r\n\x1a\n broken"])
def test_what_is_no_picture_gets_no_thumbnail(data: bytes) -> None:
    assert thumbnail(data) is None


def test_a_truncated_picture_gets_no_thumbnail() -> None:
    assert thumbnail(_png(64, "RGB")[:200]) is None
