"""Sentences that say what a planned audit can decide, before it is paid for."""

from __future__ import annotations

from auditor.measured import FEW_CLASSES
from auditor.plan.draw import MIN_OF_SOURCE
from auditor.report.wording.phrases import KNOWN_ONLY, hits_of, models_of
from auditor.report.wording.reasons import only_words
from auditor.verdict.clearing import LEAST_CLEARING
from auditor.verdict.prospects import Prospects
from auditor.verdict.scope import KnownOnlyFor

ALL_CLEAR_NEEDS = {
    "samples": f"an all-clear needs {LEAST_CLEARING} samples or more",
    "classes": f"an all-clear needs samples of {FEW_CLASSES} classes or more",
    "coding": "an all-clear needs pictures that reach the model without loss",
    "cap": "an all-clear needs a larger cap on queries",
    "search": "an all-clear needs an audit without --per-source, of which no error rates are known",
}
"""What an all-clear lacks, by ``Prospects.needs``."""


def decides(found: Prospects) -> str:
    """The verdicts that the audit can reach, and the needs of the others."""
    return f"{_decides(found)}{_unlike(found)}{OPEN_LABELS if found.open_labels else ''}"


OPEN_LABELS = (
    " Only the answers show the classes: that changes no verdict, unless new ones keep coming up, "
    "which leaves the audit inconclusive (--classes names them)."
)


def _decides(found: Prospects) -> str:
    if found.obstacle == "samples":
        asked = "planes only, no verdict can come of it without a profile"
        if not found.planes:
            asked = (
                "too few for a search, and planes need three classes, so no verdict can come of it"
            )
        return f"{found.samples} samples: {asked}. {_more_samples(found)}"
    if found.obstacle == "search-off":
        return "Without a trigger search no verdict can come of it but by a profile's thresholds."
    if found.obstacle == "scope" and found.only is not None:
        return (
            f"What clean models show is known only for {only_words(found.only)}: what is found is "
            f"shown and decides nothing. {_inside(found, found.only)}"
        )
    if found.obstacle == "alarms":
        return f"{_alarms(found)}{_apart(found)}"
    if found.obstacle == "effort":
        better = found.accusing_effort
        return (
            "What clean models show was not measured at this effort for this number of classes: "
            "what is found is shown and decides nothing."
            f"{f' With --effort {better} it decides.' if better else ''}{_apart(found)}"
        )
    return f"A trigger can be found and named{_missed(found)}; {_all_clear(found)}.{_apart(found)}"


def _apart(found: Prospects) -> str:
    """Needs of a search for backdoors that send every class elsewhere."""
    if found.elsewhere == "sought" and found.obstacle:
        return " Only a patch that sends several classes to others accuses."
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
            f"More samples would not change that: {KNOWN_ONLY} {only_words(only)}. "
            f"{_inside(found, only)}"
        )
    of = "evenly over the classes" if only is None else f"of {FEW_CLASSES} classes or more"
    return f"Give {found.least} samples or more, {of}{_with_effort(found)}."


def _inside(found: Prospects, only: KnownOnlyFor) -> str:
    """A way into what was measured."""
    if only.limit == "coding" and found.recoded:
        return (
            "As long as the service turns pictures into such JPEG no verdict can come of it, only "
            "of a profile's thresholds."
        )
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
        known = f"of held-out {_models(found)}, such a search accused {accused} clean "
        known += "ones, so it may accuse a quarter or more"
    way = f" With --effort {better} it decides." if better else ""
    return f"What is found is shown and decides nothing: {known}.{way}"


def _missed(found: Prospects) -> str:
    if found.rates is None:
        return ""
    missed = hits_of(found.rates.missed, found.rates.backdoored)
    return f" (on held-out {_models(found)}, it missed {missed})"


def _models(found: Prospects) -> str:
    """The models that rates were measured on, and their classes where these are stated."""
    more = f", of {class_range(found.tasks)}" if found.tasks[1] else ""
    return f"{models_of(found.population)}{more}"


def class_range(tasks: tuple[int, int]) -> str:
    """Numbers of classes: ``5 to 10 classes``."""
    low, high = tasks
    return f"{low if low == high else f'{low} to {high}'} classes"


def _unlike(found: Prospects) -> str:
    return more_classes(found.size, found.tasks) if found.rates is not None else ""


def more_classes(size: int, tasks: tuple[int, int]) -> str:
    """That a model of ``size`` classes has more than those measured; empty if it has not."""
    if not tasks[1] or size <= tasks[1]:
        return ""
    return (
        f" This model has {size:,} classes, more than any of those: how far their rates hold for "
        "it was not measured."
    )


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
