"""The pace that a target's refusals teach: requests per second that it takes for good. Pure."""

from __future__ import annotations

SLOWER = 1.05
"""A learnt interval is this much longer than the one seen: a pace at the very limit is refused."""
FIRST_STREAK, LONGEST_STREAK = 30, 480
"""Answers in a row after which a faster pace is tried; each refusal of one doubles the number."""
MOST_FASTER = 2.0
FEW, MOST_STRIKES = 20, 6
"""A pace that is refused again within this many answers explains nothing; a target that does so
more often than not refuses at random."""
NO_PACE_S = 0.001


class LearntPace:
    """Learns the seconds between two requests from a target that refuses some of them.

    Between the first request after one refusal and the first after the next, a target that limits
    requests by time takes as many as it allows in that time. A refusal counts if it states a pause,
    or if another one follows it; the others may be chance. Two such spans are needed, and the
    faster one counts: a single one may have been an outage.

    Attributes:
        interval: seconds from one request to the next; 0 if nothing was learnt.
    """

    def __init__(self) -> None:
        self.interval = 0.0
        self._began: float | None = None
        self._answers = 0
        self._refusals = 0
        self._refused_at = float("-inf")
        self._counts = False
        self._seen: float | None = None
        self._strikes, self._off = 0, False
        self._good = 0.0
        self._streak, self._clean, self._faster = FIRST_STREAK, 0, 0

    def refused(self, pause: float, sent_at: float, now: float) -> None:
        """Note that a request of ``sent_at`` is refused ``now``, with a ``pause`` or 0 for none."""
        if sent_at >= self._refused_at:  # what was in flight then is the same refusal
            self._refusals += 1
            self._refused_at = now
            if self._faster:  # back to the pace before the one that was tried
                self.interval = max(self.interval, self._good)
        self._counts = self._counts or pause > 0 or self._refusals > 1 or self.interval > 0

    def answered(self, sent_at: float) -> None:
        """Note that a request of ``sent_at`` is answered."""
        began = self._began = sent_at if self._began is None else self._began
        if self._refusals and sent_at >= self._refused_at:
            if self._counts and self._answers and not self._off:
                self._learn(self._answers, sent_at - began)
                self._began, self._answers = sent_at, 0
            self._refusals, self._counts = 0, False
        self._answers += 1
        self._clean += 1
        if self.interval and self._clean >= self._streak:
            self._speed_up()

    def _learn(self, answers: int, seconds: float) -> None:
        before, self._seen = self._seen, seconds / answers
        interval = SLOWER * self._seen
        if not self.interval:
            self.interval = 0.0 if before is None else min(interval, SLOWER * before)
        elif answers < FEW:
            self._strikes += 1
            fastest = interval if before is None else min(interval, SLOWER * before)
            self.interval = max(fastest, SLOWER * self.interval)
        else:
            self._strikes = max(0, self._strikes - 1)
            self._streak = min(2 * self._streak, LONGEST_STREAK)
            self.interval = min(interval, self._good) if self._faster else interval
        if self._strikes > MOST_STRIKES:
            self.interval, self._off = 0.0, True
        self._clean = self._faster = 0

    def _speed_up(self) -> None:
        self._good = self.interval
        self.interval /= min(1.0 + 0.05 * 2.0**self._faster, MOST_FASTER)
        self._clean, self._faster = 0, self._faster + 1
        self.interval = 0.0 if self.interval < NO_PACE_S else self.interval
