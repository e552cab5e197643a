"""Models of the npm package nsfwjs: a Keras graph and its shards of weights, written as JavaScript.

Nothing of the package is run: the graph is read as data and computed by torch.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Weights = dict[str, NDArray[np.float32]]
_KEY = re.compile(r"([{,])([A-Za-z_]\w*):")
_NUMBER = re.compile(r"(?<=[\[,:-])\.(?=\d)")
_SHARD = re.compile(r'"([A-Za-z0-9+/=]{1000,})"')


def read_model(folder: Path) -> tuple[list[dict[str, Any]], Weights]:
    """Layers in the order of their computation, and weights by name.

    Args:
        folder: holds ``model.min.js`` and its ``group1-shard*.min.js``.
    """
    text = (folder / "model.min.js").read_text(encoding="utf-8")
    topology = _literal(text, "modelTopology")
    bytes_ = b"".join(
        base64.b64decode(part)
        for path in sorted(folder.glob("group1-shard*.min.js"))
        for part in _SHARD.findall(path.read_text(encoding="utf-8"))
    )
    layers = topology["model_config"]["config"]["layers"]
    return layers, weights_of(_literal(text, "weightsManifest")[0]["weights"], bytes_)


def _literal(text: str, key: str) -> Any:
    """The JavaScript literal that stands behind ``key``, which holds no string with a bracket."""
    start = text.index(f"{key}:") + len(key) + 1
    depth, end = 0, start
    while end == start or depth:
        depth += (text[end] in "[{") - (text[end] in "]}")
        end += 1
    plain = text[start:end].replace("!0", "true").replace("!1", "false")
    return json.loads(_NUMBER.sub("0.", _KEY.sub(r'\1"\2":', plain)))


def weights_of(stated: list[dict[str, Any]], shards: bytes) -> Weights:
    """Weights by name, from what a TensorFlow.js manifest states of each and all their bytes."""
    found: Weights = {}
    place = 0
    for one in stated:
        scale = one.get("quantization")
        kind = np.dtype(one["dtype"] if scale is None else scale["dtype"])
        count = int(np.prod(one["shape"]))
        values = np.frombuffer(shards, kind, count, place).astype(np.float32)
        place += count * kind.itemsize
        if scale is not None:
            values = values * np.float32(scale["scale"]) + np.float32(scale["min"])
        found[one["name"]] = values.reshape(one["shape"])
    return found


def shards_network(folder: Path) -> Any:
    """The torch module that gives scores of pictures ``(n, c, h, w)`` as the model wants them."""
    import torch  # noqa: PLC0415 - only these models need it

    layers, weights = read_model(folder)

    class Network(torch.nn.Module):
        def forward(self, pictures: Any) -> Any:
            return compute(layers, weights, pictures)

    return Network()


def compute(layers: list[dict[str, Any]], weights: Weights, pictures: Any) -> Any:
    """Output of the last layer for a tensor of pictures ``(n, c, h, w)``, scaled for the model."""
    import torch  # noqa: PLC0415 - only these models need it

    known: dict[str, Any] = {}
    for layer in layers:
        name = layer["name"]
        inputs = [known[one[0]] for one in (layer["inbound_nodes"] or [[]])[0]]
        mine = {
            key.rsplit("/", 1)[1]: torch.from_numpy(value)
            for key, value in weights.items()
            if key.startswith(f"{name}/")
        }
        known[name] = _layer(layer["class_name"], layer["config"], mine, inputs or [pictures])
    return known[layers[-1]["name"]]


def _layer(kind: str, config: dict[str, Any], mine: dict[str, Any], inputs: list[Any]) -> Any:
    if kind not in _LAYERS:
        raise ValueError(f"a layer of the kind {kind} is not known here")
    return _LAYERS[kind](config, mine, inputs)


def _padded(config: dict[str, Any], _: dict[str, Any], inputs: list[Any]) -> Any:
    from torch.nn.functional import pad  # noqa: PLC0415 - only these models need it

    (top, bottom), (left, right) = config["padding"]
    return pad(inputs[0], (left, right, top, bottom))


def _normalised(config: dict[str, Any], mine: dict[str, Any], inputs: list[Any]) -> Any:
    shape = (-1, 1, 1)
    scale = mine["gamma"] / (mine["moving_variance"] + config["epsilon"]).sqrt()
    offset = mine["beta"] - mine["moving_mean"] * scale
    return inputs[0] * scale.reshape(shape) + offset.reshape(shape)


def _pooled(config: dict[str, Any], _: dict[str, Any], inputs: list[Any]) -> Any:
    from torch.nn.functional import avg_pool2d  # noqa: PLC0415 - only these models need it

    return avg_pool2d(inputs[0], config["pool_size"], config["strides"])


def _dense(config: dict[str, Any], mine: dict[str, Any], inputs: list[Any]) -> Any:
    return _activated(config, inputs[0] @ mine["kernel"] + mine["bias"])


def _convolved(config: dict[str, Any], mine: dict[str, Any], inputs: list[Any]) -> Any:
    """A convolution, of every channel by itself if its kernel says so."""
    from torch.nn.functional import conv2d  # noqa: PLC0415 - only these models need it

    x, groups = inputs[0], 1
    if "kernel" in mine:
        kernel = mine["kernel"].permute(3, 2, 0, 1)
    else:
        kernel = mine["depthwise_kernel"].permute(2, 3, 0, 1)
        groups = len(kernel)
    if config["padding"] == "same":
        x = same(x, kernel.shape[-2:], config["strides"])
    return _activated(config, conv2d(x, kernel, mine.get("bias"), config["strides"], groups=groups))


def same(x: Any, kernel: tuple[int, int], strides: list[int]) -> Any:
    """Padding as TensorFlow does it: the odd row and column come last."""
    from torch.nn.functional import pad  # noqa: PLC0415 - only these models need it

    pads: list[int] = []
    for size, width, step in reversed(list(zip(x.shape[-2:], kernel, strides, strict=True))):
        total = max(0, (-(-size // step) - 1) * step + width - size)
        pads += [total // 2, total - total // 2]
    return pad(x, pads)


def _activated(config: dict[str, Any], x: Any) -> Any:
    """Softmax keeps the order of classes, so it is left out."""
    name = config["activation"]
    if name in {"linear", "softmax"}:
        return x
    if name == "relu":
        return x.relu()
    raise ValueError(f"an activation called {name} is not known here")


_LAYERS: dict[str, Callable[[dict[str, Any], dict[str, Any], list[Any]], Any]] = {
    "InputLayer": lambda _, __, inputs: inputs[0],
    "Dropout": lambda _, __, inputs: inputs[0],
    "ZeroPadding2D": _padded,
    "Conv2D": _convolved,
    "DepthwiseConv2D": _convolved,
    "BatchNormalization": _normalised,
    "ReLU": lambda config, _, inputs: inputs[0].clamp(0, config["max_value"]),
    "Add": lambda _, __, inputs: sum(inputs[1:], inputs[0]),
    "AveragePooling2D": _pooled,
    "Flatten": lambda _, __, inputs: inputs[0].permute(0, 2, 3, 1).flatten(1),
    "Dense": _dense,
}
