"""What a waiting user sees."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest

from auditor.engine.engine import QueryEngine
from auditor.engine.live_progress import WIDEST, LiveProgress
from auditor.engine.progress import (
    EventProgress,
    JsonProgress,
    SearchProgress,
    StreamProgress,
    choose_progress,
)
from auditor.engine.store import LabelStore


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_eta_comes_from_live_queries_only() -> None:
    stream, time = io.StringIO(), Time()
    progress = StreamProgress(stream, 10.0, now=time)
    progress.start(1000, 500)
    time.now = 10.0
    progress.advance(100, live=True)
    # 100 live labels in 10 s: the 400 that are left take 40 s, whatever the store held.
    assert stream.getvalue() == "600 of 1,000 labels (60%), 10 queries/s, 40 s left\n"
    time.now = 20.0
    progress.advance(200, live=False)
    last = stream.getvalue().splitlines()[-1]
    assert last == "800 of 1,000 labels (80%), 5 queries/s, 40 s left"


def test_the_eta_leaves_an_outage_out() -> None:
    stream, time = io.StringIO(), Time()
    progress = StreamProgress(stream, 10.0, now=time)
    progress.start(1000, 0)
    for _ in range(30):
        time.now += 1.0
        progress.advance(10, live=True)
    time.now += 200.0
    progress.paced(200.0, None)
    progress.advance(10, live=True)
    last = stream.getvalue().splitlines()[-1]
    assert last == "310 of 1,000 labels (31%), 10 queries/s, 1 min 07 s left"


def test_the_eta_follows_the_newest_minute_and_a_learnt_pace() -> None:
    stream, time = io.StringIO(), Time()
    progress = StreamProgress(stream, 10.0, now=time)
    progress.start(100_000, 0)
    for rate in [100] * 120 + [10] * 61:
        time.now += 1.0
        progress.advance(rate, live=True)
    assert ", 10 queries/s, " in stream.getvalue().splitlines()[-1]
    progress.paced(0.0, 2.0)
    time.now += 10.0
    progress.advance(1, live=True)
    assert ", 2 queries/s, " in stream.getvalue().splitlines()[-1]


def test_without_live_queries_there_is_no_eta() -> None:
    stream, time = io.StringIO(), Time()
    progress = StreamProgress(stream, 10.0, now=time)
    progress.start(10, 4)
    progress.finish()
    assert stream.getvalue() == "4 of 10 labels (40%)\n"


def test_a_log_gets_a_line_now_and_then() -> None:
    stream, time = io.StringIO(), Time()
    progress = StreamProgress(stream, 10.0, now=time)
    progress.start(1000, 0)
    for _ in range(600):
        time.now += 0.1
        progress.advance(1, live=True)
    lines = stream.getvalue().splitlines()
    assert 5 <= len(lines) <= 7
    assert "\r" not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_a_log_gets_a_line_every_half_minute() -> None:
    stream, time = io.StringIO(), Time()
    progress = StreamProgress(stream, now=time)
    progress.phase("Planes", "44 of them.")
    progress.start(10_000, 0)
    for _ in range(3000):
        time.now += 0.1
        progress.advance(1, live=True)
    note, *lines = stream.getvalue().splitlines()
    assert note == "44 of them."
    assert 10 <= len(lines) <= 11
    assert all(line.startswith("Planes: ") for line in lines)


def test_money_counts_over_the_phases() -> None:
    stream, time = io.StringIO(), Time()
    progress = StreamProgress(stream, now=time, price=0.5)
    for _ in range(2):
        progress.start(10, 0)
        time.now += 2.0
        progress.advance(10, live=True)
        progress.finish()
    assert stream.getvalue().splitlines()[-1].endswith("10.00 spent")


def test_json_is_one_object_a_line() -> None:
    stream = io.StringIO()
    progress = JsonProgress(stream)
    progress.phase("Planes")
    progress.start(10, 4)
    progress.waiting(12.0, "429")
    progress.found("1 lead")
    progress.note("two\nlines")
    progress.advance(6, live=False)
    progress.finish()
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [one["event"] for one in events] == [
        "phase", "waiting", "found", "note", "end",
    ]  # fmt: skip
    assert events[1] == {"event": "waiting", "seconds": 12.0, "why": "429"}
    assert (events[-1]["phase"], events[-1]["labels"], events[-1]["at_most"]) == ("Planes", 10, 10)


def test_events_come_at_most_every_second() -> None:
    events: list[dict[str, Any]] = []
    time = Time()
    progress = EventProgress(events.append, now=time)
    progress.start(1000, 0)
    for _ in range(100):
        time.now += 0.1
        progress.advance(1, live=True)
    assert 9 <= len(events) <= 10
    assert events[-1]["queries_per_second"] == pytest.approx(10.0, rel=0.2)


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_that_knows_no_codes_gets_lines(
    monkeypatch: pytest.MonkeyPatch, term: str
) -> None:
    monkeypatch.setattr("sys.stderr", Terminal())
    monkeypatch.setenv("TERM", term)
    assert type(choose_progress()) is StreamProgress
    monkeypatch.setenv("TERM", "xterm")
    assert type(choose_progress()) is LiveProgress
    assert type(choose_progress("lines")) is StreamProgress
    assert type(choose_progress("json")) is JsonProgress


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_live_region_is_narrow_and_says_why_it_waits(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    stream, time = Terminal(), Time()
    progress = LiveProgress(stream, now=time, ticking=False)
    progress.phase("Looking for a trigger " * 9)
    progress.start(100, 0)
    time.now = 1.0
    progress.advance(10, live=True)
    progress.waiting(12.0, "429")
    assert "waiting, 429: 12 s" in stream.getvalue()
    progress.found("1 lead, best 13 of 19")
    time.now = 20.0
    progress.advance(10, live=True)
    shown = stream.getvalue()
    assert "1 lead, best 13 of 19" in shown
    assert "10 of at most 100 queries (10%)" in shown
    for line in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown).replace("\r", "\n").split("\n"):
        assert len(line) <= WIDEST
    progress.finish()
    assert stream.getvalue().endswith("\n")
    assert stream.getvalue().count("\x1b[?25h") == stream.getvalue().count("\x1b[?25l") == 1


@pytest.mark.parametrize(("width", "ends"), [(60, "3,000 labels, 3 s"), (80, "38 of 40 → five")])
def test_the_line_that_stays_never_cuts_a_count(
    monkeypatch: pytest.MonkeyPatch, width: int, ends: str
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    stream, time = Terminal(), Time()
    progress = LiveProgress(stream, now=time, ticking=False)
    progress.phase("Looking for a trigger")
    progress.start(9_000, 0)
    progress.found("51 leads, best 38 of 40 → five")
    time.now = 3.0
    progress.advance(3_000, live=True)
    progress.finish()
    assert stream.getvalue().rstrip().endswith(ends)


def test_a_log_gets_a_note_as_a_line() -> None:
    stream = io.StringIO()
    StreamProgress(stream).note("Stopping.")
    assert stream.getvalue() == "Stopping.\n"


@pytest.mark.parametrize(
    ("rate", "left"), [(1.0, "59 s"), (0.1, "9 min 50 s"), (0.01, "1 h 38 min")]
)
def test_durations_read_well(rate: float, left: str) -> None:
    stream, time = io.StringIO(), Time()
    progress = StreamProgress(stream, 10.0, now=time)
    progress.start(60, 0)
    time.now = 1.0 / rate
    progress.advance(1, live=True)
    if not stream.getvalue():
        progress.finish()
    assert stream.getvalue().rstrip().endswith(f"{left} left")


def test_a_reader_that_went_away_does_not_end_an_audit() -> None:
    class Gone(io.StringIO):
        def write(self, _: str, /) -> int:
            raise BrokenPipeError

    progress = StreamProgress(Gone(), now=Time())
    progress.start(10, 0)
    progress.note("Stopping.")
    progress.finish()


class Recorder:
    """Progress that counts."""

    def __init__(self) -> None:
        self.planned = self.known = self.live = self.free = 0
        self.finished = 0

    def start(self, planned: int, known: int) -> None:
        self.planned, self.known = planned, known

    def advance(self, labels: int, *, live: bool) -> None:
        assert not self.finished
        if live:
            self.live += labels
        else:
            self.free += labels

    def note(self, message: str) -> None:
        raise AssertionError(message)

    def finish(self) -> None:
        self.finished += 1


def test_the_engine_reports_every_label_once_and_then_finishes(lab: Any) -> None:
    probes = [lab.Probe((1.0, 2.0, 1.0, 3.0)), lab.Probe((3.0, 4.0, 1.0))]
    first = Recorder()
    lab.run(probes[:1], lab.Oracle(), progress=first)
    assert (first.planned, first.known, first.live, first.free) == (4, 0, 3, 1)
    second = Recorder()
    lab.run(probes, lab.Oracle(), progress=second)
    assert (second.planned, second.known, second.live, second.free) == (7, 4, 1, 2)
    assert first.finished == second.finished == 1


def test_a_run_that_fails_finishes_its_progress_too(lab: Any) -> None:
    async def broken(_: Any, __: Any) -> None:
        raise ZeroDivisionError

    recorder = Recorder()
    with pytest.raises(ZeroDivisionError):
        lab.run([lab.Probe((1.0,))], lab.Oracle(broken), progress=recorder)
    assert recorder.finished == 1


def test_a_stopped_run_finishes_its_progress_too(lab: Any) -> None:
    async def stop(engine: QueryEngine, _: LabelStore) -> None:
        engine.stop()

    recorder = Recorder()
    lab.run([lab.Probe((1.0,))], lab.Oracle(), progress=recorder, watch=stop)
    assert recorder.finished == 1


def test_a_search_of_many_batches_is_shown_as_one_piece_of_work() -> None:
    stream = io.StringIO()
    seconds = iter(range(0, 1000, 3))
    shown = SearchProgress(StreamProgress(stream, now=lambda: float(next(seconds))), budget=100)
    for _ in range(5):
        shown.start(10, 0)
        shown.advance(10, live=True)
        shown.finish()
    shown.end()
    lines = stream.getvalue().splitlines()
    assert lines[-1].startswith("50 of 100 labels (50%)")
    assert len(lines) < 5


def test_a_search_beyond_its_budget_never_shows_more_than_all() -> None:
    stream = io.StringIO()
    shown = SearchProgress(StreamProgress(stream), budget=10)
    shown.start(12, 0)
    shown.advance(12, live=True)
    shown.end()
    assert stream.getvalue().splitlines()[-1].startswith("12 of 12 labels (100%)")
