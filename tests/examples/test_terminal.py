"""Pictures of terminals: what is erased is gone, colours stay, and nothing is fetched."""

from __future__ import annotations

import re

import pytest

from examples.terminal import FOLDER, WIDTHS, Screen, picture


def test_a_region_that_is_drawn_again_is_there_once() -> None:
    screen = Screen()
    screen.feed("done\r\n\x1b[1mSearching\x1b[0m\r\n10%")
    screen.feed("\r\x1b[2K\x1b[1A\x1b[2K\x1b[36mSearching\x1b[0m\r\n20%")
    assert screen.lines == ["done", "\x1b[36mSearching\x1b[0m", "20%"]
    drawn = picture([("While it searches", screen.lines)], 60)
    assert "Searching" in drawn
    assert "10%" not in drawn


@pytest.mark.parametrize("columns", WIDTHS)
def test_the_committed_pictures_are_small_and_fetch_nothing(columns: int) -> None:
    drawn = (FOLDER / f"{columns}.svg").read_text(encoding="utf-8")
    assert len(drawn) < 20_000
    assert not re.search(r"url\(.?https?:|@import|<script|<image|href", drawn)
    assert "SUSPECTED" in drawn
    assert "leads" in drawn
