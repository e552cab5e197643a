"""A model's process that crashes, hangs, lies or breaks the protocol; the auditor goes on."""

# ruff: noqa: E501 - tables of programs, one a line

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from adapters.errors import (
    AdapterError,
    BadReply,
    InputRejected,
    ModelFileError,
    ModelStopped,
    TargetError,
)
from adapters.model_files import open as _model_file
from adapters.model_files.sandbox import host
from adapters.model_files.sandbox.facts import read_facts
from adapters.target import Target

pytestmark = pytest.mark.skipif(
    bool(_model_file.why_not("cpu")), reason=f"no isolation here: {_model_file.why_not('cpu')}"
)

Ask = Callable[..., Any]
Program = Callable[..., Target]

RAW = "import json, os, struct\nhead = lambda n, kind, classes, size: struct.pack('=QIII', n, kind, classes, size)\n"

LOADING: dict[str, tuple[str, type[AdapterError], str]] = {
    "crash": ("import ctypes; ctypes.string_at(0)", ModelStopped, "crashed while it was loaded (SIGSEGV)"),
    "abort": ("import os; os.abort()", ModelStopped, "SIGABRT"),
    "leave": ("import os; os._exit(0)", ModelStopped, "ended its process while it was loaded (exit status 0)"),
    "raise": ("raise SystemExit('bye')", ModelFileError, "cannot be loaded"),
    "control characters": ("raise ValueError('a\\x1b[31mb\\n\\u202ec')", ModelFileError, "ValueError: a [31mb c"),
    "memory": ("x = bytearray(2**30)", ModelFileError, "more memory than it is allowed"),
    "shared memory": ("import mmap; x = mmap.mmap(-1, 2**30)", ModelFileError, "memory"),
    "an unknown failure": (
        f"{RAW}os.write(ANSWERS, head(0, 4, 0, 2) + b'{{}}')", ModelStopped, "broke the protocol"),
    "facts without end": (f"{RAW}os.write(ANSWERS, head(0, 1, 0, 2**31))", ModelStopped, "length"),
    "facts that are none": (f"{RAW}os.write(ANSWERS, head(0, 1, 0, 2) + b'[]')", ModelStopped, "no object"),
    "deep facts": (
        f"{RAW}x = b'[' * 60000\nos.write(ANSWERS, head(0, 1, 0, len(x)) + x)", ModelStopped, "not JSON"),
    "labels first": (f"{RAW}os.write(ANSWERS, head(0, 2, 0, 4) + b'abcd')", ModelStopped, "did not begin"),
    "a lie about sizes": (
        "f = facts()\nobject.__setattr__(f, 'dims', [3, 2**40, 5])\nsaid = f", ModelStopped, "out of range"),
    "an absurd input": (
        "f = facts()\nobject.__setattr__(f, 'dims', [1, 2**20, 2**20])\nsaid = f", TargetError, "values"),
}  # fmt: skip

ANSWERING: dict[str, tuple[str, type[AdapterError], str]] = {
    "crash": ("import ctypes\ninfer = lambda x: ctypes.string_at(0)", ModelStopped, "crashed while it answered 3 inputs (SIGSEGV)"),
    "raise": ("infer = lambda x: 1 / 0", InputRejected, "the model failed on 3 inputs: division by zero"),
    "memory": ("infer = lambda x: bytearray(2**30)", InputRejected, "out of memory"),
    "no label": ("infer = lambda x: x[0]", BadReply, "shape"),
    "a label out of range": ("import numpy as np\ninfer = lambda x: np.full(len(x), 70000)", BadReply, "outside 0 .. 65534"),
    "a negative label, unasked": (
        f"{RAW}def infer(x):\n os.write(ANSWERS, head(1, 2, 0, 12) + struct.pack('=3i', 0, -1, 2)); os._exit(0)",
        BadReply, "label -1"),
    "too few labels": (
        f"{RAW}def infer(x):\n os.write(ANSWERS, head(1, 2, 0, 8) + bytes(8)); os._exit(0)",
        ModelStopped, "one label per input"),
    "half a message": (
        f"{RAW}def infer(x):\n os.write(ANSWERS, head(1, 2, 0, 12) + bytes(5)); os._exit(3)",
        ModelStopped, "exit status 3"),
    "another's answer": (
        f"{RAW}def infer(x):\n os.write(ANSWERS, head(9, 2, 0, 12) + bytes(12)); os._exit(0)",
        ModelStopped, "not asked"),
    "names without end": (
        f"{RAW}def infer(x):\n os.write(ANSWERS, head(1, 3, 0, 2**30)); os._exit(0)",
        ModelStopped, "length"),
    "names that are none": (
        f"{RAW}def infer(x):\n os.write(ANSWERS, head(1, 3, 0, 4) + b'[[]]'); os._exit(0)",
        ModelStopped, "broke the protocol"),
    "more classes than there are": (
        f"{RAW}def infer(x):\n os.write(ANSWERS, head(1, 2, 10**6, 12) + bytes(12)); os._exit(0)",
        BadReply, "1000000 classes"),
}  # fmt: skip


@pytest.mark.parametrize("name", LOADING)
def test_a_bad_start_is_one_sentence(ask: Ask, program: Program, name: str) -> None:
    code, kind, words = LOADING[name]
    with pytest.raises(kind) as caught:
        ask(program(code, model_memory=0.5, model_timeout=20))
    message = str(caught.value)
    assert words in message
    assert message.isprintable()
    assert len(message) < 900


@pytest.mark.parametrize("name", ANSWERING)
def test_a_bad_answer_is_one_sentence(ask: Ask, program: Program, name: str) -> None:
    code, kind, words = ANSWERING[name]
    with pytest.raises(kind) as caught:
        ask(program(code, model_memory=0.5, model_timeout=20), rounds=2)
    assert words in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_hang_while_loading_ends(
    ask: Ask, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "LOAD_S", 1.0)
    began = time.monotonic()
    with pytest.raises(ModelStopped, match="was not loaded within 1 s"):
        ask(program("import time; time.sleep(60)", model_timeout=1))
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("way", ["while True: pass", "import time; time.sleep(60)"])
def test_a_hang_while_answering_ends(ask: Ask, program: Program, way: str) -> None:
    with pytest.raises(ModelStopped, match="gave no answer to 3 inputs within 1 s"):
        ask(program(f"def infer(x):\n  {way}", model_timeout=1), rounds=2)


def test_a_child_that_stays_busy_after_its_answer_runs_out_of_time(
    ask: Ask, program: Program
) -> None:
    code = (
        "import threading, time\n"
        "def burn():\n  while True: pass\n"
        "def infer(x):\n"
        "  threading.Thread(target=burn, daemon=True).start()\n"
        "  return x.reshape(len(x), -1)\n"
    )
    began = time.monotonic()
    assert ask(program(code, model_timeout=2))[0].tolist() == [0, 1, 2]
    assert time.monotonic() - began < 30


def test_a_stopped_model_stays_stopped(ask: Ask, program: Program) -> None:
    with pytest.raises(ModelStopped):
        ask(program("import os\ninfer = lambda x: os._exit(1)", model_timeout=20), rounds=4)


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"null", b'{"dims": [1, 2]}', b"[" * 10**6, b'{"dims": [1, 2, true]}', b"\xff"],
)
def test_facts_are_checked(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_facts(data)
