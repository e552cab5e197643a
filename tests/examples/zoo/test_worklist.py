import os
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from examples.zoo.manifest import build_manifest
from examples.zoo.worklist import claimed, is_done, selected
from examples.zoo.workshop import Workshop


def test_a_claim_is_exclusive_while_its_process_lives(tmp_path: Path) -> None:
    lock = tmp_path / "model.lock"
    with claimed(lock) as first, claimed(lock) as second:
        assert first
        assert not second
    assert not lock.exists()


def test_the_claim_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    lock = tmp_path / "model.lock"
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    lock.write_text(str(child))
    with claimed(lock) as mine:
        assert mine


def test_selecting_a_child_selects_its_parent() -> None:
    child = next(spec for spec in build_manifest() if spec.parent)
    assert {spec.name for spec in selected(child.name)} == {child.name, child.parent}


def test_a_record_without_its_model_is_not_done(tmp_path: Path) -> None:
    spec = build_manifest()[0]
    shop = Workshop(tmp_path, tmp_path)
    shop.path(spec.name, ".json").write_text("{}")
    assert not is_done(spec, shop)
