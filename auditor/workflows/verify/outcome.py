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
UNFINISHED = (
    "The same command goes on with the audit and pays for nothing twice; verify the folder "
    "after it."
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


def sentence(error: Exception) -> str:
    """An error's words as a check's reason."""
    return f"{str(error)[:1].upper()}{str(error)[1:]}."


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
        trusted: True if the user named the key that must have signed.
        unchecked: True if there is a signature that could not be checked here.
        unfinished: True if the audit did not come to its end, so that there is nothing to verify.
        recomputed: the recomputed report, or None.
        not_covered: files that people may read and that nothing here speaks for.
        on_word: facts that stand on the author's word alone, in words.
    """

    checks: list[Check] = field(default_factory=list)
    verdict: str | None = None
    edition: str = "full"
    signer: str | None = None
    trusted: bool = False
    unchecked: bool = False
    unfinished: bool = False
    recomputed: dict[str, Any] | None = None
    not_covered: list[str] = field(default_factory=list)
    on_word: list[str] = field(default_factory=list)

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
    def headline(self) -> str:
        """Everything proven and not proven, in one line."""
        if self.unfinished:
            return "NOT FINISHED: the audit was cut off before its report, so nothing is proven."
        word = {0: "VERIFIED", 3: "NOT FULLY VERIFIED", 4: "DOES NOT VERIFY"}[int(self.exit_code)]
        line = f"{word} ({self.edition} edition, {self._who})"
        if self.failed:
            wrong = dict.fromkeys(check.name for check in self.checks if check.state == "failed")
            return f"{line}: do not rely on it; wrong: {', '.join(wrong)}."
        if any(check.name == "verdict" and check.state == "ok" for check in self.checks):
            line += f": the labels give the verdict {self.verdict}"
        line += f"; not proven: {self._not_proven}"
        if self.not_covered:
            more = len(self.not_covered) - SHOWN
            named = ", ".join(self.not_covered[:SHOWN]) + (f" and {more} more" if more > 0 else "")
            line += f"; not covered: {named}"
        return f"{line}."

    @property
    def _who(self) -> str:
        if self.unchecked:
            return "signature not checked"
        if self.signer is None:
            return "not signed"
        whose = "the key given" if self.trusted else "a key that you did not name"
        return f"signed by {whose}, {self.signer[:16]}"

    @property
    def _not_proven(self) -> str:
        if self.signer is None or self.unchecked:
            return "that any model gave these labels, and who says so"
        return "that the signer recorded every answer honestly"

    @property
    def meaning(self) -> str:
        """Things that the bundle proves and does not prove, in words."""
        if self.unfinished:
            return UNFINISHED
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
            "headline": self.headline,
            "not_covered": list(self.not_covered),
            "on_the_authors_word": list(self.on_word),
            "meaning": self.meaning,
            "checks": [
                {"check": check.name, "state": check.state, "text": check.text}
                for check in self.checks
            ],
        }
