"""The pace that a target's refusals teach: requests per second that it takes for good. Pure."""

from __future__ import annotations

SLOWER = 1.05
"""A learnt interval is this much longer than the one seen: a pace at the very limit is refused."""
FIRST_STREAK, LONGEST_STREAK = 30, 480
"""Answers in a row after which a faster pace is tried; each refusal of one doubles the number."""
MOST_FASTER = 2.0
LONG, MOST_STRIKES = 100, 4
"""Answers that a pace near a limit gives at least before a refusal. A target that refuses sooner
again and again, although the pace gets slower, refuses by chance."""
MOST_SLOWER = 4.0
"""A single span slows the pace by so many times at most."""
BUNCH = 1
"""More refusals one after the other than this are no chance, although they state no pause."""
AGAIN, FEW = 3.0, 8
"""Chance that refuses so many times more often than it did, in so many refusals at least, is none
any more."""
NO_PACE_S = 0.001
_LONE, _BUNCH, _WORST = 3, 2, -6


class LearntPace:
    """Learns the seconds between two requests from a target that refuses some of them.

    Between the first request after one refusal and the first after the next, a target that limits
    requests by time takes as many as it allows in that time. A refusal counts if it states a pause,
    or if another one follows it; the others may be chance. Two such spans are needed, and the
    faster one counts: a single one may have been an outage.

    A limit is met by a pace; chance is not. So a target that refuses as often at a learnt pace as
    without one has no limit there, and no pace holds from then on, unless it refuses far more.

    Attributes:
        interval: seconds from one request to the next; 0 if nothing was learnt.
        by_chance: True if the target's refusals do not depend on the pace.
    """

    def __init__(self) -> None:
        self._forget()
        self.by_chance = False
        self._share = 0.0
        self._lone = -1

    def _forget(self) -> None:
        self.interval = 0.0
        self._began: float | None = None
        self._answers = 0
        self._refusals = 0
        self._first_at = self._refused_at = float("-inf")
        self._counts = False
        self._seen: float | None = None
        self._all_answers = self._all_refusals = 0
        self._strikes = 0
        self._good = 0.0
        self._streak, self._clean, self._faster = FIRST_STREAK, 0, 0

    @property
    def lone(self) -> bool:
        """True if a refusal is seldom followed by another one: a repeat may follow at once."""
        return self._lone >= 0

    def refused(self, pause: float, sent_at: float, now: float) -> None:
        """Note that a request of ``sent_at`` is refused ``now``, with a ``pause`` or 0 for none."""
        if sent_at >= self._refused_at:  # what was in flight then is the same refusal
            self._first_at = self._first_at if self._refusals else now
            self._refusals += 1
            self._all_refusals += 1
            self._refused_at = now
            if self._faster:  # back to the pace before the one that was tried
                self.interval = max(self.interval, self._good)
        self._counts = self._counts or pause > 0 or self._refusals > BUNCH or self.interval > 0
        if self.by_chance and self._all_refusals >= FEW:
            if self._all_refusals > AGAIN * self._share * self._all_answers:
                self._forget()
                self.by_chance = False
            elif self._all_answers > FEW / self._share:
                self._all_answers = self._all_refusals = 0

    def answered(self, sent_at: float) -> None:
        """Note that a request of ``sent_at`` is answered."""
        began = self._began = sent_at if self._began is None else self._began
        # By the first refusal of several: an answer may be slow, and refusals quick.
        if self._refusals and sent_at >= self._first_at:
            step = -_BUNCH if self._refusals > 1 else 1
            self._lone = max(_WORST, min(self._lone + step, _LONE))
            if self._counts and self._answers and not self.by_chance:
                self._learn(self._answers, sent_at - began)
                self._began, self._answers = sent_at, 0
            self._refusals, self._counts = 0, False
        self._answers += 1
        self._all_answers += 1
        self._clean += 1
        if self.interval and self._clean >= self._streak:
            self._speed_up()

    def _learn(self, answers: int, seconds: float) -> None:
        before, self._seen = self._seen, seconds / answers
        interval, paced = SLOWER * self._seen, self.interval
        if not paced or before is None:
            self.interval = 0.0 if before is None else min(interval, SLOWER * before)
        elif self._faster:
            self._streak = min(2 * self._streak, LONGEST_STREAK)
            self.interval = min(interval, self._good)
        elif answers >= LONG:
            self._strikes = max(0, self._strikes - 1)
            self.interval /= SLOWER
        else:
            self._strikes += paced >= before
            self.interval = max(paced, min(interval, MOST_SLOWER * paced))
        if self._strikes > MOST_STRIKES:
            share = self._all_refusals / self._all_answers
            self._forget()
            self.by_chance, self._share = True, share
        self._clean = self._faster = 0

    def _speed_up(self) -> None:
        self._good = self.interval
        self.interval /= min(1.0 + 0.05 * 2.0**self._faster, MOST_FASTER)
        self._clean, self._faster = 0, self._faster + 1
        self.interval = 0.0 if self.interval < NO_PACE_S else self.interval
