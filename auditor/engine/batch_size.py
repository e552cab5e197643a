"""Finds the size of requests that a target takes: many fail for too many inputs without a word."""

from __future__ import annotations

from adapters.errors import AdapterError, InputRejected

FAILURES, FAILURES_IF_KNOWN, ODD_REPLIES = 4, 6, 3
"""Failures in a row of several inputs at once after which one of them is asked alone: of a size
that was never answered, and of one that was; successes without labels, which end a run sooner."""
_MAYBE = {"transient", "outage", "odd"}


class AskFewerError(Exception):
    """A request has to be asked in smaller parts.

    Args:
        failure: the newest failure of it, of this ``kind``.
        proven: True if it is the size that the target fails for; else a single input must show
            whether the target answers at all.
    """

    def __init__(self, failure: AdapterError, *, proven: bool) -> None:
        super().__init__(str(failure))
        self.kind, self.proven = failure.advice.kind, proven


class LargestRequest:
    """Most inputs per request, as far as the target's failures tell.

    An outage fails for requests of every size. So where a request of several inputs fails again
    and again, one of its inputs is asked alone, with all the patience there is; if the others fail
    right after that one was answered, it is the size.

    Attributes:
        most: most inputs of a request from now on; infinite if nothing was found.
    """

    def __init__(self) -> None:
        self.most = float("inf")
        self._answered = 0
        self._sought = False
        self._one_less: set[int] = set()

    def answer(self, inputs: int) -> bool:
        """Note that a request of so many inputs was answered; True if that ends the search for a
        size.
        """
        self._answered = max(self._answered, inputs)
        ends = self._sought and inputs > self.most / 2
        self._sought = self._sought and not ends
        return ends

    def shrink(self, most: int) -> bool:
        """Ask no more than ``most`` inputs at once, and fewer as soon as so many fail too; False if
        it was no more before.
        """
        smaller = most < self.most
        if smaller:
            self.most, self._answered, self._sought = most, 0, True
        return smaller

    def fits_without_one(self, inputs: int, kind: str) -> bool:
        """Note that a request that failed was answered without one of its inputs; True if that is
        its size. It may have been an outage that ended, unless it happened before.
        """
        sure = inputs in self._one_less or kind in {"never", "odd"}
        self._one_less.add(inputs)
        return sure and inputs > self._answered

    def judge(
        self, error: AdapterError, inputs: int, failures: int, *, just_answered: bool
    ) -> None:
        """Judge ``error``, the newest of so many ``failures`` of a request of ``inputs``; it fails
        for its size if a part of it was ``just_answered``.

        Raises:
            AskFewerError: it has to be asked in smaller parts.
        """
        kind, known = error.advice.kind, inputs <= self._answered
        if inputs == 1:
            return
        if kind == "too-large" or inputs > self.most:
            raise AskFewerError(error, proven=True)
        if kind == "never":
            if known or not isinstance(error, InputRejected):
                return
        elif kind not in _MAYBE or error.advice.unsent or error.advice.retry_after_s:
            return
        usual = FAILURES_IF_KNOWN if known else ODD_REPLIES if kind == "odd" else FAILURES
        if just_answered or self._sought or kind == "never" or failures >= usual:
            raise AskFewerError(error, proven=just_answered)
