"""Tiny seeded models of one linear classifier, in every form the adapters read."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SHAPE = (3, 6, 5)
"""Height and width differ, so that a mixed-up axis cannot go unnoticed."""

CLASSES = 4


def weights(seed: int = 0, size: int = int(np.prod(SHAPE))) -> NDArray[np.float64]:
    """Weights ``(size, classes)`` of the linear classifier ``seed``."""
    return np.random.default_rng(seed).normal(size=(size, CLASSES))


@pytest.fixture(scope="session")
def reference() -> Callable[..., NDArray[Any]]:
    """Labels ``(n,)`` of inputs ``(n, c, h, w)``, in plain float64."""

    def labels(batch: NDArray[Any], seed: int = 0) -> NDArray[Any]:
        scores = batch.reshape(len(batch), -1).astype(np.float64) @ weights(seed)
        found: NDArray[Any] = scores.argmax(axis=1)
        return found

    return labels


@pytest.fixture(scope="session")
def batch() -> NDArray[np.float32]:
    """Inputs ``(12, 3, 6, 5)`` in and around [0, 1]."""
    drawn = np.random.default_rng(7).normal(0.5, 0.5, size=(12, *SHAPE))
    return drawn.astype(np.float32)


def onnx_bytes(
    seed: int = 0,
    *,
    dims: Sequence[int | str | None] = ("n", *SHAPE),
    dtype: int = TensorProto.FLOAT,
    nhwc: bool = False,
    reply: str = "scores",
    names: Sequence[str] = ("ant", "bee", "cat", "dog"),
    scale: float = 1.0,
    meta: dict[str, str] | None = None,
    extra_input: bool = False,
) -> bytes:
    """An ONNX model of the linear classifier.

    Args:
        seed: picks the weights.
        dims: shape of the input.
        dtype: element type of the input.
        nhwc: the input has its channels last.
        reply: ``scores``, ``probabilities``, ``ints``, ``column`` (ints ``(n, 1)``), ``names``,
            ``labels-first`` (ints, then scores), ``feature-map-first``, ``nan``, ``scaled`` (no
            label at all), ``one`` (a single score), ``number`` (the same, ``(n,)``), ``unsized``
            (scores of unknown width), ``ranked`` (the three best scores, and their classes) or
            ``beside`` (scores of all, and as many whole numbers that are no classes).
        names: class names of ``names``.
        scale: the input is multiplied by this first.
        meta: metadata_props.
        extra_input: require a second input.
    """
    axes = [axis for axis in dims[1:] if isinstance(axis, int)]
    size = int(np.prod(axes if len(axes) == len(dims) - 1 else SHAPE))
    constants: dict[str, NDArray[Any]] = {
        "w": weights(seed, size).astype(np.float32),
        "k": np.array([scale], dtype=np.float32),
        "names": np.array(names, dtype=object),
        "all": np.ones(CLASSES, dtype=np.bool_),
    }
    nodes = [helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT)]
    if nhwc:
        nodes.append(helper.make_node("Transpose", ["f"], ["t"], perm=[0, 3, 1, 2]))
    image = "t" if nhwc else "f"
    nodes += [
        helper.make_node("Mul", [image, "k"], ["scaled"]),
        helper.make_node("Flatten", ["scaled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["scores"], ["ints"], axis=1, keepdims=0),
        helper.make_node("ArgMax", ["scores"], ["column"], axis=1, keepdims=1),
        helper.make_node("Gather", ["names", "ints"], ["words"], axis=0),
        helper.make_node("Sub", ["scores", "scores"], ["zero"]),
        helper.make_node("Div", ["zero", "zero"], ["nan"]),
        helper.make_node("ReduceMax", ["scores"], ["one"], axes=[1]),
        helper.make_node("ReduceMax", ["scores"], ["number"], axes=[1], keepdims=0),
        helper.make_node("Compress", ["scores", "all"], ["unsized"], axis=1),
        helper.make_node("Constant", [], ["three"], value_ints=[3]),
        helper.make_node("TopK", ["scores", "three"], ["values", "indices"], axis=1),
        helper.make_node("Cast", ["probabilities"], ["rounded"], to=TensorProto.INT64),
    ]
    rows, wide = dims[0], TensorProto.FLOAT
    known: dict[str, tuple[int, list[int | str | None]]] = {
        "scores": (wide, [rows, CLASSES]),
        "probabilities": (wide, [rows, CLASSES]),
        "ints": (TensorProto.INT64, [rows]),
        "column": (TensorProto.INT64, [rows, 1]),
        "words": (TensorProto.STRING, [rows]),
        "nan": (wide, [rows, CLASSES]),
        "scaled": (wide, [rows, None, None, None]),
        "one": (wide, [rows, 1]),
        "number": (wide, [rows]),
        "unsized": (wide, [rows, None]),
        "values": (wide, [rows, 3]),
        "indices": (TensorProto.INT64, [rows, 3]),
        "rounded": (TensorProto.INT64, [rows, CLASSES]),
    }
    listed = {
        "labels-first": ["ints", "scores"],
        "feature-map-first": ["scaled", "scores"],
        "names": ["words"],
        "ranked": ["values", "indices"],
        "beside": ["scores", "rounded"],
    }.get(reply, [reply])
    outputs = [helper.make_tensor_value_info(n, known[n][0], known[n][1]) for n in listed]
    inputs = [helper.make_tensor_value_info("x", dtype, dims)]
    if extra_input:
        inputs.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1]))
    graph = helper.make_graph(
        nodes,
        "linear",
        inputs,
        outputs,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8, producer_name="tests")
    helper.set_model_props(model, meta or {})
    return bytes(model.SerializeToString())


@pytest.fixture
def onnx_file(tmp_path: Path) -> Callable[..., str]:
    """Write an ONNX model (see ``onnx_bytes``) and return its path."""

    def write(name: str = "model.onnx", **how: Any) -> str:
        path = tmp_path / name
        path.write_bytes(onnx_bytes(**how))
        return str(path)

    return write


@pytest.fixture
def onnx_external(tmp_path: Path) -> Callable[[str], str]:
    """Write a model whose weights are in a second file, named as ``way`` says."""

    def write(way: str) -> str:
        path = tmp_path / "external.onnx"
        model = onnx.load_model_from_string(onnx_bytes())
        onnx.save_model(
            model, path, save_as_external_data=True, location="weights.bin", size_threshold=16
        )
        model = onnx.load(path, load_external_data=False)
        for tensor in model.graph.initializer:
            for entry in tensor.external_data:
                if entry.key == "location":
                    entry.value = way.format(folder=tmp_path, name="weights.bin")
        path.write_bytes(model.SerializeToString())
        return str(path)

    return write


def _linear(seed: int, reply: str, dtype: Any) -> Any:
    import torch  # noqa: PLC0415 - slow to import, and only some tests need it

    class Linear(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = torch.nn.Parameter(torch.tensor(weights(seed), dtype=dtype))

    class Scores(Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(1) @ self.w

    class Labels(Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x.flatten(1) @ self.w).argmax(1)

    class Pair(Linear):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x * 2, x.flatten(1) @ self.w

    class Table(Linear):
        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"mean": x.mean((1, 2, 3)), "scores": x.flatten(1) @ self.w}

    class Brain(Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x.flatten(1) @ self.w).to(torch.bfloat16)

    class One(Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x.flatten(1) @ self.w)[:, :1]

    class Mean(Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((1, 2, 3)) + self.w.sum()

    class Train(Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            scores = x.flatten(1) @ self.w
            return -scores if self.training else scores

    kinds: dict[str, type[Linear]] = {
        "scores": Scores,
        "labels": Labels,
        "pair": Pair,
        "table": Table,
        "brain": Brain,
        "one": One,
        "mean": Mean,
        "train": Train,
    }
    return kinds[reply]()


@pytest.fixture(scope="session")
def torch_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Write a ``.pt`` or ``.pt2`` model of the linear classifier and return its path.

    ``batch``: None for a free batch axis, a number for a fixed one, a range for a bounded one.
    """
    folder = tmp_path_factory.mktemp("torch")
    made: dict[str, str] = {}

    def write(
        suffix: str,
        seed: int = 0,
        reply: str = "scores",
        dtype: str = "float32",
        batch: int | tuple[int, int] | None = None,
    ) -> str:
        import torch  # noqa: PLC0415 - slow to import, and only some tests need it

        key = f"{seed}-{reply}-{dtype}-{batch}{suffix}".replace(", ", "to")
        if key in made:
            return made[key]
        path = str(folder / key)
        kind = getattr(torch, dtype)
        model = _linear(seed, reply, kind)
        if suffix == ".pt":
            with warnings.catch_warnings():
                # Deprecated, yet these are the files people have.
                warnings.filterwarnings("ignore", r".*torch\.jit\.")
                torch.jit.save(torch.jit.script(model.train()), path)
        else:
            rows = batch if isinstance(batch, int) else 4
            low, high = batch if isinstance(batch, tuple) else (1, None)
            free = {0: torch.export.Dim("n", min=low, max=high)}
            program = torch.export.export(
                model.eval(),
                (torch.zeros(rows, *SHAPE, dtype=kind),),
                dynamic_shapes=None if isinstance(batch, int) else (free,),
            )
            torch.export.save(program, path)
        made[key] = path
        return path

    return write


# Model objects of the libraries that people hold them in


@pytest.fixture
def model_object(onnx_file: Callable[..., str]) -> Callable[[str, int], Any]:
    """Make a model object of a library, with seeded weights; skips where it is missing."""

    def make(library: str, seed: int) -> Any:
        if library == "session":
            import onnxruntime  # noqa: PLC0415 - slow to import, and only some tests need it

            return onnxruntime.InferenceSession(onnx_file(f"session{seed}.onnx", seed=seed))
        return _MAKERS[library](seed)

    return make


@pytest.fixture
def object_labels(
    reference: Callable[..., NDArray[Any]],
) -> Callable[[str, Any, NDArray[Any]], NDArray[Any]]:
    """Labels of a batch by the object itself, or by the linear classifier that it is."""

    def labels(library: str, model: Any, batch: NDArray[Any]) -> NDArray[Any]:
        if library in {"torch", "keras", "sklearn", "session"}:
            return reference(batch)
        import torch  # noqa: PLC0415 - as above

        network = model[0] if isinstance(model, tuple) else getattr(model, "model", model)
        network.eval()
        with torch.no_grad():
            reply = network(torch.from_numpy(np.ascontiguousarray(batch, np.float32)))
        scores = getattr(reply, "logits", reply)
        found: NDArray[Any] = scores.argmax(1).numpy()
        return found

    return labels


def _torch_object(seed: int) -> Any:
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(90, CLASSES, bias=False), torch.nn.Dropout(0.5)
    )
    with torch.no_grad():
        model[1].weight.copy_(torch.from_numpy(weights(seed).T))
    return model


def _timm_object(seed: int) -> Any:
    timm = pytest.importorskip("timm")
    torch = pytest.importorskip("torch")
    torch.manual_seed(seed)
    model = timm.create_model("test_efficientnet", pretrained=False, num_classes=CLASSES)
    torch.nn.init.normal_(model.get_classifier().weight)
    return model


def _transformers_object(seed: int) -> Any:
    return _pair(seed)[0]


def _pair(seed: int) -> Any:
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    torch.manual_seed(seed)
    names = dict(enumerate(("ant", "bee", "cat", "dog")))
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8], depths=[1], layer_type="basic", id2label=names
    )
    model = transformers.ResNetForImageClassification(config)
    torch.nn.init.normal_(model.classifier[1].weight)
    processor = transformers.ViTImageProcessorPil(
        size={"height": 6, "width": 5}, image_mean=[0.5, 0.4, 0.3], image_std=[0.2, 0.3, 0.4]
    )
    return model, processor


def _keras_object(seed: int) -> Any:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    model = keras.Sequential(
        [
            keras.Input((6, 5, 3)),
            keras.layers.Permute((3, 1, 2)),
            keras.layers.Flatten(),
            keras.layers.Dense(CLASSES, use_bias=False),
        ]
    )
    model.set_weights([weights(seed)])
    return model


def _sklearn_object(seed: int) -> Any:
    linear = pytest.importorskip("sklearn.linear_model")
    model = linear.LogisticRegression()
    model.classes_, model.n_features_in_ = np.arange(CLASSES), 90
    model.coef_, model.intercept_ = weights(seed).T, np.zeros(CLASSES)
    return model


_MAKERS: dict[str, Callable[[int], Any]] = {
    "torch": _torch_object,
    "timm": _timm_object,
    "transformers": _transformers_object,
    "pair": _pair,
    "keras": _keras_object,
    "sklearn": _sklearn_object,
}
