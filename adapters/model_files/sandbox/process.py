"""Starts, asks, times and ends the process that runs a model file."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters import errors
from adapters.errors import AdapterError, ModelFileError, ModelStopped
from adapters.model_files.loaded_model import ModelFacts
from adapters.model_files.sandbox import wire
from adapters.model_files.sandbox.allowed_paths import ProcessEnvironment
from adapters.model_files.sandbox.child import LOAD_FAILURES
from adapters.model_files.sandbox.facts import read_facts, read_names
from adapters.quoting import one_line

_CHILD = str(Path(__file__).with_name("child.py"))
_GRACE_S = 2.0


@dataclass(frozen=True)
class ModelLimits:
    """Limits on a model file: bytes of memory beyond its runtime's (None for no limit), seconds for
    starting the runtime and loading the file, seconds for one batch.
    """

    memory: int | None
    load_s: float
    answer_s: float


@dataclass(frozen=True)
class ModelReply:
    """One answer of the child, of which only the form is checked: ``labels`` are int32 per row, as
    bytes, or None if the model failed with ``error`` (``BadReply`` or ``InputRejected``) and
    ``text``; ``classes`` it scores, or None; ``names`` seen for the first time.
    """

    labels: bytes | None
    classes: int | None = None
    names: tuple[str, ...] = ()
    error: str = ""
    text: str = ""


class ModelProcess:
    """One child process, which is handed the files ``shared``: the model and the inputs. Every
    method may block; each is called on a thread that may. Started on a thread that lives as long as
    it is needed: the kernel ends it with that thread.
    """

    def __init__(
        self,
        file: str,
        environment: ProcessEnvironment,
        limits: ModelLimits,
        shared: tuple[int, ...],
    ) -> None:
        self._file = file
        self._limits = limits
        self._number = 0
        self._stopped: ModelStopped | None = None
        theirs, self._asking = os.pipe()
        self._answers, ours = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own script, by its full path
                [sys.executable, "-I", "-S", "-B", _CHILD, str(theirs), str(ours)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs, ours, *shared),
                env=environment.variables,
                cwd="/",
                start_new_session=True,  # Ctrl-C is for the audit, which ends its model in order
            )
        except OSError as error:
            os.close(self._asking)
            os.close(self._answers)
            raise ModelFileError(
                f"no process could be started for model file {file}: {error.strerror}"
            ) from error
        finally:
            os.close(theirs)
            os.close(ours)

    def open(self, setup: dict[str, Any]) -> tuple[ModelFacts, int]:
        """Have it enter the sandbox and load the file; returns the facts and Landlock's version.
        Raises what the child says is wrong, of the kinds it may say, or ModelStopped.
        """
        deadline = time.monotonic() + self._limits.load_s
        doing = "while it was loaded"
        self._allow_cpu(self._limits.load_s)
        try:
            wire.send_json(self._asking, setup)
            kind, _, data = self._message(0, deadline, max(wire.MAX_FACTS, wire.MAX_FAILURE))
            if kind == wire.FAILED:
                raise self._load_failure(data)
            if kind != wire.FACTS:
                raise ValueError("it did not begin with its facts")
            return read_facts(data)
        except wire.TooLateError as error:
            self.kill()
            raise self._stop(f"was not loaded within {self._limits.load_s:g} s") from error
        except (wire.BrokenOffError, ValueError) as error:
            raise self._ended(doing, error) from error

    def plan(self, plan: dict[str, Any]) -> None:
        """Tell it how inputs lie in the shared memory."""
        with contextlib.suppress(wire.BrokenOffError):  # the first answer reports it
            wire.send_json(self._asking, plan)

    def ask(self, slot: int, rows: int) -> int:
        """Ask about the first ``rows`` inputs of ``slot``; returns the request's number."""
        if self._stopped is not None:
            raise self._stopped
        self._number += 1
        # If it ended meanwhile, the reader of its answer finds out how.
        with contextlib.suppress(wire.BrokenOffError):
            wire.send(self._asking, wire.REQUEST.pack(self._number, slot, rows))
        return self._number

    def answer(self, number: int, rows: int) -> ModelReply:
        """The answer to request ``number``; answers come in the order of the requests."""
        if self._stopped is not None:
            raise self._stopped
        deadline = time.monotonic() + self._limits.answer_s
        self._allow_cpu(self._limits.answer_s)
        try:
            return self._reply(number, rows, deadline)
        except wire.TooLateError as error:
            self.kill()
            raise self._stop(
                f"gave no answer to {rows} inputs within {self._limits.answer_s:g} s"
            ) from error
        except (wire.BrokenOffError, ValueError) as error:
            raise self._ended(f"while it answered {rows} inputs", error) from error

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Let it end by itself, or end it."""
        for file in (self._asking, self._answers):
            with contextlib.suppress(OSError):
                os.close(file)
        try:
            self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self.kill()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def _reply(self, number: int, rows: int, deadline: float) -> ModelReply:
        most = max(wire.MAX_NAMES, 4 * rows)
        kind, classes, data = self._message(number, deadline, most)
        names: tuple[str, ...] = ()
        if kind == wire.NAMES:
            names = _json(data, read_names)
            kind, classes, data = self._message(number, deadline, most)
        if kind == wire.FAILED:
            message = _json(data, _failure)
            return ModelReply(None, error=message[0], text=message[1])
        if kind != wire.LABELS or len(data) != 4 * rows:
            raise ValueError("it sent something else than one label per input")
        return ModelReply(data, classes or None, names)

    def _message(self, number: int, deadline: float, most: int) -> tuple[int, int, bytes]:
        head = wire.receive(self._answers, wire.HEADER.size, deadline)
        about, kind, classes, size = wire.HEADER.unpack(head)
        if about != number or size > most:
            raise ValueError("it answered something that was not asked, or at too great length")
        return kind, classes, wire.receive(self._answers, size, deadline)

    def _load_failure(self, data: bytes) -> AdapterError:
        name, text = _json(data, _failure)
        if name not in LOAD_FAILURES:
            raise ValueError("it failed in a way that it cannot")
        kind: type[AdapterError] = getattr(errors, name)
        return kind(one_line(text, 600))

    def _allow_cpu(self, seconds: float) -> None:
        """Processor time for ``seconds`` from now on every core; a busy orphan ends by it."""
        clock = (~self._process.pid << 3) | 2  # CPUCLOCK_SCHED of that process
        # If it ended already, the reader of its answer finds out how.
        with contextlib.suppress(OSError, ValueError):
            used = time.clock_gettime(clock)
            soft = int(used + seconds * (os.cpu_count() or 1)) + 2
            hard = resource.prlimit(self._process.pid, resource.RLIMIT_CPU)[1]
            least = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
            resource.prlimit(self._process.pid, resource.RLIMIT_CPU, (least, hard))

    def _ended(self, doing: str, error: Exception) -> ModelStopped:
        """End of the process, as an error."""
        if isinstance(error, ValueError):
            self.kill()
            return self._stop(f"broke the protocol {doing}: {error}")
        try:
            code = self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._stop(f"fell silent {doing}")
        if code >= 0:
            return self._stop(f"ended its process {doing} (exit status {code})")
        if -code == signal.SIGXCPU:
            return self._stop(f"used more processor time than it is allowed {doing}")
        if -code == signal.SIGKILL:
            return self._stop(f"was killed {doing}, most likely for want of memory")
        names = {s.value: s.name for s in signal.Signals}
        return self._stop(f"crashed {doing} ({names.get(-code, f'signal {-code}')})")

    def _stop(self, what: str) -> ModelStopped:
        self._stopped = ModelStopped(f"model file {self._file} {what}")
        return self._stopped


def _json(data: bytes, read: Any) -> Any:
    try:
        message = json.loads(data)
    except RecursionError as error:
        raise ValueError("its message is nested too deeply") from error
    return read(message)


def _failure(message: Any) -> tuple[str, str]:
    if not isinstance(message, dict):
        raise ValueError("its failure is no object")  # noqa: TRY004 - one kind of error
    name, text = message.get("error"), message.get("text")
    if not isinstance(name, str) or not isinstance(text, str):
        raise ValueError("its failure has no name or text")  # noqa: TRY004 - as above
    return name, text
