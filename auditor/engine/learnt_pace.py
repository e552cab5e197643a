"""The pace that a target's refusals teach: requests per second that it takes for good. Pure."""

from __future__ import annotations

SLOWER = 1.05
"""A learnt interval is this much longer than the one seen: a pace at the very limit is refused."""
FIRST_STREAK, LONGEST_STREAK = 30, 480
"""Answers in a row after which a faster pace is tried; each refusal of one doubles the number."""
MOST_FASTER = 2.0
FEW, MOST_STRIKES = 20, 4
"""A pace that is refused again within this many answers, this often running, explains nothing: such
a target refuses at random."""
NO_PACE_S = 0.001


class LearntPace:
    """Learns the seconds between two requests from a target that refuses some of them.

    Between the first request after one refusal and the first after the next, a target that limits
    requests by time takes as many as it allows in that time. A refusal counts if it states a pause,
    or if another one follows it; the others may be chance.

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
        self._strikes = 0
        self._streak, self._clean, self._faster = FIRST_STREAK, 0, 0

    def refused(self, pause: float, sent_at: float, now: float) -> None:
        """Note that a request of ``sent_at`` is refused ``now``, with a ``pause`` or 0 for none."""
        if sent_at >= self._refused_at:  # what was in flight then is the same refusal
            self._refusals += 1
            self._refused_at = now
        self._counts = self._counts or pause > 0 or self._refusals > 1

    def answered(self, sent_at: float) -> None:
        """Note that a request of ``sent_at`` is answered."""
        began = self._began = sent_at if self._began is None else self._began
        if self._refusals and sent_at >= self._refused_at:
            if self._counts and self._answers:
                self._learn(self._answers, sent_at - began)
                self._began, self._answers = sent_at, 0
            self._refusals, self._counts = 0, False
        self._answers += 1
        self._clean += 1
        if self.interval and self._clean >= self._streak:
            self._speed_up()

    def _learn(self, answers: int, seconds: float) -> None:
        if self.interval and answers < FEW:
            self._strikes += 1
        elif self.interval:
            self._strikes = 0
            self._streak = min(2 * self._streak, LONGEST_STREAK)
        self._clean = self._faster = 0
        self.interval = SLOWER * seconds / answers if self._strikes <= MOST_STRIKES else 0.0

    def _speed_up(self) -> None:
        self.interval /= min(1.0 + 0.05 * 2.0**self._faster, MOST_FASTER)
        self._clean, self._faster = 0, self._faster + 1
        self.interval = 0.0 if self.interval < NO_PACE_S else self.interval
