"""Labels of a planned audit that its output folder holds already."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Known:
    """Labels that an audit need not ask for.

    Attributes:
        probes: known inputs of each of the plan's probes and perturbations.
        search: known inputs of the trigger search, as far as they lead.
        maps: the same of the label maps.
        sent: queries that earlier runs of this very plan sent: they count towards its cap.
        searched: True if the search came to its end.
        ended: True if nothing is left to ask.
    """

    probes: tuple[int, ...] = ()
    search: int = 0
    maps: int = 0
    sent: int = 0
    searched: bool = False
    ended: bool = False

    @property
    def count(self) -> int:
        """Inputs whose labels are known."""
        return sum(self.probes) + self.search + self.maps

    @property
    def words(self) -> str:
        """The same in a sentence, with what remains an estimate; empty if nothing is known."""
        if not self.count:
            return ""
        if self.ended:
            return f"The output folder holds all {self.count:,} labels of this audit already."
        rest = "all else is counted" if self.searched else "what its search asks is an estimate"
        return (
            f"The output folder holds at least {self.count:,} labels of this audit already "
            f"({self.search:,} of its search), which are not priced; of the rest, {rest}."
        )


NOTHING_KNOWN = Known()
