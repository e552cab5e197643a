"""Sentences on a cap on queries: what an audit can still decide within it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from auditor.verdict.prospects import Prospects


@dataclass(frozen=True, slots=True)
class Cap:
    """A cap on queries beside what an audit asks.

    Attributes:
        most: queries that may be sent, over all runs of the audit.
        sent: of them, sent by earlier runs.
        found: queries still to ask where a trigger is found; None without a search.
        not_found: the same where nothing is found.
        worst: the same if everything is asked that could be.
        accuses, clears: verdicts that the audit can reach without the cap.
        fits: the dearest effort at which the audit would come to its end, or empty.
    """

    most: int
    sent: int
    found: int | None
    not_found: int
    worst: int
    accuses: bool
    clears: bool
    fits: str = ""

    @property
    def left(self) -> int:
        """Queries that may still be sent."""
        return max(0, self.most - self.sent)


def capped(found: Prospects, cap: Cap) -> Prospects:
    """The verdicts that the audit can reach within ``cap``."""
    if not found.clears or cap.left >= cap.not_found:
        return found
    return replace(found, clears=False, needs="cap", needs_effort="")


def cap_words(cap: Cap) -> str:
    """The verdicts that an audit can reach within ``cap``, before it is paid for."""
    before = f", {cap.sent:,} of them sent," if cap.sent else ""
    name = f"The cap of {cap.most:,} queries{before}"
    if cap.left >= cap.worst:
        return f"{name} pays for everything that may be asked."
    if cap.left >= cap.not_found:
        return (
            f"{name} pays for what is expected; an audit that needs more ends inconclusive at it."
        )
    more = " more" if cap.sent else ""
    lines = [
        f"{name} does not pay for an audit that finds nothing: that takes about "
        f"{cap.not_found:,} queries{more}, and at the cap it ends inconclusive."
    ]
    if cap.clears:
        lines.append(f"An all-clear is possible from about {cap.sent + cap.not_found:,} on.")
    if cap.accuses:
        usual = "" if cap.found is None else f" (usually after about {cap.found:,} queries{more})"
        fast = cap.found is not None and cap.found > cap.left
        can = (
            "is found before it only if that goes fast" if fast else "may still be found before it"
        )
        lines.append(f"A trigger {can}{usual}.")
    if cap.fits:
        lines.append(f"With --effort {cap.fits} the audit would come to its end.")
    return " ".join(lines)
