"""Hostile model files, made when they are needed. None of them is in the repository."""

from __future__ import annotations

import itertools
import os
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

SECRET = b"not yours to read"
SHAPE = (1, 4, 4)


def model(
    nodes: Sequence[Any],
    initializers: Sequence[Any] = (),
    *,
    functions: Sequence[Any] = (),
    domains: Sequence[str] = (),
    dims: Sequence[Any] = ("n", *SHAPE),
) -> onnx.ModelProto:
    """A model whose last node gives ``scores`` from ``x``."""
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, dims)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", None])],
        list(initializers),
    )
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, functions=list(functions))


def flat(*extra: Any) -> list[Any]:
    return [*extra, helper.make_node("Flatten", ["x"], ["scores"])]


def external(location: str, name: str = "w") -> Any:
    """A tensor whose data are said to be in the file ``location``."""
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), name)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "16")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return tensor


def constant(tensor: Any, output: str = "w") -> Any:
    return helper.make_node("Constant", [], [output], value=tensor)


def branch(nodes: Sequence[Any], initializers: Sequence[Any], output: str) -> Any:
    shape = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    return helper.make_graph(list(nodes), "b", [], [shape], list(initializers))


def choice(then: Any, other: Any, output: str = "y") -> list[Any]:
    yes = numpy_helper.from_array(np.array(True), "c")
    return [
        constant(yes, "c"),
        helper.make_node("If", ["c"], [output], then_branch=then, else_branch=other),
    ]


def same(given: str, output: str) -> Any:
    return helper.make_node("Identity", [given], [output])


def nested(depth: int) -> Any:
    """An If in an If in an If."""
    inner = branch([helper.make_node("Identity", ["x"], ["b0"])], [], "b0")
    for level in range(1, depth):
        nodes = choice(inner, inner if level < 3 else _leaf(level), f"b{level}")
        inner = branch(nodes, [], f"b{level}")
    return model(flat(*choice(inner, inner)))


def _leaf(level: int) -> Any:
    return branch([helper.make_node("Identity", ["x"], [f"l{level}"])], [], f"l{level}")


def function(name: str, nodes: Sequence[Any]) -> Any:
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    return helper.make_function("local", name, ["a"], ["z"], list(nodes), opsets)


def call(name: str, given: str = "a", output: str = "z") -> Any:
    return helper.make_node(name, [given], [output], domain="local")


def laughs(levels: int) -> Any:
    """Each function calls the next one ten times."""
    functions = []
    for level in range(levels):
        names = ["a", *(f"t{i}" for i in range(9)), "z"]
        nodes = [call(f"f{level + 1}", s, t) for s, t in itertools.pairwise(names)]
        functions.append(function(f"f{level}", nodes))
    functions.append(function(f"f{levels}", [helper.make_node("Identity", ["a"], ["z"])]))
    return model(flat(call("f0", "x", "y")), functions=functions, domains=["local"])


def endless_loop() -> Any:
    """Loops while the input's sum is what it is."""
    go_on = helper.make_tensor_value_info("go_on", TensorProto.BOOL, [])
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_in"], ["go_on"]),
            helper.make_node("Add", ["v_in", "one"], ["v_out"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_in", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v_in", TensorProto.FLOAT, None),
        ],
        [go_on, helper.make_tensor_value_info("v_out", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.array(1, np.float32), "one")],
    )
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Equal", ["sum", "sum"], ["go"]),
        helper.make_node("Loop", ["", "go", "sum"], ["v"], body=body),
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("Add", ["f", "v"], ["scores"]),
    ]
    return model(nodes)


def bomb() -> Any:
    """A few bytes that ask for 16 GiB."""
    size = numpy_helper.from_array(np.array([4, 2**30], np.int64), "size")
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["big"]),
        helper.make_node("ReduceSum", ["big"], ["s"], keepdims=0),
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("Add", ["f", "s"], ["scores"]),
    ]
    return model(nodes, [size])


def claims(dims: Sequence[int], data: bytes) -> Any:
    """A tensor that says it is of shape ``dims``."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=dims, raw_data=data)
    return model(flat(), [tensor])


def recursive() -> Any:
    body = [call("f", "a", "z")]
    return model(flat(call("f", "x", "y")), functions=[function("f", body)], domains=["local"])


def hidden_in_function() -> Any:
    body = [constant(external("secret.txt")), helper.make_node("Identity", ["a"], ["z"])]
    return model(flat(call("f", "x", "y")), functions=[function("f", body)], domains=["local"])


def foreign(op: str, domain: str) -> Any:
    return model(flat(helper.make_node(op, ["x"], ["y"], domain=domain)), domains=[domain])


def external_model(location: str) -> bytes:
    return bytes(model(flat(), [external(location)]).SerializeToString())


def bytes_of(made: Any) -> bytes:
    return bytes(made.SerializeToString())


def field(number: int, content: bytes) -> bytes:
    """A length-delimited protobuf field."""
    size, length = len(content), b""
    while size >= 0x80:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    tag = number << 3 | 2
    head = bytes([tag]) if tag < 0x80 else bytes([tag & 0x7F | 0x80, tag >> 7])
    return head + length + bytes([size]) + content


def sparse_giant() -> Any:
    made = model(flat())
    sparse = made.graph.sparse_initializer.add()
    sparse.dims.extend([2**40, 2**40])
    sparse.values.CopyFrom(numpy_helper.from_array(np.zeros(1, np.float32), "w"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.zeros(1, np.int64), "i"))
    return made


def bad_name() -> bytes:
    good = bytes_of(model(flat(helper.make_node("Relu", ["x"], ["y"]))))
    return good.replace(b"Relu", b"\xff\xfe\xfd\xfc")


ONNX: dict[str, Callable[[Path], bytes]] = {
    "external relative": lambda _: external_model("secret.txt"),
    "external absolute": lambda folder: external_model(str(folder / "secret.txt")),
    "external dotdot": lambda folder: external_model(f"../{folder.name}/secret.txt"),
    "external symlink": lambda _: external_model("soft.bin"),
    "external hardlink": lambda _: external_model("hard.bin"),
    "external in a Constant": lambda _: bytes_of(model(flat(constant(external("secret.txt"))))),
    "external in an If": lambda _: bytes_of(
        model(
            flat(
                *choice(
                    branch([same("w", "p")], [external("secret.txt")], "p"),
                    branch([same("x", "q")], [], "q"),
                )
            )
        )
    ),
    "external in a function": lambda _: bytes_of(hidden_in_function()),
    "custom domain": lambda _: bytes_of(foreign("Run", "com.attacker")),
    "unknown operator": lambda _: bytes_of(foreign("System", "")),
    "compiled engine": lambda _: bytes_of(foreign("EPContext", "com.microsoft")),
    "file decoder": lambda _: bytes_of(foreign("ImageDecoder", "")),
    "function calls itself": lambda _: bytes_of(recursive()),
    "functions without end": lambda _: bytes_of(laughs(12)),
    "deep nesting": lambda _: bytes_of(nested(30)),
    "huge dimensions": lambda _: bytes_of(claims([2**20, 2**20, 2**20], b"")),
    "negative dimensions": lambda _: bytes_of(claims([-1, 4], b"")),
    "claims more than it brings": lambda _: bytes_of(claims([1000, 1000], bytes(16))),
    "sparse giant": lambda _: bytes_of(sparse_giant()),
    "huge input": lambda _: bytes_of(model(flat(), dims=("n", 3, 2**20, 2**20))),
    "absurd input": lambda _: bytes_of(model(flat(), dims=("n", 3, 2**40, 2))),
    "memory bomb": lambda _: bytes_of(bomb()),
    "endless loop": lambda _: bytes_of(endless_loop()),
    "truncated": lambda _: bytes_of(model(flat()))[:-7],
    "two graphs": lambda _: bytes_of(model(flat())) * 2,
    "groups": lambda _: b"\x0b\x0c" * 9,
    "endless number": lambda _: b"\x08" + b"\xff" * 40,
    "unknown part": lambda _: bytes_of(model(flat())) + field(1000, b"x"),
    "too many parts": lambda _: b"\x72\x00" * 100_000,
    "name that is no text": lambda _: bad_name(),
    "no graph": lambda _: b"\x08\x08",
    "empty": lambda _: b"",
}  # fmt: skip
"""Name -> content of the file that lies in the folder given."""


# ---- TorchScript -----------------------------------------------------------------------------


class Payload:
    """A pickle that runs a command."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (self.command,)


def scripted(path: Path, attack: str, secret: str) -> None:
    """A ``.pt`` whose ``attack`` is ``write``, ``read``, ``loop`` or ``hang``."""
    import torch  # noqa: PLC0415 - slow to import, and only some tests need it

    class Model(torch.nn.Module):
        def __init__(self, kind: str, place: str) -> None:
            super().__init__()
            self.kind = kind
            self.place = place
            self.w = torch.zeros(16, 4)

        @torch.jit.export
        def __getstate__(self) -> tuple[str, str, torch.Tensor, bool]:
            return (self.kind, self.place, self.w, self.training)

        @torch.jit.export
        def __setstate__(self, state: tuple[str, str, torch.Tensor, bool]) -> None:
            self.kind = state[0]
            self.place = state[1]
            self.w = state[2]
            self.training = state[3]
            if self.kind == "write":
                t = torch.from_file(self.place, shared=True, size=16, dtype=torch.uint8)
                t.fill_(65)
                self.w = self.w + t.sum() * 0
            while self.kind == "hang":
                self.w = self.w + 1

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.kind == "read":
                t = torch.from_file(self.place, shared=False, size=8, dtype=torch.uint8)
                return t.float().reshape(1, 8).expand(len(x), 8)
            while self.kind == "loop":
                self.w = self.w + 1
            return x.flatten(1) @ self.w

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(Model(attack, secret)), str(path))


def zip_slip(path: Path, folder: Path) -> None:
    """A ``.pt`` with entries that lead out of it."""
    scripted(path, "none", "")
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("../" * 12 + str(folder / "escaped").lstrip("/"), "out")
        archive.writestr(str(folder / "escaped"), "out")


def pickled(path: Path, folder: Path) -> None:
    """A pickle that would run a command, as a ``.pt``."""
    content = pickle.dumps(Payload(f"touch {folder / 'escaped'}"))
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("model/data.pkl", "model/constants.pkl", "model/code/__torch__.py"):
            archive.writestr(name, content)
        archive.writestr("model/version", "3\n")


def exported(path: Path, folder: Path) -> None:
    """A ``.pt2`` whose weights and constants are such a pickle."""
    content = pickle.dumps(Payload(f"touch {folder / 'escaped'}"))
    with zipfile.ZipFile(path, "w") as archive:
        for name in (
            "serialized_exported_program.json", "serialized_state_dict.pt",
            "serialized_constants.pt", "serialized_example_inputs.pt",
        ):  # fmt: skip
            archive.writestr(name, b"{}" if name.endswith("json") else content)
        archive.writestr("version", "8.8")


def truncated(path: Path, _: Path) -> None:
    """The beginning of an archive."""
    path.write_bytes(struct.pack("<I", 0x04034B50) + bytes(99))


TORCH: dict[str, tuple[str, Callable[[Path, Path], None]]] = {
    "write at load": (".pt", lambda p, d: scripted(p, "write", str(d / "written"))),
    "hang at load": (".pt", lambda p, _: scripted(p, "hang", "")),
    "read in forward": (".pt", lambda p, d: scripted(p, "read", str(d / "secret.txt"))),
    "read /etc/passwd": (".pt", lambda p, _: scripted(p, "read", "/etc/passwd")),
    "endless forward": (".pt", lambda p, _: scripted(p, "loop", "")),
    "zip slip": (".pt", zip_slip),
    "pickle in a pt": (".pt", pickled),
    "pickle in a pt2": (".pt2", exported),
    "truncated pt": (".pt", truncated),
}
"""Name -> ending, and what writes the file beside the folder's secret."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a secret in it, and links that lead there."""
    made = tmp_path / "home"
    made.mkdir()
    (made / "secret.txt").write_bytes(SECRET)
    (made / "soft.bin").symlink_to(made / "secret.txt")
    (made / "hard.bin").hardlink_to(made / "secret.txt")
    return made


@pytest.fixture
def hostile(folder: Path) -> Callable[[str], Path]:
    """Write the hostile file called so, and return its path."""

    def write(name: str) -> Path:
        if name in ONNX:
            path = folder / "model.onnx"
            path.write_bytes(ONNX[name](folder))
            return path
        ending, make = TORCH[name]
        path = folder / f"model{ending}"
        make(path, folder)
        return path

    return write
