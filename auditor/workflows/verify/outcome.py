"""Outcome of verifying a bundle: each check, its end, and the meaning of all together.

Each check ends in one of four states:

- ``ok``: it holds.
- ``failed``: it does not; the bundle cannot be relied on.
- ``withheld``: the bundle, as it was given, leaves out what it would need.
- ``not done``: this program, on this machine, cannot tell.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from auditor.errors import ExitCode

State = Literal["ok", "failed", "withheld", "not done"]
Conclusion = tuple[State, str]
"""End of a check, and the reason in words."""
SHOWN = 5
"""Most differences named one by one."""
UNSIGNED = (
    "Nobody signed this bundle. It shows that its parts fit together and that its verdict follows "
    "from its labels; it does not show that any model ever gave these labels. Its author, or "
    "anybody after them, could have made up all of it."
)
UNCHECKED = (
    "There is a signature, which could not be checked here: until it is, nothing shows who vouches "
    "for this bundle."
)
SIGNED = (
    "Whoever holds the key {key} vouches for this bundle as it is. That shows that nothing was "
    "changed since; it does not show that the signer recorded every answer honestly, or audited "
    "only once."
)


@dataclass(frozen=True)
class Check:
    """One check: its name, its end, and the reason in words."""

    name: str
    state: State
    text: str


@dataclass
class Verification:
    """Outcome for one bundle.

    Attributes:
        checks: in the order made.
        verdict: recomputed from the labels, or None.
        edition: "full" or "hand-over".
        signer: the key id of a valid signature, or None.
        unchecked: True if there is a signature that could not be checked here.
        recomputed: the recomputed report, or None.
    """

    checks: list[Check] = field(default_factory=list)
    verdict: str | None = None
    edition: str = "full"
    signer: str | None = None
    unchecked: bool = False
    recomputed: dict[str, Any] | None = None

    def add(self, name: str, state: State, text: str) -> None:
        """Note one check."""
        self.checks.append(Check(name, state, text))

    @property
    def failed(self) -> bool:
        """True if any check failed."""
        return any(check.state == "failed" for check in self.checks)

    @property
    def exit_code(self) -> ExitCode:
        """0 if everything that the edition allows holds, 3 if something could not be decided here,
        4 if something does not hold.
        """
        if self.failed:
            return ExitCode.FAILED
        if any(check.state == "not done" for check in self.checks):
            return ExitCode.INCONCLUSIVE
        return ExitCode.NO_EVIDENCE

    @property
    def meaning(self) -> str:
        """Things that the bundle proves and does not prove, in words."""
        if self.failed:
            return "Do not rely on this bundle: something in it does not hold."
        if self.unchecked:
            return UNCHECKED
        if self.signer is None:
            return UNSIGNED
        return SIGNED.format(key=self.signer[:16])

    def as_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {
            "verified": self.exit_code == ExitCode.NO_EVIDENCE,
            "exit_code": int(self.exit_code),
            "edition": self.edition,
            "signed_by": self.signer,
            "verdict": self.verdict,
            "meaning": self.meaning,
            "checks": [
                {"check": check.name, "state": check.state, "text": check.text}
                for check in self.checks
            ],
        }
