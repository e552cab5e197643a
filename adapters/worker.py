"""One thread beside the event loop, for runtimes whose calls block."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Worker:
    """Runs blocking calls one after the other on a thread of its own, which ``name`` names. One
    thread, not a pool: a runtime already uses every core for one batch, and torch and CUDA keep
    settings per thread.
    """

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"xray-audit-{name}")
        self._closed = False

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Result of ``call(*args, **kwargs)``, computed on the thread. Raises RuntimeError once
        closed.
        """
        return await asyncio.wrap_future(self.submit(call, *args, **kwargs))

    def submit(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Queue ``call(*args, **kwargs)``, from any thread. Raises RuntimeError once closed."""
        if self._closed:
            raise RuntimeError("this model is closed")
        return self._pool.submit(call, *args, **kwargs)

    @staticmethod
    async def outcome(queued: Future[T]) -> T:
        """Result of a queued call, which is made even if its caller no longer waits."""
        return await asyncio.shield(asyncio.wrap_future(queued))

    async def aclose(self) -> None:
        """End the thread after the queued calls, without holding up the event loop."""
        if self._closed:
            return
        self._closed = True
        try:
            await asyncio.wrap_future(self._pool.submit(lambda: None))
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)
