"""The network of facial expressions of the npm package @vladmandic/face-api, computed by torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from examples.third_party_shards import same, weights_of

BLOCKS, STEPS = 4, 4
"""Dense blocks, and convolutions of each."""
EXPRESSION_SCALE = (np.array((122.782, 117.001, 104.298), np.float32)[:, None, None] / 255, 1.0)


def expression_network(manifest: Path) -> Any:
    """The torch module that gives scores ``(n, 7)`` of pictures ``(n, 3, 112, 112)``.

    Args:
        manifest: lists the weights; they lie in the file that it names.
    """
    import torch  # noqa: PLC0415 - only these models need it

    group = json.loads(manifest.read_text(encoding="utf-8"))[0]
    raw = b"".join((manifest.parent / name).read_bytes() for name in group["paths"])
    tensors = {
        name.replace("/", "_"): torch.nn.Parameter(torch.from_numpy(value))
        for name, value in weights_of(group["weights"], raw).items()
    }

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, tensor in tensors.items():
                self.register_parameter(name, tensor)

        def forward(self, x: Any) -> Any:
            given = dict(self.named_parameters())
            for block in range(BLOCKS):
                x = _dense_block(given, f"dense{block}_conv", x)
            return x.mean(dim=(2, 3)) @ given["fc_weights"] + given["fc_bias"]

    return Network().eval()


def _dense_block(given: dict[str, Any], name: str, x: Any) -> Any:
    """Every convolution but the first takes the sum of what those before it gave."""
    total = _convolved(given, f"{name}0", x, 2).relu()
    for step in range(1, STEPS):
        total = total + _convolved(given, f"{name}{step}", total.relu(), 1)
    return total.relu()


def _convolved(given: dict[str, Any], name: str, x: Any, step: int) -> Any:
    from torch.nn.functional import conv2d  # noqa: PLC0415 - only these models need it

    bias, x = given[f"{name}_bias"], same(x, (3, 3), [step, step])
    if f"{name}_filters" in given:
        return conv2d(x, given[f"{name}_filters"].permute(3, 2, 0, 1), bias, step)
    depth = given[f"{name}_depthwise_filter"].permute(2, 3, 0, 1)
    x = conv2d(x, depth, stride=step, groups=len(depth))
    return conv2d(x, given[f"{name}_pointwise_filter"].permute(3, 2, 0, 1), bias)
