"""The pace that a target's refusals teach: requests per second that it takes for good. Pure."""

from __future__ import annotations

SLOWER = 1.05
"""A learnt interval is this much longer than the one seen: a pace at the very limit is refused."""
FIRST_STREAK, LONGEST_STREAK = 15, 480
"""Answers in a row after which a faster pace is tried; each refusal of one doubles the number."""
MOST_FASTER = 2.0
LONG, MOST_STRIKES = 100, 4
"""Answers that a pace near a limit gives at least before a refusal. A target that refuses sooner
again and again, although the pace gets slower, refuses by chance."""
STRIKING = 1.5
"""A refusal is such a strike if the pace is at least this part slower than the span before."""
MOST_SLOWER, LONE_SLOWER = 4.0, 1.25
"""A single span slows the pace by so many times at most, and one that a lone refusal ends."""
CHANCE, SURE_ANSWERS = 0.001, 20
"""Refusals without an answer between that are less likely than this by the share of refusals so far
are no chance; the share is taken for small until so many requests have ended."""
MANY = 5
"""So many refusals are no chance either if there are no more answers than that."""
TRIED_AFTER, LITTLE = 6, 0.04
"""Refusals that may be chance after which a slower pace is tried, and the share of the answers up
to which they cost less than a trial."""
CHANCE_REFUSALS, EXPECTED = 3, 18.0
"""So many refusals at a pace that is tried mean chance; none of it if they do not come where so
many would by the share of refusals before, which may be twice the true one."""
AGAIN, FEW = 4.0, 10
"""Chance that refuses so many times more often than it did, in so many refusals at least, is none
any more."""
NO_PACE_S = 0.001
EPOCH, STEP, HELD, MOST_HELD = 40, 1.1, 2, 16
"""Requests after which a pace beside refusals by chance is judged, the step by which it changes,
and the epochs that one is held after a faster one was refused more often, doubled each time."""
_LONE, _BUNCH, _WORST = 3, 2, -6


class LearntPace:
    """Learns the seconds between two requests from a target that refuses some of them.

    Between the first request after one refusal and the first after the next, a target that limits
    requests by time takes as many as it allows in that time. A refusal counts if it states a pause,
    or if so many follow one another that it is no chance. Two such spans are needed, and the faster
    one counts: a single one may have been an outage.

    A limit is met by a pace; chance is not. So where refusals may be chance, the pace that they
    leave is tried; a target that refuses as often at it has no limit there, and no pace holds from
    then on, unless it refuses far more.

    A target may do both. One that goes on refusing however slow the pace gets has the pace back at
    which that began, and from there on the share of refusals tells: a faster pace is kept while it
    stays.

    Attributes:
        interval: seconds from one request to the next; 0 if nothing was learnt.
        by_chance: True if the target's refusals do not depend on the pace.
    """

    def __init__(self) -> None:
        self._forget()
        self.by_chance = self._limited = False
        self._share = 0.0
        self._lone = -1
        self._held, self._hold = 0, HELD

    def _forget(self) -> None:
        self.interval = 0.0
        self._first_sent: float | None = None
        self._began: float | None = None
        self._answers = 0
        self._refusals = self._running = self._lone_refusals = 0
        self._first_at = self._refused_at = float("-inf")
        self._counts = self._stated = False
        self._seen: float | None = None
        self._all_answers = self._all_refusals = 0
        self._tried: tuple[int, int] | None = None
        self._strikes = 0
        self._struck = 0.0, 0, 0
        self._epoch = False
        self._good = 0.0
        self._streak, self._clean, self._faster = FIRST_STREAK, 0, 0

    @property
    def lone(self) -> bool:
        """True if a refusal is seldom followed by another one: a repeat may follow at once."""
        return self._lone >= 0

    @property
    def counts(self) -> bool:
        """True if the newest refusal is no chance as far as can be told by now."""
        return self._counts and not self.by_chance

    @property
    def proven(self) -> float:
        """The interval without a faster pace that is being tried."""
        return self._good if self._faster else self.interval

    @property
    def unclear(self) -> bool:
        """True if all refusals so far may be chance."""
        return self._seen is None and not self._counts and not self._limited

    def refused(self, pause: float, sent_at: float, now: float) -> None:
        """Note that a request of ``sent_at`` is refused ``now``, with a ``pause`` or 0 for none."""
        self._running += 1
        if sent_at >= self._refused_at:  # what was in flight then is the same refusal
            self._first_at = self._first_at if self._refusals else now
            self._refusals += 1
            self._all_refusals += 1
            self._refused_at = now
        share = self._all_refusals / (self._all_refusals + self._all_answers + SURE_ANSWERS)
        bunch = share ** (self._running - 1) < (1.0 if self._limited else CHANCE)
        paced = self.interval > 0 and self._tried is None
        most = self._all_refusals >= max(MANY, self._all_answers)
        self._stated = self._stated or pause > 0
        self._counts = self._counts or self._stated or bunch or most or paced
        if self._faster and self._counts:  # back to the pace before the one that was tried
            self.interval = max(self.interval, self._good)
        if self._epoch:
            self._judge_epoch()
        elif self.by_chance and self._all_refusals >= FEW:
            if self._all_refusals > AGAIN * self._share * self._all_answers:
                self._forget()
                self.by_chance, self._limited = False, True
            elif self._all_answers > FEW / self._share:
                self._all_answers = self._all_refusals = 0

    def answered(self, sent_at: float) -> None:
        """Note that a request of ``sent_at`` is answered."""
        self._running = 0
        if self._began is None or self._first_sent is None:
            self._began = self._first_sent = sent_at
        # By the first refusal of several: an answer may be slow, and refusals quick.
        if self._refusals and sent_at >= self._first_at:
            step = -_BUNCH if self._refusals > 1 else 1
            self._lone = max(_WORST, min(self._lone + step, _LONE))
            self._refusals_ended(sent_at, self._began, self._first_sent)
        self._answers += 1
        self._all_answers += 1
        self._clean += 1
        if self._epoch:
            self._judge_epoch()
        elif self._tried is not None:
            self._judge_trial(*self._tried)
        elif self.interval and self._clean >= self._streak:
            self._speed_up()

    def _refusals_ended(self, sent_at: float, began: float, first_sent: float) -> None:
        """Learn from the refusals that the answer to a request of ``sent_at`` ends."""
        if self._counts and self._answers and not self.by_chance:
            self._tried = None
            most = MOST_SLOWER if self._stated or self._refusals > 1 else LONE_SLOWER
            self._learn(self._answers, sent_at - began, most)
            self._began, self._answers = sent_at, 0
        elif not self._counts and not self.by_chance and not self.interval:
            self._lone_refusals += 1
            much = self._all_refusals > LITTLE * self._all_answers
            if much and self._lone_refusals >= TRIED_AFTER:
                self._tried = self._all_refusals, self._all_answers
                self.interval = SLOWER * (sent_at - first_sent) / self._all_answers
        self._refusals, self._counts, self._stated = 0, False, False

    def _judge_trial(self, refusals: int, answers: int) -> None:
        """End the trial that began after so many refusals and answers, if it tells enough."""
        if self._all_refusals - refusals >= CHANCE_REFUSALS:
            self._call_it_chance()
        elif (self._all_answers - answers) * refusals >= EXPECTED * answers:
            self._seen, self._tried, self._clean = self.interval / SLOWER, None, 0

    def _call_it_chance(self) -> None:
        share = self._all_refusals / self._all_answers
        self._forget()
        self.by_chance, self._limited, self._share = True, False, share

    def _judge_epoch(self) -> None:
        """Change a pace beside refusals by chance, if enough requests ended at it."""
        refusals, share = self._all_refusals, min(self._share, 0.5)
        ended = refusals + self._all_answers
        spread = 2.0 * (max(ended, EPOCH) * share * (1.0 - share)) ** 0.5
        if refusals > share * max(ended, EPOCH) + spread + 1.0:
            self.interval = self._good if self._faster else self.interval * STEP
            self._held, self._hold = self._hold, min(2 * self._hold, MOST_HELD)
            self._faster = 0
        elif ended < EPOCH:
            return
        else:
            self._share += (refusals / ended - share) / 4.0
            self._held -= 1
            if self._held < 0:
                self._good = self.interval
                self.interval /= min(1.0 + (STEP - 1.0) * 2.0**self._faster, MOST_FASTER)
                self._faster += 1
            if self.interval < NO_PACE_S:
                self.interval, self._epoch = 0.0, False
        self._all_answers = self._all_refusals = 0

    def _learn(self, answers: int, seconds: float, most_slower: float) -> None:
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
            self._strikes += STRIKING * paced >= before
            if self._strikes == 1:
                self._struck = paced, self._all_refusals, self._all_answers
            self.interval = max(paced, min(interval, most_slower * paced))
        if self._strikes > MOST_STRIKES:
            paced, refusals, answers = self._struck
            refusals = self._all_refusals - refusals
            share = refusals / (self._all_answers - answers + refusals)
            self._call_it_chance()
            self.interval, self._epoch, self._share = paced, True, share
        self._clean = self._faster = 0

    def _speed_up(self) -> None:
        self._good = self.interval
        self.interval /= min(1.0 + 0.05 * 2.0**self._faster, MOST_FASTER)
        self._clean, self._faster = 0, self._faster + 1
        self.interval = 0.0 if self.interval < NO_PACE_S else self.interval
