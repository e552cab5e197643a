"""Stopping in two steps."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from auditor.engine.engine import QueryEngine
from auditor.engine.progress import Progress
from auditor.workflows.stop import TwoStepStop


class Notes(Progress):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


class Engine:
    """Counts how often it is stopped."""

    def __init__(self) -> None:
        self.stops = 0

    def stop(self) -> None:
        self.stops += 1


def as_engine(engine: Engine) -> QueryEngine:
    return cast("QueryEngine", engine)


def test_the_first_step_drains_and_says_how_to_take_the_second() -> None:
    async def main() -> tuple[Engine, Notes]:
        engine, notes = Engine(), Notes()
        stop = TwoStepStop(notes, "Press")
        stop.watch_task()
        stop.watch_engine(as_engine(engine))
        stop.take(stop.count())
        await asyncio.sleep(0)
        return engine, notes

    engine, notes = asyncio.run(main())
    assert engine.stops == 1
    (note,) = notes.notes
    assert note.endswith("Press again to stop at once.")


def test_the_second_step_cancels() -> None:
    async def main(stop: TwoStepStop, engine: Engine) -> Any:
        stop.watch_task()
        stop.watch_engine(as_engine(engine))
        stop.take(stop.count())
        stop.take(stop.count())
        await asyncio.sleep(60)

    engine = Engine()
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main(TwoStepStop(Notes(), "Stop"), engine))
    assert engine.stops == 1


def test_a_step_before_there_is_an_engine_cancels_at_once() -> None:
    async def main(stop: TwoStepStop) -> Any:
        stop.watch_task()
        stop.take(stop.count())
        await asyncio.sleep(60)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main(TwoStepStop(Notes(), "Stop")))


def test_an_engine_that_comes_after_the_first_step_is_stopped() -> None:
    engine, stop = Engine(), TwoStepStop(Notes(), "Stop")
    stop.count()
    stop.watch_engine(as_engine(engine))
    assert engine.stops == 1
