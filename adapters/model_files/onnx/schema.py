"""The messages that an ONNX file is made of, as far as they matter to a look before loading.

Each message maps a field's number to its form: ``i`` number, ``s`` text or bytes, ``f`` and ``d``
floats, or the name of another message; ``*`` after it if the field may repeat. Fields that are
not listed are refused: a runtime that knows them might read what we did not look at.
"""

from __future__ import annotations

_PAIR = {1: "s", 2: "s"}

MESSAGES: dict[str, dict[int, str]] = {
    "model": {
        1: "i", 2: "s", 3: "s", 4: "s", 5: "i", 6: "s", 7: "graph", 8: "opset*", 14: "pair*",
        20: "training*", 25: "function*", 26: "devices*",
    },
    "graph": {
        1: "node*", 2: "s", 5: "tensor*", 10: "s", 11: "value*", 12: "value*", 13: "value*",
        14: "annotation*", 15: "sparse*", 16: "pair*",
    },
    "node": {
        1: "s*", 2: "s*", 3: "s", 4: "s", 5: "attribute*", 6: "s", 7: "s", 8: "s", 9: "pair*",
        10: "opaque*",
    },
    "attribute": {
        1: "s", 2: "f", 3: "i", 4: "s", 5: "tensor", 6: "graph", 7: "f*", 8: "i*", 9: "s*",
        10: "tensor*", 11: "graph*", 13: "s", 14: "type", 15: "type*", 20: "i", 21: "s",
        22: "sparse", 23: "sparse*",
    },
    "tensor": {
        1: "i*", 2: "i", 3: "opaque", 4: "f*", 5: "i*", 6: "s*", 7: "i*", 8: "s", 9: "s", 10: "d*",
        11: "i*", 12: "s", 13: "pair*", 14: "i", 16: "pair*",
    },
    "sparse": {1: "tensor", 2: "tensor", 3: "i*"},
    "function": {
        1: "s", 4: "s*", 5: "s*", 6: "s*", 7: "node*", 8: "s", 9: "opset*", 10: "s",
        11: "attribute*", 12: "value*", 13: "s", 14: "pair*",
    },
    "training": {1: "graph", 2: "graph", 3: "pair*", 4: "pair*"},
    "value": {1: "s", 2: "type", 3: "s", 4: "pair*"},
    "type": {
        1: "tensor_type", 4: "sequence_type", 5: "map_type", 6: "s", 7: "opaque",
        8: "tensor_type", 9: "sequence_type",
    },
    "tensor_type": {1: "i", 2: "shape"},
    "sequence_type": {1: "type"},
    "map_type": {1: "i", 2: "type"},
    "shape": {1: "dimension*"},
    "dimension": {1: "i", 2: "s", 3: "s"},
    "annotation": {1: "s", 2: "pair*"},
    "opset": {1: "s", 2: "i"},
    "pair": _PAIR,
    "devices": {1: "s", 2: "i", 3: "s*"},
}  # fmt: skip
"""``opaque`` stands for a message that nothing in it can matter of: it is not looked into."""

BITS: dict[int, int] = {
    1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64,
    15: 128, 16: 16, 17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8, 25: 2, 26: 2, 27: 6,
    28: 6,
}  # fmt: skip
"""Data type of a tensor -> bits per element; strings (8) have none."""
