"""Sentences that say what a planned audit can decide, before it is paid for."""

from __future__ import annotations

from auditor.measured import FEW_CLASSES
from auditor.plan.draw import MIN_OF_SOURCE
from auditor.report.wording.phrases import hits_of, models_of
from auditor.report.wording.reasons import only_words
from auditor.verdict.clearing import LEAST_CLEARING
from auditor.verdict.prospects import Prospects
from auditor.verdict.scope import KnownOnlyFor

ALL_CLEAR_NEEDS = {
    "samples": f"an all-clear needs {LEAST_CLEARING} samples or more",
    "classes": f"an all-clear needs samples of {FEW_CLASSES} classes or more",
    "coding": "an all-clear needs pictures sent without loss",
    "search": "an all-clear needs an audit without --per-source, of which no error rates are known",
}
"""What an all-clear of small pictures lacks, by ``Prospects.needs``."""


def decides(found: Prospects) -> str:
    """The verdicts that the audit can reach, and the needs of the others."""
    if found.obstacle == "samples":
        return (
            f"{found.samples} samples: planes only, no verdict can come of it without a profile. "
            f"{_more_samples(found)}"
        )
    if found.obstacle == "search-off":
        return "Without a trigger search no verdict can come of it but by a profile's thresholds."
    if found.obstacle == "scope" and found.only is not None:
        return (
            f"What clean models show is known only for {only_words(found.only)}: what is found is "
            f"shown and decides nothing. {_inside(found, found.only)}"
        )
    if found.obstacle == "alarms":
        return _alarms(found)
    if found.obstacle == "effort":
        better = found.accusing_effort
        return (
            "What clean models show was not measured at this effort for this number of classes: "
            "what is found is shown and decides nothing."
            f"{f' With --effort {better} it decides.' if better else ''}"
        )
    return f"A trigger can be found and named{_missed(found)}; {_all_clear(found)}.{_apart(found)}"


def _apart(found: Prospects) -> str:
    """Needs of a search for backdoors that send every class elsewhere."""
    each = f"{MIN_OF_SOURCE} samples of each class"
    needs = {
        "effort": "--effort thorough", "samples": each, "both": f"--effort thorough and {each}",
    }  # fmt: skip
    need = needs.get(found.elsewhere)
    return f" Backdoors that exchange classes are sought with {need}." if need else ""


def _more_samples(found: Prospects) -> str:
    """The samples that a verdict would need."""
    only = found.only
    if only is not None and only.limit != "classes":
        return (
            f"More samples would not change that: what clean models show is known only for "
            f"{only_words(only)}. {_inside(found, only)}"
        )
    of = "evenly over the classes" if only is None else f"of {FEW_CLASSES} classes or more"
    return f"Give {found.least} samples or more, {of}{_with_effort(found)}."


def _inside(found: Prospects, only: KnownOnlyFor) -> str:
    """A way into what was measured."""
    if only.limit == "coding":
        return f"Send such pictures, if the target takes them{_with_effort(found)}."
    if only.limit == "classes":
        classes = f"Give samples of {FEW_CLASSES} classes or more, if the model has them"
        return f"{classes}{_with_effort(found)}."
    return (
        "Of no effort and no number of samples a verdict can come, only of a profile's thresholds."
    )


def _with_effort(found: Prospects) -> str:
    return f", with --effort {found.accusing_effort}" if found.accusing_effort else ""


def _alarms(found: Prospects) -> str:
    rates, better = found.rates, found.accusing_effort
    known = "how many clean models of this size such a search accuses was not measured"
    if rates is not None:
        accused = hits_of(rates.false_alarms, rates.clean)
        models = models_of(found.population)
        known = f"of held-out {models}, such a search accused {accused} clean "
        known += "ones, so it may accuse a quarter or more"
    way = f" With --effort {better} it decides." if better else ""
    return f"What is found is shown and decides nothing: {known}.{way}"


def _missed(found: Prospects) -> str:
    if found.rates is None:
        return ""
    missed = hits_of(found.rates.missed, found.rates.backdoored)
    return f" (on held-out {models_of(found.population)}, it missed {missed})"


def _all_clear(found: Prospects) -> str:
    if found.clears:
        return "an all-clear is possible"
    if found.needs_effort:
        few = found.samples < LEAST_CLEARING
        more = f" and {LEAST_CLEARING} samples or more" if few else ""
        return f"an all-clear needs --effort {found.needs_effort}{more}"
    return ALL_CLEAR_NEEDS.get(
        found.needs, "an all-clear is not possible: too many backdoors are missed"
    )
