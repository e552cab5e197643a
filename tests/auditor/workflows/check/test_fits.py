"""The way of photographs to a model's shape is measured, said, and kept for the audit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
from PIL import Image

from adapters.target import read_description
from auditor.errors import ExitCode
from auditor.workflows.check.check import MOST_QUERIES
from tests.auditor.workflows.check.conftest import CLASSES, SIZE, prototypes

SMALL = ("--planes", "2", "--canaries", "4", "--no-trigger-search", "--output", "out")


class Ran(Protocol):
    code: int
    out: str
    err: str


RunCommand = Callable[..., Ran]
MakeServer = Callable[..., tuple[Any, str]]


def wide(centre: np.ndarray[Any, Any], seed: int, fit: str) -> np.ndarray[Any, Any]:
    """A photograph (h, w, 3) that shows its class under ``fit`` only."""
    rng = np.random.default_rng(seed)
    noisy = np.clip(centre + rng.normal(0, 20, centre.shape), 0, 255).astype(np.uint8)
    image = Image.fromarray(noisy.transpose(1, 2, 0))
    if fit == "crop":  # its middle is the picture, and left and right is something else
        whole = Image.fromarray(rng.integers(0, 255, (4 * SIZE, 12 * SIZE, 3), dtype=np.uint8))
        whole.paste(image.resize((4 * SIZE, 4 * SIZE), Image.Resampling.BICUBIC), (4 * SIZE, 0))
        return np.asarray(whole)
    return np.asarray(image.resize((12 * SIZE, 4 * SIZE), Image.Resampling.BICUBIC))


@pytest.fixture
def photographs(tmp_path: Path) -> Callable[[str], Path]:
    """A folder of wide photographs, eight of each class."""

    def make(fit: str) -> Path:
        for number, (name, centre) in enumerate(zip(CLASSES, prototypes(3), strict=True)):
            (tmp_path / fit / name).mkdir(parents=True)
            for item in range(8):
                array = wide(centre, 10 * number + item, fit)
                Image.fromarray(array).save(tmp_path / fit / name / f"{item}.png")
        return tmp_path / fit

    return make


def test_the_fit_with_more_right_labels_is_taken_and_kept(
    command: RunCommand, make_server: MakeServer, photographs: Callable[[str], Path]
) -> None:
    server, url = make_server("v2")
    folder = photographs("crop")
    given = ("--samples", folder, "--resize", "8x8")
    ran = command("check", f"{url}/v2/models/audit", *given, "--write", "t.toml")
    assert ran.code == ExitCode.NO_EVIDENCE, ran.out + ran.err
    assert "Photographs' way to the model's shape: of 24 samples, squash " in ran.out
    assert "--fit crop fits better." in ran.out
    assert read_description(Path("t.toml"))["input"]["fit"] == "crop"
    assert server.queries <= MOST_QUERIES
    audit = command("--target", "t.toml", "--samples", folder, *SMALL)
    assert audit.code == ExitCode.INCONCLUSIVE, audit.err
    assert "Pictures: all cropped to 8x8." in audit.err
    report = json.loads(Path("out/report.json").read_text())
    assert report["samples"]["accuracy"] == 1.0
    plan = json.loads(Path("out/plan.json").read_text())
    assert plan["samples"]["notes"] == ["Pictures: all cropped to 8x8."]
    proved = command("verify", "out")
    assert proved.code == ExitCode.NO_EVIDENCE, proved.out


def test_squash_stays_where_it_is_as_good(
    command: RunCommand, make_server: MakeServer, photographs: Callable[[str], Path]
) -> None:
    _, url = make_server("v2")
    given = ("--samples", photographs("squash"), "--resize", "8x8")
    ran = command("check", f"{url}/v2/models/audit", *given, "--write", "t.toml")
    assert ran.code == ExitCode.NO_EVIDENCE, ran.out + ran.err
    assert "squash 24, " in ran.out
    assert "squash stays." in ran.out
    assert "fit" not in read_description(Path("t.toml")).get("input", {})


def test_a_fit_that_the_user_states_stays(
    command: RunCommand, make_server: MakeServer, photographs: Callable[[str], Path]
) -> None:
    _, url = make_server("v2")
    given = ("--samples", photographs("crop"), "--resize", "8x8", "--fit", "squash")
    ran = command("check", f"{url}/v2/models/audit", *given, "--write", "t.toml")
    assert "--fit crop fits better." in ran.out, ran.out + ran.err
    assert "fit" not in read_description(Path("t.toml")).get("input", {})


def test_square_pictures_are_asked_nothing_more(
    command: RunCommand, make_server: MakeServer, pictures: Callable[..., Path]
) -> None:
    _, url = make_server("v2")
    ran = command("check", url, "--samples", pictures(), "--resize", "8x8")
    assert ran.code == ExitCode.NO_EVIDENCE, ran.out + ran.err
    assert "way to the model's shape" not in ran.out


def test_a_fit_needs_a_size(command: RunCommand, pictures: Callable[..., Path]) -> None:
    given = ("--endpoint", "http://127.0.0.1:9/x", "--samples", pictures(), "--fit", "crop")
    ran = command(*given)
    assert ran.code == ExitCode.USAGE
    assert "--fit crop is the way to another size: state it with --resize HxW" in ran.err
