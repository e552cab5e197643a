"""The model as TorchServe loads it: a picture, or JSON numbers, to {class: share}."""

import io
import json
import os

import numpy as np
import onnxruntime
from PIL import Image

SESSION = None


def _load(context):
    global SESSION
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    path = os.path.join(context.system_properties["model_dir"], "model.onnx")
    SESSION = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _input(row):
    data = row.get("data", row.get("body"))
    channels, height, width = SESSION.get_inputs()[0].shape[1:]
    if isinstance(data, (bytes, bytearray)) and data[:1] not in (b"[", b"{"):
        image = Image.open(io.BytesIO(data)).convert("L" if channels == 1 else "RGB")
        pixels = np.asarray(np.asarray(image, np.float64) / 255.0, np.float32)
        return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)
    data = json.loads(data) if isinstance(data, (bytes, bytearray)) else data
    data = data["instances"][0] if isinstance(data, dict) else data
    return np.asarray(data, np.float32).reshape(channels, height, width)


def handle(data, context):
    if SESSION is None:
        _load(context)
    if data is None:
        return None
    batch = np.stack([_input(row) for row in data])
    scores = SESSION.run(None, {SESSION.get_inputs()[0].name: batch})[0]
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares = powers / powers.sum(axis=1, keepdims=True)
    return [{str(k): float(row[k]) for k in np.argsort(-row)[:5]} for row in shares]
