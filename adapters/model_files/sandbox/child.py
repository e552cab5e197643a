"""The process that runs a model file: enters the sandbox, loads the file, answers with labels.

Started as a script by :mod:`adapters.model_files.sandbox.process`, with the numbers of its two
pipes. Until the sandbox is closed only the standard library is imported, and nothing of the file
is read.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import json
import mmap
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.model_files.loaded_model import LoadedModel

LOAD_FAILURES = ("MissingExtra", "ModelFileError", "ProviderUnavailable", "TargetError")
"""Errors of :mod:`adapters.errors` that travel by name; any other travels as ModelFileError."""


def main(asked: int, answers: int) -> None:
    """Serve until the auditor closes its end of the pipe."""
    sandbox, wire = _own("sandbox"), _own("wire")
    setup = wire.receive_json(asked)
    sys.path[:] = setup["path"]
    sandbox.die_with_parent(setup["parent"])
    try:
        abi = sandbox.enter(sandbox.AllowedPaths(tuple(setup["read"]), tuple(setup["use"])))
        model = _load(setup, sandbox)
        facts = json.dumps({**model.facts.as_json(), "landlock": abi}).encode()
    except BaseException as error:  # noqa: BLE001 - the auditor tells the user of any
        wire.send_message(answers, 0, wire.FAILED, _load_failure(error, setup["name"]))
        return
    wire.send_message(answers, 0, wire.FACTS, facts)
    Server(model, wire.receive_json(asked), setup["inputs"]).serve(wire, asked, answers)


def _own(name: str) -> ModuleType:
    """A module of this package, loaded before ``adapters`` (which needs numpy) may be."""
    return importlib.import_module(f"adapters.model_files.sandbox.{name}")


def _load(setup: dict[str, Any], sandbox: ModuleType) -> LoadedModel:
    """Import the runtime, close the limits, then read the file: in this order."""
    # torch wants a folder for temporary files as it is imported, but writes nothing to it.
    tempfile: Any = importlib.import_module("tempfile")
    tempfile.tempdir = "/"
    # It starts a compiler to ask it, which no process here can be; callers know names of their own.
    ctypes_util: Any = importlib.import_module("ctypes.util")
    ctypes_util.find_library = lambda _name: None
    runtime = importlib.import_module(setup["runtime"])
    model_file = importlib.import_module("adapters.model_files.file")
    runtime.prepare(setup["device"], setup["threads"])
    sandbox.limit_memory(setup["memory"])
    beside = {
        name: model_file.Content("", _mapped(handle)) for name, handle in setup["beside"].items()
    }
    with _mapped(setup["model"]) as content:
        file = model_file.ModelFile(setup["name"], setup["sha256"], content[:], beside)
    file = dataclasses.replace(file, wanted=model_file.Wanted(**setup["wanted"]))
    model: LoadedModel = runtime.load(file, setup["device"], setup["threads"])
    return model.by_threshold(file.wanted.threshold)


def _mapped(handle: int) -> mmap.mmap:
    return mmap.mmap(handle, os.fstat(handle).st_size, prot=mmap.PROT_READ)


def _load_failure(error: BaseException, file: str) -> bytes:
    name, text = type(error).__name__, str(error)
    if name not in LOAD_FAILURES:
        known = isinstance(error, MemoryError)
        why = "it needs more memory than it is allowed" if known else f"{name}: {text}"
        name, text = "ModelFileError", f"model file {file} cannot be loaded: {why}"
    return json.dumps({"error": name, "text": text[:4000]}).encode()


def _run_failure(error: Exception) -> bytes:
    """A reply without labels keeps its name; all else is the model failing on its inputs."""
    name = "BadReply" if type(error).__name__ == "BadReply" else "InputRejected"
    text = str(error) or ("out of memory" if isinstance(error, MemoryError) else repr(error))
    return json.dumps({"error": name, "text": text[:4000]}).encode()


class Server:
    """Answers requests about the slots in the file ``inputs``, laid out as ``plan`` says: the model
    is given ``step`` inputs at a time.
    """

    def __init__(self, model: LoadedModel, plan: dict[str, Any], inputs: int) -> None:
        np = importlib.import_module("numpy")
        labels = importlib.import_module("adapters.model_files.labels")
        self._join = np.concatenate
        rows = plan["shape"]
        dtype = np.dtype(plan["dtype"])
        size = int(np.prod(rows)) * dtype.itemsize
        mapped = mmap.mmap(inputs, plan["slots"] * size, prot=mmap.PROT_READ)
        self._slots = np.frombuffer(mapped, dtype).reshape(plan["slots"], *rows)
        self._model, self._step = model, plan["step"]
        self._read_labels = labels.read_labels
        facts = model.facts
        self._space = labels.label_space(plan["classes"], facts.classes, text=facts.text)
        self._told = len(self._space.names)

    def serve(self, wire: ModuleType, asked: int, answers: int) -> None:
        """Serve until the auditor closes its end of the pipe."""
        while True:
            try:
                head = wire.receive(asked, wire.REQUEST.size)
            except wire.BrokenOffError:
                return
            number, slot, rows = wire.REQUEST.unpack(head)
            try:
                labels = self._labels(slot, rows)
            except Exception as error:  # noqa: BLE001 - sent to the auditor
                wire.send_message(answers, number, wire.FAILED, _run_failure(error))
                continue
            new = self._space.names[self._told :]
            if self._space.open and new:
                self._told += len(new)
                wire.send_message(answers, number, wire.NAMES, json.dumps(new).encode())
            size = self._space.size or 0
            wire.send_message(answers, number, wire.LABELS, labels.tobytes(), size)

    def _labels(self, slot: int, rows: int) -> Any:
        """Hard labels ``(rows,)`` int32: all that leaves this process."""
        inputs, step = self._slots[slot, :rows], self._step
        replies = [self._model.infer(inputs[at : at + step]) for at in range(0, rows, step)]
        reply = replies[0] if len(replies) == 1 else self._join(replies)
        return self._read_labels(reply, rows, self._space).astype("int32")


def _start() -> None:
    """Make ``adapters`` importable without its parent folder, which holds more than packages."""
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib costs 10 ms of the start
    places = {
        "adapters": os.path.join(here, "..", ".."),  # noqa: PTH118 - as above
        "adapters.model_files": os.path.join(here, ".."),  # noqa: PTH118 - as above
        "adapters.model_files.sandbox": here,
    }
    for name, place in places.items():
        package = ModuleType(name)
        package.__path__ = [os.path.normpath(place)]
        sys.modules[name] = package
    main(int(sys.argv[1]), int(sys.argv[2]))


if __name__ == "__main__":
    _start()
