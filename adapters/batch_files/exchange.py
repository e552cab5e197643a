"""The state of an exchange: which rounds were handed out, and which were answered."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.contract import InputSpec, Layout
from adapters.errors import TargetError

VERSION = 1
KEY_BYTES = 32


@dataclass
class Round:
    """Inputs that were handed out together.

    Attributes:
        number: from 1.
        inputs: number of inputs.
        place: name of the folder or file they are in, beside or below the state.
        digest: SHA-256 over the keys of its inputs in order, which its record must have.
        answered: True if its labels were taken over.
    """

    number: int
    inputs: int
    place: str
    digest: str
    answered: bool = False


@dataclass
class FileExchange:
    """Everything known about one exchange.

    Attributes:
        place: as the user named it: a folder for images, or an ``.npz`` file name.
        facts: access, encoding, shape, layout and range of its inputs.
        token: 12 hex digits that identify this exchange.
        plan: digest of the audit plan that it belongs to; empty until it is known.
    """

    place: Path
    facts: dict[str, Any]
    token: str
    plan: str = ""
    rounds: list[Round] = field(default_factory=list)

    @property
    def arrays(self) -> bool:
        """True if inputs travel as arrays in ``.npz`` files, not as images in folders."""
        return self.place.suffix == ".npz"

    @property
    def folder(self) -> Path:
        """Folder of the state and the rounds."""
        return self.place.parent if self.arrays else self.place

    @property
    def state(self) -> Path:
        """The file that holds this object."""
        name = f"{self.place.stem}.exchange.json" if self.arrays else "exchange.json"
        return self.folder / name

    @property
    def waiting(self) -> Round | None:
        """The round whose labels are missing; None if there is none."""
        last = self.rounds[-1] if self.rounds else None
        return last if last is not None and not last.answered else None

    def name_of(self, number: int) -> str:
        """Name of round ``number``'s folder or file."""
        return f"{self.place.stem}-{number:03d}.npz" if self.arrays else f"round-{number:03d}"

    def prefix(self, number: int) -> str:
        """Beginning of the ids of round ``number``."""
        return f"{self.token[:6]}-{number:03d}-"

    def keys_file(self, number: int) -> Path:
        """Our own record of the inputs of round ``number``."""
        return self.folder / f".{self.name_of(number)}.keys"

    def keys(self, round_: Round) -> list[bytes]:
        """Key of every input of a round, in order; a TargetError if their record was changed."""
        path = self.keys_file(round_.number)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise TargetError(
                f"the record of round {round_.number}, {path}, cannot be read: {error.strerror}"
            ) from error
        if hashlib.sha256(data).hexdigest() != round_.digest:
            raise TargetError(
                f"the record of round {round_.number}, {path}, is not as it was written: restore "
                "it, or begin again with another --input-file"
            )
        return [data[at : at + KEY_BYTES] for at in range(0, len(data), KEY_BYTES)]

    def save(self) -> None:
        """Write the state, whole or not at all; an OSError if that fails."""
        data = {
            "xray_audit_exchange": VERSION,
            "token": self.token,
            "plan": self.plan,
            "inputs": self.facts,
            "rounds": [asdict(one) for one in self.rounds],
        }
        write_whole(self.state, (json.dumps(data, indent=1) + "\n").encode("utf-8"))


def open_exchange(place: Path, spec: InputSpec, layout: Layout) -> FileExchange:
    """The exchange at ``place``, or a new one that is not on disk yet.

    Raises:
        TargetError: the place holds no exchange, or one of other inputs.
    """
    facts = {
        "access": spec.access,
        "encoding": spec.encoding,
        "shape": list(spec.shape),
        "layout": layout,
        "black": list(spec.low),
        "white": list(spec.high),
    }
    fresh = FileExchange(place, facts, secrets.token_hex(6))
    try:
        text = fresh.state.read_text(encoding="utf-8")
    except FileNotFoundError:
        _refuse_foreign(fresh)
        return fresh
    except (OSError, UnicodeDecodeError) as error:
        raise TargetError(f"{fresh.state} cannot be read: {error}") from error
    found = _parse(fresh, text)
    for name, value in facts.items():
        if found.facts.get(name) != value:
            raise TargetError(
                f"the inputs in {place} were handed out with {name} {found.facts.get(name)} and "
                f"now it is {value}: use the same options, or another --input-file"
            )
    return found


def _parse(fresh: FileExchange, text: str) -> FileExchange:
    try:
        data = json.loads(text)
        if data["xray_audit_exchange"] != VERSION:
            raise TargetError(f"{fresh.state} was written by another version of xray-audit")
        rounds = [Round(**one) for one in data["rounds"]]
        token, plan, facts = str(data["token"]), str(data["plan"]), dict(data["inputs"])
        int(token, 16)
    except (ValueError, KeyError, TypeError) as error:
        raise TargetError(f"{fresh.state} is not the state of an exchange: {error!r}") from error
    if [one.number for one in rounds] != list(range(1, len(rounds) + 1)):
        raise TargetError(f"{fresh.state} is not the state of an exchange: a round is missing")
    return FileExchange(fresh.place, facts, token, plan, rounds)


def _refuse_foreign(fresh: FileExchange) -> None:
    """Refuse a folder with other files: inputs must not be mixed with the user's images."""
    if fresh.arrays:
        return
    try:
        if fresh.folder.exists() and any(fresh.folder.iterdir()):
            raise TargetError(
                f"the folder {fresh.folder} is not empty and holds no exchange.json: name a new "
                "one with --input-file"
            )
    except OSError as error:
        raise TargetError(
            f"--input-file {fresh.folder} cannot be used: {error.strerror}"
        ) from error


def key_of(sent: NDArray[Any]) -> bytes:
    """Identity of an input: the digest of the values that are sent."""
    return hashlib.sha256(np.ascontiguousarray(sent).tobytes()).digest()


def write_whole(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path`` so that neither a reader nor a power cut leaves half of it.

    Raises:
        OSError: it cannot be written; an older file is untouched.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
