"""An oracle whose answers come from files: inputs without one are handed out for the next run."""

from __future__ import annotations

import asyncio
import csv
from collections import defaultdict, deque
from pathlib import Path
from typing import Any

import numpy as np

from adapters.batch_files.exchange import FileExchange, Round, key_of
from adapters.batch_files.labels import read_labels
from adapters.batch_files.writers import MANIFEST, RoundWriter, sent_values
from adapters.checks import check_batch
from adapters.contract import Batch, InputSpec, Labels, LabelSpace, PaceHint, WireCount
from adapters.errors import TargetError

BATCH = 256


class FileOracle:
    """See :mod:`adapters.batch_files`; a :class:`~adapters.contract.OfflineOracle` oracle.

    Args:
        exchange: the rounds so far.
        spec: form of an input.
        space: meaning of the labels.
        labels: file with the labels of the round that waits, or None.
    """

    def __init__(
        self, exchange: FileExchange, spec: InputSpec, space: LabelSpace, labels: Path | None
    ) -> None:
        self._exchange = exchange
        self._labels = labels
        self._answers: dict[bytes, deque[int]] = defaultdict(deque)
        self._asked: set[bytes] = set()
        self._writer = RoundWriter(exchange, spec)
        self._turn = asyncio.Lock()
        self.input_spec = spec
        self.label_space = space
        facts = exchange.facts
        self.fingerprint = (
            f"files {exchange.token} {spec.access}/{spec.encoding} {facts['shape']} "
            f"{facts['layout']} black={spec.low} white={spec.high}"
        )
        self.description: dict[str, Any] = {
            "kind": "files",
            "name": exchange.place.name,
            "exchange": exchange.token,
            "layout": facts["layout"],
        }
        self.max_batch = BATCH
        self.wire = WireCount()

    async def begin(self, audit: str) -> None:
        """See :meth:`adapters.contract.OfflineOracle.begin`."""
        exchange = self._exchange
        if exchange.plan not in {"", audit}:
            raise TargetError(
                f"the inputs in {exchange.place} were handed out for other samples or settings: "
                "use the same ones, or another --input-file"
            )
        exchange.plan = audit
        waiting = exchange.waiting
        if waiting is None:
            self._refuse_stray_labels()
        else:
            await asyncio.to_thread(self._take_in, waiting)

    def _refuse_stray_labels(self) -> None:
        # A file that is not there yet is no mistake: one command can serve every round.
        stray = self._labels is not None and self._labels.exists()
        if stray and not self._exchange.rounds:
            raise TargetError(
                f"no inputs were handed out yet in {self._exchange.place}, so {self._labels} "
                "cannot hold their labels: run it without --labels-file first"
            )

    def _take_in(self, waiting: Round) -> None:
        keys = self._exchange.keys(waiting)
        if self._labels is None or not self._labels.exists():
            # Nothing to take over; only inputs that were handed out may be asked again.
            self._asked = set(keys)
            return
        digests = self._digests(waiting, keys)
        labels = read_labels(self._labels, self._exchange, waiting, self.label_space, digests)
        for key, label in zip(keys, labels, strict=True):
            self._answers[key].append(label)

    def _digests(self, waiting: Round, keys: list[bytes]) -> list[str]:
        """SHA-256 of each input as handed out: of its values in an ``.npz``, of its image."""
        place = self._exchange.folder / waiting.place
        try:
            if self._exchange.arrays:
                with place.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
                    digests = [str(one) for one in archive["sha256"].tolist()]
            else:
                text = (place / MANIFEST).read_text(encoding="utf-8")
                digests = [row[1] for row in csv.reader(text.splitlines())][1:]
        except (OSError, ValueError, KeyError, IndexError, csv.Error):
            # The user may have moved the inputs away; our own record is authoritative.
            return [""] * len(keys)
        return digests if len(digests) == len(keys) else [""] * len(keys)

    async def answers_now(self, batch: Batch) -> bool:
        """See :meth:`adapters.contract.OfflineOracle.answers_now`."""
        checked = check_batch(batch, self.input_spec, self.max_batch)
        async with self._turn:
            return await asyncio.to_thread(self._note, checked)

    def _note(self, batch: Batch) -> bool:
        values = sent_values(batch, self.input_spec)
        wanted: dict[bytes, int] = defaultdict(int)
        unanswered = []
        for number, value in enumerate(values):
            key = key_of(value)
            wanted[key] += 1
            if wanted[key] > len(self._answers.get(key, ())):
                unanswered.append(number)
        if not unanswered:
            return True
        if not self._asked:
            self._writer.add(values[unanswered])
        elif not all(key_of(values[number]) in self._asked for number in unanswered):
            waiting = self._exchange.waiting
            assert waiting is not None
            raise TargetError(
                f"round {waiting.number} in {self._exchange.place} waits for its labels and the "
                "audit would now ask something else: use the same options as before"
            )
        return False

    async def predict_labels(self, batch: Batch) -> Labels:
        """See :meth:`adapters.contract.LabelOracle.predict_labels`.

        Raises:
            TargetError: no label has come for an input: files cannot be asked at once.
        """
        values = sent_values(check_batch(batch, self.input_spec, self.max_batch), self.input_spec)
        labels = np.empty(len(values), dtype=np.int64)
        for number, value in enumerate(values):
            answers = self._answers.get(key_of(value))
            if not answers:
                raise TargetError(
                    "with --input-file nothing can be asked at once: run the audit itself, which "
                    "hands out its inputs"
                )
            labels[number] = answers.popleft()
        self.wire.requests += 1
        return labels

    async def hand_out(self) -> str:
        """See :meth:`adapters.contract.OfflineOracle.hand_out`."""
        return await asyncio.to_thread(self._hand_out)

    def _hand_out(self) -> str:
        exchange = self._exchange
        waiting = exchange.waiting
        if len(self._writer):
            fresh = self._writer.finish()
            self._close_round(fresh)
            waiting = fresh
        assert waiting is not None, "something was deferred, so something waits"
        place = exchange.folder / waiting.place
        what = "inputs" if self._exchange.arrays else "images"
        given = self._labels is not None and not self._labels.exists()
        missing = f", and {self._labels} is not there yet" if given else ""
        return (
            f"round {waiting.number}: {waiting.inputs:,} {what} wait in {place} for their labels"
            f"{missing}; let your batch job label them, then run the same command with "
            "--labels-file FILE (columns id and label)"
        )

    async def taken_over(self) -> None:
        """See :meth:`adapters.contract.OfflineOracle.taken_over`."""
        if self._exchange.waiting is not None:
            await asyncio.to_thread(self._close_round, None)

    def _close_round(self, fresh: Round | None) -> None:
        exchange = self._exchange
        if exchange.waiting is not None:
            exchange.waiting.answered = True
        if fresh is not None:
            exchange.rounds.append(fresh)
        try:
            exchange.save()
        except OSError as error:
            raise TargetError(f"{exchange.state} cannot be written: {error.strerror}") from error

    def request_bytes(self, n: int) -> int:
        """Estimated bytes of ``n`` inputs on disk."""
        values = self.input_spec.size * n
        return 4 * values if self.input_spec.encoding == "float32" else values

    def take_pace_hint(self) -> PaceHint | None:
        """No quota: None."""
        return None

    async def aclose(self) -> None:
        """Remove inputs that were not handed out."""
        await asyncio.to_thread(self._writer.discard)
