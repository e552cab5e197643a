"""Successes without usable labels: one is a stumble, many are how the target answers."""

from __future__ import annotations

from adapters.errors import AdapterError
from auditor.errors import AuditError

MOST_SENDS, FIRST_SENDS = 4, 3
"""Sends of one request that may end like this, and as long as nothing was ever answered: then the
description of the target is likelier to be wrong."""
SHARE, FLOOR = 0.2, 8
"""Replies like this that an audit takes: a share of those with labels, and some before."""


class OddRepliesError(AuditError):
    """The target answers, but too often without usable labels."""


def is_odd(error: BaseException | None) -> bool:
    """True if the target answered well, but without usable labels."""
    return isinstance(error, AdapterError) and error.advice.kind == "odd"


class OddReplies:
    """The count of an audit's odd replies."""

    def __init__(self) -> None:
        self._odd = 0

    def check(self, error: BaseException | None, sends: int, good: int) -> None:
        """Count the odd reply ``error`` stands for, after ``sends`` of one request that ended so
        and ``good`` replies with labels.

        Raises:
            OddRepliesError: it is no stumble any more; the message holds ``error``.
        """
        self._odd += 1
        if not good and (sends >= FIRST_SENDS or self._odd > FLOOR):
            raise OddRepliesError(f"no answer of the target held usable labels; the last: {error}")
        if sends >= MOST_SENDS:
            raise OddRepliesError(
                f"one request was answered {sends} times without usable labels, so this is no "
                f"stumble; the last time: {error}"
            )
        if self._odd > FLOOR + SHARE * good:
            raise OddRepliesError(
                f"{self._odd} of {self._odd + good} answers held no usable labels, more than "
                f"a target that merely stumbles gives; the last time: {error}"
            )
