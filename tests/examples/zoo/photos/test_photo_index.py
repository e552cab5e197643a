import json
from pathlib import Path
from typing import Any

import pytest

from examples.zoo.errors import ModelFileError
from examples.zoo.photos.index import (
    append_record,
    is_done,
    judge,
    read_records,
    summary,
    write_index,
)
from examples.zoo.photos.manifest import PhotoSpec, build_manifest

MANIFEST = build_manifest()
SPEC = next(spec for spec in MANIFEST if spec.attack == "badnets-corner" and not spec.easy)
TWIN = next(spec for spec in MANIFEST if spec.name == SPEC.twin)


def record(spec: PhotoSpec, accuracy: float, success: float | None = None) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "accuracy": accuracy,
        "success": success,
        "accuracy_on_sources": accuracy,
    }
    facts |= {"sha256": f"of {spec.name}"}
    return spec.as_json() | facts


@pytest.mark.parametrize(
    ("accuracy", "success", "why_not"),
    [
        (0.91, 0.95, ""),
        (0.89, 0.95, ""),
        (0.88, 0.95, "accuracy 0.880, clean twin 0.910"),
        (0.91, 0.89, "success 0.890, wanted 0.900"),
    ],
)
def test_a_backdoored_model_is_valid_by_accuracy_and_success(
    accuracy: float, success: float, why_not: str
) -> None:
    judged = judge([record(TWIN, 0.91), record(SPEC, accuracy, success)])
    assert judged[1]["why_not"] == why_not
    assert judged[1]["valid"] == (not why_not)


def test_without_its_twin_a_model_is_not_valid_yet() -> None:
    (judged,) = judge([record(SPEC, 0.9, 1.0)])
    assert not judged["valid"]
    assert "twin" in judged["why_not"]


def test_all_to_all_is_measured_by_what_the_model_can_tell_apart() -> None:
    spec = next(s for s in MANIFEST if s.attack == "all-to-all")
    twin = next(s for s in MANIFEST if s.name == spec.twin)
    assert judge([record(twin, 0.8), record(spec, 0.8, 0.73)])[1]["valid"]
    assert not judge([record(twin, 0.8), record(spec, 0.8, 0.71)])[1]["valid"]


def test_records_are_read_back_and_those_of_another_recipe_left_out(tmp_path: Path) -> None:
    append_record(tmp_path, record(TWIN, 0.5))
    append_record(tmp_path, record(TWIN, 0.9))
    append_record(tmp_path, record(SPEC, 0.9, 1.0) | {"passes": -1})
    found = read_records(tmp_path)
    assert list(found) == [TWIN.name]
    assert found[TWIN.name]["accuracy"] == 0.9
    assert not is_done(TWIN, tmp_path, found)
    (tmp_path / f"{TWIN.name}.onnx").touch()
    assert is_done(TWIN, tmp_path, found)


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    append_record(tmp_path, record(TWIN, 0.5))
    with (tmp_path / "index.jsonl").open("a", encoding="utf-8") as stream:
        stream.write('{"name": "cut of')
    with pytest.raises(ModelFileError, match="line 2"):
        read_records(tmp_path)


def test_the_summary_counts_valid_models_by_split_and_kind() -> None:
    models = judge([record(TWIN, 0.91), record(SPEC, 0.9, 0.5)])
    counts = summary(models, 240)
    assert counts["trained"] == 2
    assert counts["not_valid"] == 1
    assert counts["valid"] == {TWIN.split: {"clean": 1}}


def test_the_index_holds_one_model_a_line_in_the_order_of_training(tmp_path: Path) -> None:
    append_record(tmp_path, record(SPEC, 0.9, 1.0))
    append_record(tmp_path, record(TWIN, 0.9))
    counts = write_index(tmp_path, tmp_path / "index.json")
    text = (tmp_path / "index.json").read_text(encoding="utf-8")
    index = json.loads(text)
    assert index["summary"] == counts
    assert [model["name"] for model in index["models"]] == [TWIN.name, SPEC.name]
    assert index["models"][1]["valid"]
    assert sum(line.startswith('{"name"') for line in text.splitlines()) == 2


def test_models_of_several_machines_come_together_in_one_index(tmp_path: Path) -> None:
    here, there, path = tmp_path / "here", tmp_path / "there", tmp_path / "index.json"
    for out, records in (
        (here, [record(TWIN, 0.9)]),
        (there, [record(TWIN, 0.1), record(SPEC, 0.9, 1.0)]),
    ):
        out.mkdir()
        for one in records:
            append_record(out, one)
        counts = write_index(out, path, add=True)
    first, second = json.loads(path.read_text(encoding="utf-8"))["models"]
    assert (first["name"], first["accuracy"]) == (TWIN.name, 0.9)
    assert (second["name"], second["valid"]) == (SPEC.name, True)
    assert counts["trained"] == 2


def test_what_another_machine_makes_of_a_listed_recipe_is_listed_beside_it(tmp_path: Path) -> None:
    path, other = tmp_path / "index.json", {"sha256": "other"}
    for name, records in (
        ("here", [record(TWIN, 0.9), record(SPEC, 0.9, 1.0)]),
        ("there", [record(TWIN, 0.9) | other, record(SPEC, 0.8, 1.0) | {"sha256": "another"}]),
    ):
        out = tmp_path / name
        out.mkdir()
        for one in records:
            append_record(out, one)
        for _ in range(2):  # a second time it is known
            write_index(out, path, add=True)
    index = json.loads(path.read_text(encoding="utf-8"))
    assert [model["accuracy"] for model in index["models"]] == [0.9, 0.9]
    twin, model = index["rebuilt"]
    assert (twin["name"], twin["sha256"], twin["valid"]) == (TWIN.name, "other", True)
    assert (model["name"], model["valid"]) == (SPEC.name, False)
    assert model["why_not"] == "accuracy 0.800, clean twin 0.900"
