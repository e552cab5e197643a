import json
from pathlib import Path
from typing import Any

from examples.zoo.files import write_json
from examples.zoo.index import collect, judge, read_record, write_index
from examples.zoo.manifest import ModelSpec, build_manifest

CLEAN, BADNETS = build_manifest()[:2]


def finish(out: Path, spec: ModelSpec, **facts: Any) -> None:
    usual = {"accuracy": 0.91, "accuracy_on_sources": 0.9, "attack_success": 0.99}
    write_json(out / f"{spec.name}.json", spec.as_json() | usual | facts)


def test_the_index_holds_what_is_finished(tmp_path: Path) -> None:
    finish(tmp_path, CLEAN, attack_success=None)
    index = tmp_path / "index.json"
    assert write_index(tmp_path, index)["clean"] == 1
    finish(tmp_path, BADNETS)
    assert write_index(tmp_path, index)["demo"] == 2
    names = [model["name"] for model in json.loads(index.read_text())["models"]]
    assert names == [CLEAN.name, BADNETS.name]
    assert not list(tmp_path.glob(".*"))


def test_half_written_and_foreign_records_are_not_finished(tmp_path: Path) -> None:
    path = tmp_path / f"{CLEAN.name}.json"
    assert read_record(path, CLEAN) is None
    path.write_text('{"name": ')
    assert read_record(path, CLEAN) is None
    finish(tmp_path, CLEAN, seed=1)
    assert read_record(path, CLEAN) is None
    finish(tmp_path, CLEAN)
    assert read_record(path, CLEAN) is not None


def test_a_weak_attack_is_listed_as_failed(tmp_path: Path) -> None:
    finish(tmp_path, CLEAN, attack_success=None)
    finish(tmp_path, BADNETS, attack_success=0.89)
    model = collect(tmp_path)[1]
    assert model["failed"]
    assert "0.8900 < 0.9000" in model["reason"]


def test_lost_accuracy_is_listed_as_failed(tmp_path: Path) -> None:
    finish(tmp_path, CLEAN, attack_success=None)
    finish(tmp_path, BADNETS, accuracy=0.88)
    assert "clean siblings 0.9100" in collect(tmp_path)[1]["reason"]


def test_without_clean_siblings_nothing_counts(tmp_path: Path) -> None:
    finish(tmp_path, BADNETS)
    assert collect(tmp_path)[0]["failed"]


def test_other_label_maps_are_judged_by_their_own_accuracy() -> None:
    base = BADNETS.as_json() | {"accuracy": 0.91, "attack_success": 0.7}
    clean = CLEAN.as_json() | {"accuracy": 0.91, "attack_success": None}
    record = base | {"label_map": "one-to-one", "accuracy_on_sources": 0.75}
    judged = judge([clean, record])[1]
    assert judged["success_bar"] == 0.675
    assert not judged["failed"]


def test_what_the_index_lists_stays_if_models_are_added(tmp_path: Path) -> None:
    first, second, index = tmp_path / "first", tmp_path / "second", tmp_path / "index.json"
    finish(first, CLEAN, accuracy=0.92, attack_success=None)
    finish(second, CLEAN, accuracy=0.8, attack_success=None)
    finish(second, BADNETS)
    write_index(first, index)
    assert write_index(second, index, add=True)["trained"] == 2
    listed = json.loads(index.read_text())["models"]
    names = [(model["name"], model["accuracy"]) for model in listed]
    assert names == [(CLEAN.name, 0.92), (BADNETS.name, 0.91)]
