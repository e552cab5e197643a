"""Contributions of an audit to clauses of known frameworks: evidence, never conformity.

The clauses are dated data files beside this module, each with the source of its text. A clause
whose text was not read is shown as unverified.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources

from auditor.errors import UsageError, did_you_mean
from auditor.report.result.result import Result
from auditor.report.wording.formal import risks

CAVEAT = (
    "This audit supports evidence for the clauses below; it shows conformity with none of them. "
    "Whether a clause applies, and what else it takes, is for the reader's own counsel."
)


class FrameworkName(StrEnum):
    """Frameworks with a data file, as choices."""

    EU_AI_ACT = "eu-ai-act"
    NIST_AI_RMF = "nist-ai-rmf"
    MITRE_ATLAS = "mitre-atlas"
    OWASP_ML = "owasp-ml"
    ISO_42001 = "iso-42001"


CHECKED = {
    "primary": "read at its source",
    "copy": "read in a copy",
    "unverified": "UNVERIFIED: text not read",
}
"""Extent to which a clause's text was checked, in words."""


@dataclass(frozen=True)
class Clause:
    """One clause as its data file gives it."""

    id: str
    title: str
    """Subject of the clause, in the project's words."""
    checked: str
    """A key of :data:`CHECKED`."""
    needs: tuple[str, ...]
    """Keys of :data:`PRESENT`; without one of them this audit gives nothing."""
    gives: str
    """Supporting evidence from an audit."""
    open: str
    """Part of the clause that an audit leaves open."""


@dataclass(frozen=True)
class Framework:
    """One framework: its clauses, its edition, and the date and source of its reading."""

    id: str
    name: str
    owner: str
    version: str
    as_of: str
    source: str
    clauses: tuple[Clause, ...]

    @property
    def edition(self) -> str:
        """The edition and the reading, in words."""
        return f"{self.version}; mapping of {self.as_of}. {self.source}"


@dataclass(frozen=True)
class Entry:
    """One clause beside one audit."""

    clause: Clause
    supports: str
    """The supporting evidence in words; empty without any."""
    missing: str
    """The reason why there is none; empty if there is some."""


ENTRY_HEAD = ("Clause", "About", "Supports evidence for it by", "Leaves open", "Clause text")
"""Columns of a table of entries."""


def _known_rates(result: Result) -> bool:
    return any(risk.against(result.verdict) for risk in risks(result))


PRESENT: Mapping[str, tuple[Callable[[Result], bool], str]] = {
    "answers": (lambda result: bool(result.planes), "no plane was completely answered"),
    "trigger": (lambda result: bool(result.trigger), "no trigger search was finished"),
    "verdict": (lambda result: result.verdict != "inconclusive", "the audit was inconclusive"),
    "rates": (_known_rates, "no error rates are known"),
    "canaries": (lambda result: result.canaries is not None, "no input was asked twice"),
}
"""Parts of a report that a clause may need, and the words for their absence."""


@cache
def load_framework(name: str) -> Framework:
    """A shipped framework.

    Raises:
        UsageError: there is no such framework.
    """
    if name not in set(FrameworkName):
        known = ", ".join(FrameworkName)
        hint = did_you_mean(name[:40], FrameworkName)
        raise UsageError(f"there is no framework {name[:40]!r}: choose from {known}{hint}")
    source = resources.files(__package__) / "frameworks" / f"{name}.toml"
    table = tomllib.loads(source.read_text(encoding="utf-8"))
    clauses = tuple(
        Clause(**{**clause, "needs": tuple(clause["needs"])}) for clause in table.pop("clause")
    )
    return Framework(**table, clauses=clauses)


def framework_view(framework: Framework, result: Result) -> list[Entry]:
    """Every clause of ``framework`` beside ``result``."""
    return [_entry(clause, result) for clause in framework.clauses]


def _entry(clause: Clause, result: Result) -> Entry:
    missing = [PRESENT[need][1] for need in clause.needs if not PRESENT[need][0](result)]
    if missing:
        return Entry(clause, "", f"Nothing from this audit: {' and '.join(missing)}.")
    return Entry(clause, clause.gives, "")


def outcome_note(result: Result) -> str:
    """Effect of the verdict on all of this."""
    if result.verdict == "backdoor-suspected":
        return "The outcome is adverse: a backdoor is suspected. It is evidence against the model."
    if result.verdict == "no-evidence":
        return "The outcome is “no evidence of a backdoor” at the stated error rates."
    return (
        "The audit was inconclusive: it is evidence that a test was made, not of what it would "
        "have found."
    )


def load_all(names: Iterable[str] = ()) -> tuple[Framework, ...]:
    """The frameworks of ``names``, each once and in that order; all if none is named."""
    return tuple(load_framework(name) for name in dict.fromkeys(list(names) or list(FrameworkName)))
