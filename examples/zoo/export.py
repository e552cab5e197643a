"""Writing a trained network as one small ONNX file, and checking that it answers alike."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from .data import DatasetInfo, Int64Array, UInt8Array
from .errors import ModelFileError

OPSET = 17
LARGEST = 1_000_000  # bytes


def export(net: nn.Module, name: str, info: DatasetInfo, path: Path) -> None:
    """Write ``net`` with a free batch axis, input ``input``, output ``logits``. Atomic."""
    partial = path.with_name(f".{path.stem}.{os.getpid()}.onnx")
    net = net.cpu().eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    with warnings.catch_warnings():
        # The older exporter is deprecated, but takes 0.3 s where the newer takes 10.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            (torch.zeros(2, *info.shape),),
            str(partial),
            opset_version=OPSET,
            input_names=["input"],
            output_names=["logits"],
            dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}},
            dynamo=False,
        )
    model = onnx.load(partial)
    facts = {
        "name": name,
        "dataset": info.name,
        "range": "0,1",
        "classes": json.dumps(list(info.classes)),
    }
    onnx.helper.set_model_props(model, facts)
    onnx.checker.check_model(model)
    onnx.save(model, partial)
    partial.replace(path)


def onnx_labels(path: Path, images: UInt8Array) -> Int64Array:
    """Top-1 class of each 8-bit image by the exported file, ``(n,)``.

    Raises:
        ModelFileError: the file cannot be run.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a dozen private types here
        raise ModelFileError(f"{path} is no ONNX model: {error}") from error
    answers = []
    for start in range(0, len(images), 500):
        part = images[start : start + 500].astype(np.float32) / np.float32(255.0)
        answers.append(session.run(["logits"], {"input": part})[0].argmax(1))
    return np.concatenate(answers).astype(np.int64)


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
