"""Sends a request once, and enters its end in the store, the ledger and the observer."""

from __future__ import annotations

import asyncio
import hashlib
import traceback
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from adapters.contract import Labels
from adapters.errors import AdapterError, BadReply, Throttled
from auditor.engine.observer import Sent
from auditor.engine.patience import limited_by
from auditor.engine.rate import HaltedError
from auditor.engine.requests import Request
from auditor.engine.state import RunState
from auditor.engine.store import NOT_ASKED, StoredProbe


class Dispatcher:
    """Sends the requests of one run."""

    def __init__(self, run: RunState) -> None:
        self._engine, self._run = run.engine, run
        self._oracle = run.engine.connection.oracle

    async def ask(self, request: Request) -> Labels:
        """Labels of ``request``, which is sent when a slot is free and its turn has come.

        Raises:
            AdapterError: it failed.
            HaltedError: nothing new may be sent.
        """
        pace, halt = self._engine.pace, self._run.halt
        while True:
            await pace.trouble.pass_by(request.asker, halt)
            await pace.slots.acquire()
            try:
                if await pace.wait_for_turn(len(request.items), halt, request.asker):
                    return await self._send_within_shared(request)
            finally:
                pace.slots.release()

    async def _send_within_shared(self, request: Request) -> Labels:
        """Send ``request`` when the limits that audits keep together allow it."""
        shared, run = self._engine.limits.shared, self._run
        if shared is None:
            return await self._send(request)
        if not await shared.enter(len(request.items), run.halt.check):
            run.budget.reached = True
            run.halt.set()
            raise HaltedError
        try:
            return await self._send(request)
        finally:
            await shared.leave()

    async def _send(self, request: Request) -> Labels:
        request.sends += 1
        groups = request.by_probe()
        parts = [(self._run.stored[number], request.items[where]) for number, where in groups]
        intents = await self._engine.store.intend(self._run.plan_digest, parts, request.sends)
        self._run.ledger.send(len(request.items), again=request.sends > 1)
        began = self._engine.pace.clock.now()
        try:
            labels = await self._engine.connection.predict(
                request.batch, lambda: self._key(request)
            )
            labels = _checked(labels, len(request.items))
        except BaseException as error:
            self._close_failed(request, intents, began, error)
            raise
        answered = [
            (stored, items, labels[where])
            for (stored, items), (_, where) in zip(parts, groups, strict=True)
        ]
        self._close_answered(request, intents, began, labels, answered)
        return labels

    def _key(self, request: Request) -> str:
        """The key under which a target bills ``request`` once.

        It depends on the inputs alone, so a retry has it again, and so has the same request
        after a crash; the same input asked twice on purpose has another.

        So has a repeat after a success without usable labels: a server that replays its answer to
        a key it knows would replay that one, however often it is asked.
        """
        parts = [
            (self._run.digests[number], request.items[where].tolist())
            for number, where in request.by_probe()
        ]
        asked = f"{self._run.plan_digest} {sorted(parts)}"
        if request.odd:
            asked += f" odd {request.odd}"
        return hashlib.sha256(asked.encode()).hexdigest()[:32]

    # ---- an answer -------------------------------------------------------------------------

    def _close_answered(
        self,
        request: Request,
        intents: Sequence[int],
        began: float,
        labels: Labels,
        parts: Sequence[tuple[StoredProbe, NDArray[np.int64], Labels]],
    ) -> None:
        engine, status = self._engine, self._engine.connection.status
        # Names first: labels that are committed without them would mean other classes later.
        self._run.names.keep_new()
        self._note_server()
        engine.store.record(intents, parts)
        engine.observer.answered(self._sent(request, began, status), labels)
        self._run.ledger.end(status or "ok")
        engine.answered(began, self._oracle.take_pace_hint())

    def _note_server(self) -> None:
        """End the run if another server answers than before: no verdict can rest on both."""
        engine, server = self._engine, self._run.server
        news = server.news(engine.connection.server_identity)
        addresses = engine.connection.addresses
        if news or len(addresses) != engine.addresses:
            engine.addresses = len(addresses)
            engine.observer.server(news, addresses)
        if news:
            engine.store.keep_server_identity(self._oracle.fingerprint, news)
            if server.changed:
                self._run.halt.set()

    # ---- a failure -------------------------------------------------------------------------

    def _close_failed(
        self, request: Request, intents: Sequence[int], began: float, error: BaseException
    ) -> None:
        if not isinstance(error, AdapterError):
            why = "interrupted" if isinstance(error, asyncio.CancelledError) else repr(error)
            self._engine.store.fail(intents, f"{why} while in flight", unknown=True)
            self._note_failed(request, began, error, "")
            return
        _release_frames(error)
        if error.advice.unsent or error.advice.kind == "too-large":
            self._undo_send(request, intents)
        else:
            self._engine.store.fail(intents, str(error), unknown=error.advice.outcome_unknown)
            self._note_failed(request, began, error, error.status)
        self._slow_down(request, began, error)

    def _undo_send(self, request: Request, intents: Sequence[int]) -> None:
        """Take back the charge of a request that never left, or was refused for its size unread."""
        queries, run = len(request.items), self._run
        self._engine.store.take_back(run.plan_digest, intents, queries, request.sends)
        run.budget.give_back(queries)
        run.ledger.take_back(queries, again=request.sends > 1)
        request.sends -= 1

    def _note_failed(
        self, request: Request, began: float, error: BaseException, status: str
    ) -> None:
        self._engine.observer.failed(self._sent(request, began, status), error)
        self._run.ledger.end(status or type(error).__name__)

    def _slow_down(self, request: Request, began: float, error: AdapterError) -> None:
        """Adapt the pace to a failure."""
        engine, pace = self._engine, self._engine.pace
        pace.gate.apply(self._oracle.take_pace_hint())
        pause = error.advice.retry_after_s or 0.0
        if isinstance(error, Throttled):
            self._run.ledger.throttled += 1
            pace.refused(pause, began)
        if limited_by(error, heard=engine.patience.heard) == "nothing":
            return
        pace.trouble.begin(request.asker, began, pace.clock.now())
        if pause > engine.patience.seconds:  # the run ends
            return
        if pace.gate.left <= 0 and pause > 0:
            engine.progress.waiting(pause, error.status or "the target asks for it")
        pace.gate.close_for(pause)

    def _sent(self, request: Request, began: float, status: str) -> Sent:
        return Sent(
            request.probes,
            request.items,
            request.batch,
            request.keys,
            request.sends,
            self._engine.pace.clock.now() - began,
            status,
        )


def _checked(labels: Labels, n: int) -> Labels:
    """``labels`` if they can be stored.

    Raises:
        BadReply: not one whole number from 0 to 65534 per input.
    """
    array = np.asarray(labels)
    if array.shape == (n,) and array.dtype.kind in "iu":
        whole = array.astype(np.int64, copy=False)
        # Negative numbers wrap around to huge ones, so one comparison sees both ends.
        if whole.view(np.uint64).max(initial=0) < NOT_ASKED:
            return whole
    raise BadReply("the target's adapter did not give one label from 0 to 65534 per input")


def _release_frames(error: BaseException | None) -> None:
    """Empty the frames ``error`` came through: they hold the inputs, and errors live long."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
