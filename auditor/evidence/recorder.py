"""Turns a running audit into a bundle: plan first, then the log, in the end the head."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from adapters.contract import InputSpec
from adapters.strict_json import canonical
from auditor.errors import AuditError
from auditor.evidence import layout
from auditor.evidence.attest.signing import Signer
from auditor.evidence.canonical import sha256
from auditor.evidence.chain import Chain, file_lines, read_chain
from auditor.evidence.head import Listed, head_statement, plan_statement
from auditor.evidence.label_log import LabelLog
from auditor.evidence.records import image_bytes, tool
from auditor.report.files import write_atomic

COMPRESSION = 6


class Recorder:
    """Keeps the evidence of one audit in ``folder``, which must exist; plan and head are signed if
    there is a ``signer``.

    Attributes:
        unsigned_again: True if a signed head of an earlier run was removed and none replaces it.
    """

    def __init__(self, folder: Path, signer: Signer | None = None) -> None:
        self._folder = folder
        self._signer = signer
        self._log: LabelLog | None = None
        self.unsigned_again = False

    # ---- before the first query --------------------------------------------------------------

    def start(self, plan: Mapping[str, Any], spec: InputSpec) -> LabelLog:
        """Fix the plan and open the log; nothing may be asked before.

        A head of an earlier run and its attestations are taken away: they would not fit the files
        written from now on.

        Raises:
            AuditError: the folder cannot be written, or its log was changed.
        """
        data = canonical_lines(plan)
        try:
            signed_before = (self._folder / layout.HEAD_SIGNATURE).exists()
            self.unsigned_again = signed_before and self._signer is None
            for name in layout.OUTSIDE:
                (self._folder / name).unlink(missing_ok=True)
            signed = self._fix_plan(data)
        except OSError as error:
            reason = f"--output {self._folder} cannot be written: {error.strerror}"
            raise AuditError(reason) from error
        opening = {
            "plan": sha256(data),
            "plan_signed": signed,
            "target": plan["fingerprint"],
            "tool": tool(),
        }
        self._log = LabelLog(self._folder / layout.LOG, spec, opening)
        return self._log

    def _fix_plan(self, data: bytes) -> str | None:
        """Write plan and signature; returns the key it is signed with."""
        path = self._folder / layout.PLAN
        held = path.read_bytes() if path.exists() else None
        if held != data:
            self._put_aside(held)
            write_atomic(path, data)
        if self._signer is not None:
            envelope = self._signer.envelope(plan_statement(data, self._signer.public))
            write_atomic(self._folder / layout.PLAN_SIGNATURE, envelope)
            return self._signer.public.keyid
        return "kept" if (self._folder / layout.PLAN_SIGNATURE).exists() else None

    def _put_aside(self, held: bytes | None) -> None:
        """Keep a plan that was asked here before: the number of tries is evidence too."""
        (self._folder / layout.PLAN_SIGNATURE).unlink(missing_ok=True)
        if held is None or not (self._folder / layout.LOG).exists():
            return
        (self._folder / layout.EARLIER_PLANS).mkdir(exist_ok=True)
        write_atomic(self._folder / layout.EARLIER_PLANS / f"{sha256(held)}.json", held)

    # ---- after the last ----------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the log; a second call does nothing."""
        if self._log is not None:
            self._log.close()

    def finish(
        self, ledger: Mapping[str, Any], ended: Mapping[str, Any], seen: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Write the log's last entry: account and end of the run, and the target's identity as
        ``seen``.

        Returns:
            ``seen`` with the times of the first and last query that were answered or failed, over
            all runs.

        Raises:
            StoreError: it cannot be written.
        """
        assert self._log is not None
        self._log.flush()
        identity = {**seen, **query_times(self._log.chain)}
        self._log.finish({"ledger": dict(ledger), "engine": dict(ended), "identity": identity})
        self._log.close()
        return identity

    def keep(self, name: str, data: bytes | None) -> None:
        """Put ``data`` into the bundle as ``name``; None takes an older one away."""
        if data is None:
            (self._folder / name).unlink(missing_ok=True)
        else:
            write_atomic(self._folder / name, data)

    def keep_run(
        self,
        run: Mapping[str, Any],
        profile: Mapping[str, Any] | None,
        images: NDArray[Any],
        pictures: Mapping[str, bytes],
    ) -> None:
        """Write everything that a recomputation needs besides plan and log.

        Args:
            run: the content of run.json.
            profile: the profile judged by, or None.
            images: images of the samples that the plan uses.
            pictures: PNGs that views of the report show, by their keys.

        Raises:
            OSError: they cannot be written.
        """
        self.keep(layout.RUN, canonical_lines(run))
        self.keep(layout.PROFILE, None if profile is None else canonical_lines(profile))
        self.keep(layout.SAMPLES, zlib.compress(image_bytes(images), COMPRESSION))
        shown = {key: base64.b64encode(png).decode("ascii") for key, png in pictures.items()}
        self.keep(layout.PICTURES, canonical(shown) + b"\n")

    def seal(self, views: Sequence[str], verdict: str) -> None:
        """Write the head over everything, ``views`` (names of files) included; ``verdict`` is the
        report's, which is not read again for it.

        Raises:
            OSError: it cannot be written.
            EvidenceError: something in the folder is not as it was written.
        """
        fixed = (
            layout.PLAN,
            layout.PLAN_SIGNATURE,
            layout.RUN,
            layout.PROFILE,
            layout.SAMPLES,
            layout.PICTURES,
        )
        earlier = (self._folder / layout.EARLIER_PLANS).glob("*")
        names = [*fixed, *views, *(layout.EARLIER_PLANS + path.name for path in earlier)]
        held = sorted(name for name in (*names, layout.LOG) if (self._folder / name).exists())
        files = [self._listed(name) for name in held]
        content = {name: (self._folder / name).read_bytes() for name in (layout.PLAN, layout.RUN)}
        public = None if self._signer is None else self._signer.public
        chain = read_chain(file_lines(self._folder / layout.LOG))
        head = head_statement(files, content, chain, public, verdict)
        if self._signer is not None:
            write_atomic(self._folder / layout.HEAD_SIGNATURE, self._signer.envelope(head))
        write_atomic(self._folder / layout.HEAD, head)

    def _listed(self, name: str) -> Listed:
        """The entry of a file, never all of it in memory."""
        path = self._folder / name
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Listed(name, path.stat().st_size, digest)


def query_times(chain: Chain) -> dict[str, str | None]:
    """``first_query`` and ``last_query`` of a log, ISO 8601 in UTC; None if nothing was sent."""
    times = {"first_query": chain.first_query, "last_query": chain.last_query}
    return {
        name: None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
        for name, at in times.items()
    }


def canonical_lines(value: Mapping[str, Any]) -> bytes:
    """JSON of ``value``, one top-level key a line, so that people can read and compare it."""
    lines = [f"{canonical(key).decode()}:{canonical(value[key]).decode()}" for key in value]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("ascii")
