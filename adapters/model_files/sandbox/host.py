"""The auditor's side of a model file that runs in its own process."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing
from dataclasses import asdict
from typing import Any

import numpy as np

from adapters.checks import check_batch, check_labels
from adapters.contract import MAX_CLASSES, Batch, Labels
from adapters.errors import BadReply, TargetError
from adapters.model_files.beside import FileBeside
from adapters.model_files.file import ModelFile
from adapters.model_files.input_plan import InputPlan
from adapters.model_files.oracle import (
    ModelFileOracle,
    ResolvedModel,
    resolve,
    run_failure,
    wanted,
)
from adapters.model_files.sandbox.allowed_paths import environment_for
from adapters.model_files.sandbox.process import ModelLimits, ModelProcess, ModelReply
from adapters.model_files.sandbox.shared import SealedModel, Slots
from adapters.quoting import one_line
from adapters.target import Target
from adapters.worker import Worker

SLOTS = 2
"""Batches in shared memory: one is filled while the model works on the other."""

GROUP, GROUP_BYTES = 64, 8 * 1024**2
"""Most inputs, and bytes of them, that go to a model together which takes one at a time."""
GROUP_S = 0.05
"""A group of inputs is doubled as long as one is answered sooner."""

MEMORY_GIB = 4.0
LOAD_S = 120.0
"""Least time for starting a runtime and loading a file, however short a batch is to take."""

_PACKAGES = {
    "onnx": ("onnxruntime",),
    "torchscript": ("torch",),
    "tflite": ("ai_edge_litert", "tflite_runtime"),
    "keras": ("keras", "h5py", "torch"),
    "savedmodel": ("tensorflow",),
    "snapshot": ("torch", "safetensors", "transformers", "timm"),
}
"""Kind of model file -> the packages that its runtime is made of."""

MAX_INPUT_VALUES = 64 * 1024**2
"""Values in one input; a file that states more would have us allocate them."""


async def open_isolated(
    target: Target, runtime: str, check: Callable[[ModelFile], Sequence[FileBeside]] | None
) -> IsolatedOracle:
    """Load ``target`` in a process of its own, with the module ``runtime``, after ``check`` looked
    into the file. Raises ModelStopped if it crashed, hung or hit a limit while it was loaded, else
    as :func:`adapters.model_files.open.open_oracle`.
    """
    # The kernel ends the child with the thread that started it: the one that waits for answers.
    reader = Worker("model-answers")
    try:
        return await reader.run(_open, target, runtime, check, reader)
    except BaseException:
        await reader.aclose()
        raise


def _open(
    target: Target,
    runtime: str,
    check: Callable[[ModelFile], Sequence[FileBeside]] | None,
    reader: Worker,
) -> IsolatedOracle:
    with closing(SealedModel(target.location)) as model, ExitStack() as opened:
        if check is not None:
            model.add(check(model.file))
        slots = opened.enter_context(closing(Slots()))
        oracle = _start(target, runtime, model, slots, reader)
        opened.pop_all()
        return oracle


def _start(
    target: Target, runtime: str, model: SealedModel, slots: Slots, reader: Worker
) -> IsolatedOracle:
    gpu = target.device != "cpu"
    limits = _limits(target, gpu=gpu)
    environment = environment_for(("numpy", *_PACKAGES[target.kind]), gpu=gpu)
    process = ModelProcess(
        model.file.name, environment, limits, (model.handle, slots.handle, *model.beside.values())
    )
    try:
        facts, landlock = process.open(
            {
                "parent": os.getpid(),
                "path": environment.import_path,
                "read": environment.paths.read,
                "use": environment.paths.use,
                "runtime": runtime,
                "device": target.device,
                "threads": target.threads,
                "memory": limits.memory,
                "name": model.file.name,
                "sha256": model.file.sha256,
                "model": model.handle,
                "beside": model.beside,
                "wanted": asdict(wanted(target)),
                "inputs": slots.handle,
            }
        )
        resolved = resolve(target, model.file, facts, _account(limits, landlock, gpu=gpu))
        process.plan(_lay_out(slots, resolved, model.file.name))
        return IsolatedOracle(process, resolved, slots, reader)
    except BaseException:
        process.kill()
        process.close()
        raise


def _lay_out(slots: Slots, resolved: ResolvedModel, file: str) -> dict[str, Any]:
    """Give the shared memory its size, and describe it to the child."""
    plan = resolved.plan
    if plan.spec.size > MAX_INPUT_VALUES:
        raise TargetError(
            f"one input of model file {file} holds {plan.spec.size:,} values, more than the "
            f"{MAX_INPUT_VALUES:,} supported"
        )
    step = max(plan.max_batch, plan.min_batch)
    rows = (max(step, _most_together(plan)), *plan.tensor_shape())
    slots.shape(SLOTS, rows, plan.dtype)
    return {
        "slots": SLOTS,
        "shape": rows,
        "step": step,
        "dtype": plan.dtype,
        "classes": resolved.space.names or None,
    }


def _most_together(plan: InputPlan) -> int:
    """Most inputs in one request: more than the model takes at once only if that is one, so that it
    is given the same batches either way.
    """
    if plan.max_batch > 1 or plan.min_batch > 1:
        return plan.max_batch
    return max(1, min(GROUP, GROUP_BYTES // (plan.spec.size * np.dtype(plan.dtype).itemsize)))


def _limits(target: Target, *, gpu: bool) -> ModelLimits:
    answer_s = target.limits.model_timeout
    # A GPU's driver maps far more than it uses, so there a default would only break models.
    gib = target.limits.model_memory or (None if gpu else MEMORY_GIB)
    memory = None if gib is None else int(gib * 1024**3)
    return ModelLimits(memory, max(LOAD_S, answer_s), answer_s)


def _account(limits: ModelLimits, landlock: int, *, gpu: bool) -> dict[str, Any]:
    """Isolation of the file, for the report."""
    tcp = "Landlock and seccomp" if landlock >= 4 else "seccomp"
    return {
        "process": "its own, without keys, environment, terminal or open files",
        "files": f"Landlock ABI {landlock}: reads Python, its packages and system libraries, "
        "writes nothing" + (" but the GPU's devices" if gpu else ""),
        "network": f"none ({tcp})",
        "processes": "none, and no signals to others (seccomp)",
        "memory_bytes": limits.memory,
        "seconds_to_load": limits.load_s,
        "seconds_per_batch": limits.answer_s,
    }


class IsolatedOracle(ModelFileOracle):
    """A model file that runs in its own process, started on ``reader``. Only labels come back from
    there. Two threads: one encodes a batch into shared memory and asks, the other waits for
    answers, so the next batch is ready when the model is. ``group`` is as in
    :class:`adapters.contract.GroupingOracle`.
    """

    def __init__(
        self, process: ModelProcess, resolved: ResolvedModel, slots: Slots, reader: Worker
    ) -> None:
        super().__init__(resolved)
        self.group = self.max_batch
        self._most = _most_together(resolved.plan)
        self._process = process
        self._slots = slots
        self._reader = reader
        self._sender = Worker("model-inputs")
        self._free: queue.SimpleQueue[int] = queue.SimpleQueue()
        for slot in range(SLOTS):
            self._free.put(slot)
        self._indices: list[int] = []
        """The child's number of a class name -> ours, if names are learned as they come."""
        self._closed = False

    async def predict_labels(self, batch: Batch) -> Labels:
        """See :meth:`adapters.contract.LabelOracle.predict_labels`. After a ModelStopped (it
        crashed, hung or hit a limit) no call will succeed any more.
        """
        asked = await self._sender.run(self._ask, batch)
        return await Worker.outcome(asked)

    def _ask(self, batch: Batch) -> Future[Labels]:
        """Runs on the sender: returns what the reader will have."""
        checked = check_batch(batch, self.input_spec, self.group)
        tensor = self._plan.encode(checked)
        slot = self._free.get()
        try:
            self._slots.fill(slot, tensor)
            number = self._process.ask(slot, len(tensor))
            self.wire.requests += 1
            return self._reader.submit(self._collect, number, slot, len(tensor), len(checked))
        except BaseException:
            self._free.put(slot)
            raise

    def _collect(self, number: int, slot: int, rows: int, wanted: int) -> Labels:
        """Runs on the reader."""
        began = time.monotonic()
        try:
            reply = self._process.answer(number, rows)
        finally:
            self._free.put(slot)
        if wanted == self.group < self._most and time.monotonic() - began < GROUP_S:
            self.group = min(2 * self.group, self._most)
        if reply.labels is None:
            if reply.error == "BadReply":
                raise BadReply(one_line(reply.text, 600))
            raise run_failure(reply.text, wanted)
        return self._labels(reply, reply.labels, rows)[:wanted]

    def _labels(self, reply: ModelReply, data: bytes, rows: int) -> Labels:
        space = self.label_space
        numbers = np.frombuffer(data, dtype="=i4")
        if space.open:
            for name in reply.names:
                index = space.index(name)
                if index is None:
                    raise BadReply(f"the model named more than the {MAX_CLASSES} classes supported")
                self._indices.append(index)
            known = np.asarray(self._indices, dtype=np.int64)
            return known[check_labels(numbers, rows, len(known))]
        if reply.classes is not None:
            if space.size is None and 2 <= reply.classes <= MAX_CLASSES:
                space.size = reply.classes
            if space.size != reply.classes:
                raise BadReply(
                    f"the model scores {reply.classes} classes where {space.size} were expected"
                )
        return check_labels(numbers, rows, space.size)

    async def aclose(self) -> None:
        """End the process and both threads, after the calls in progress."""
        if self._closed:
            return
        self._closed = True
        await self._sender.aclose()
        try:
            await self._reader.run(self._process.close)
        finally:
            await self._reader.aclose()
            self._slots.close()
