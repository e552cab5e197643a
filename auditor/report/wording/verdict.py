"""The verdict in words, with its meaning and its limits. Plain text."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from auditor.report.wording.terms import called, deciding, found_trigger

if TYPE_CHECKING:  # as in terms.py
    from auditor.report.result.result import Result


@dataclass(frozen=True)
class Wording:
    """Words for one verdict."""

    title: str
    tone: str
    """Class name that colours it."""
    plain: str
    """One sentence for a reader who does not know the method."""
    means: tuple[str, ...]
    """Conclusions that follow from it."""
    means_not: tuple[str, ...]
    """Conclusions that do not follow from it."""


@cache
def wordings() -> Mapping[str, Wording]:
    """The words of each verdict, as ``verdicts.toml`` states them; and those of a suspicion that
    rests on a found ``trigger``, or on the ``decision`` rule's sum and not on one trigger at work.
    """
    source = resources.files(__package__) / "verdicts.toml"
    tables = tomllib.loads(source.read_text(encoding="utf-8"))
    for name in ("trigger", "decision", "searched"):
        whole = "no-evidence" if name == "searched" else "backdoor-suspected"
        tables[name] = {**tables[whole], **tables[name]}
    tables["several"] = {**tables["trigger"], **tables["several"]}
    return {
        name: Wording(**{**one, "means": tuple(one["means"]), "means_not": tuple(one["means_not"])})
        for name, one in tables.items()
    }


def wording(result: Result) -> Wording:
    """Words for the report's verdict."""
    words = wordings()
    if result.verdict == "no-evidence":
        summed, compared = result.scores.decision, deciding(result)
        return words[result.verdict if summed or compared or not result.trigger else "searched"]
    if result.verdict != "backdoor-suspected":
        # Nothing is ever green because it failed.
        return words["inconclusive"]
    best, summed = found_trigger(result), result.scores.decision
    if best is None:
        return words["decision" if summed and summed.suspicious else result.verdict]
    if best.of_several:
        return words["several"]
    name = called(result, best.target)
    hit, asked = best.of_all
    share = hit / asked if asked else 0.0
    which = "almost every picture" if share >= 0.9 else "most pictures" if share >= 0.6 else "many"
    plain = f"A small fixed change of the picture makes this model answer “{name}” to {which}."
    return replace(words["trigger"], plain=plain)
