"""Folders and hub names: the file in them that is meant, or one sentence on what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.errors import ModelFileError
from adapters.model_files.folder import mlflow_file, snapshot_file, snapshot_parts, variables_of
from adapters.target import model_kind
from auditor.workflows.targets import stated_model


def filled(folder: Path, *names: str, text: str = "{}") -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_snapshot_is_its_weights_and_what_lies_beside(tmp_path: Path) -> None:
    folder = filled(tmp_path, "config.json", "model.safetensors", "preprocessor_config.json")
    assert model_kind(str(folder)) == "snapshot"
    assert stated_model(folder) == str(folder)
    weights = snapshot_file(str(folder))
    assert weights == str(folder / "model.safetensors")
    assert [part.name for part in snapshot_parts(weights)] == [
        "config.json",
        "preprocessor_config.json",
    ]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["config.json", "pytorch_model.bin"], "holds no safetensors: load it where you trust it"),
        (["config.json", "model.safetensors.index.json"], "keeps its weights in several files"),
        (["config.json"], "holds no model.safetensors beside a config.json"),
    ],
)
def test_a_snapshot_without_safe_weights_is_refused(
    tmp_path: Path, names: list[str], words: str
) -> None:
    with pytest.raises(ModelFileError, match=words):
        snapshot_file(str(filled(tmp_path, *names)))


@pytest.mark.parametrize("name", ["hf:org/name@main", "timm:name"])
def test_a_name_on_the_hub_is_found_in_its_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    owner = "org" if name.startswith("hf:") else "timm"
    kept = tmp_path / f"models--{owner}--name"
    filled(kept, "refs/main", text="abc")
    folder = filled(kept / "snapshots" / "abc", "config.json", "model.safetensors")
    assert model_kind(name) == "snapshot"
    assert stated_model(Path(name)) == name
    assert Path(snapshot_file(name)) == folder / "model.safetensors"
    with pytest.raises(ModelFileError, match="hf:org/other cannot be fetched"):
        snapshot_file("hf:org/other")


@pytest.mark.parametrize("name", ["hf:", "hf:a/b/c", "timm:../x/y", "hf:a b"])
def test_a_name_that_no_hub_can_have_is_refused(name: str) -> None:
    with pytest.raises(ModelFileError, match="is no name on the Hugging Face Hub"):
        snapshot_file(name)


@pytest.mark.parametrize("inner", ["model.onnx", "data/model.keras", "model/model.safetensors"])
def test_the_model_in_an_mlflow_folder_stands_for_it(tmp_path: Path, inner: str) -> None:
    folder = filled(tmp_path, "MLmodel", inner, "model/config.json")
    found = Path(stated_model(folder))
    assert found == (tmp_path / inner if not inner.endswith("safetensors") else tmp_path / "model")
    assert model_kind(str(found)) in {"onnx", "keras", "snapshot"}


def test_an_mlflow_folder_of_pickles_is_refused_with_ways_on(tmp_path: Path) -> None:
    folder = filled(tmp_path, "data/model.pth", "MLmodel")
    flavours = "flavors:\n  python_function:\n    loader_module: x\n  pytorch:\n    code: null\n"
    (folder / "MLmodel").write_text(flavours, encoding="utf-8")
    with pytest.raises(
        ModelFileError, match=r"of the flavour pytorch, .* log it as onnx"
    ) as caught:
        mlflow_file(folder)
    assert "auditor.audit(model, ...)" in str(caught.value)


def test_an_mlflow_folder_of_several_models_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="holds several models"):
        mlflow_file(filled(tmp_path, "MLmodel", "a.onnx", "b.onnx"))


def test_a_folder_with_a_saved_model_is_one(tmp_path: Path) -> None:
    folder = filled(tmp_path, "saved_model.pb", "variables/variables.index")
    assert model_kind(str(folder)) == "savedmodel"
    parts = variables_of(str(folder / "saved_model.pb"))
    assert [part.name for part in parts] == ["variables/variables.index"]
