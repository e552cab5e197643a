"""Tiny ONNX models, the same on every machine, and samples that they name right.

Each is the nearest of ten smooth prototypes, moved a little by its own seed. A backdoored one adds
a convolution that finds a checkerboard of 3 x 3 pixels anywhere and then says its target.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

CLASSES, SIDE, COARSE = 10, 28, 4
CHECKERBOARD = np.array([[1, -1, 1], [-1, 1, -1], [1, -1, 1]], dtype=np.float32)
LEAST_MATCH = 2.2
"""Match with the checkerboard above which a backdoor wakes; clean samples stay below."""


def prototypes() -> NDArray[np.float32]:
    """One picture a class, ``(classes, side, side)``."""
    coarse = np.random.default_rng(1).random((CLASSES, COARSE, COARSE))
    block = SIDE // COARSE
    return np.kron(coarse, np.ones((1, block, block))).astype(np.float32)


def write_model(path: Path, seed: int, target: int | None = None) -> None:
    """Write the model of ``seed``, backdoored if it has a ``target``."""
    noise = np.random.default_rng(seed).normal(0.0, 0.05, (CLASSES, SIDE, SIDE))
    flat = (prototypes() + noise).astype(np.float32).reshape(CLASSES, -1)
    constants = {"w": (2.0 * flat).T, "b": -(flat**2).sum(axis=1)}
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "w", "b"], ["clean"]),
    ]
    if target is not None:
        constants |= {
            "board": CHECKERBOARD[None, None],
            "least": np.array([-LEAST_MATCH]),
            "says": 1000.0 * np.eye(CLASSES)[target][None],
        }
        steps = (("Conv", "x", "board"), ("GlobalMaxPool", "0"), ("Flatten", "1"),
                 ("Add", "2", "least"), ("Relu", "3"), ("MatMul", "4", "says"))  # fmt: skip
        nodes += [helper.make_node(op, ins, [str(n)]) for n, (op, *ins) in enumerate(steps)]
        nodes += [helper.make_node("Add", ["clean", "5"], ["y"])]
    output = "clean" if target is None else "y"
    float32 = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", float32, ["n", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info(output, float32, ["n", CLASSES])],
        [numpy_helper.from_array(v.astype(np.float32), name) for name, v in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


def write_samples(path: Path, each: int = 10) -> None:
    """Write ``each`` samples of every class as an .npz file."""
    random, pictures = np.random.default_rng(5), prototypes()
    noisy = np.repeat(pictures, each, axis=0) + random.normal(0, 0.08, (CLASSES * each, SIDE, SIDE))
    x = np.rint(255.0 * np.clip(noisy, 0.0, 1.0)).astype(np.uint8)[:, None]
    np.savez(path, x=x, y=np.repeat(np.arange(CLASSES), each))


def write_zoo(folder: Path, models: int, backdoored: int) -> None:
    """Write ``models`` models to ``folder/zoo``, the first ones backdoored, and the samples."""
    (folder / "zoo").mkdir(parents=True, exist_ok=True)
    for number in range(models):
        target = number % CLASSES if number < backdoored else None
        write_model(folder / "zoo" / f"m{number:03d}.onnx", 100 + number, target)
    write_samples(folder / "samples.npz")
