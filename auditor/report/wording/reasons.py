"""Sentences for the reasons of a verdict: a template or a function for each code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from auditor.labels.reasons import Reason, ReasonCode
from auditor.measured import FEW_CLASSES, ErrorRates, trigger_clearing
from auditor.probes.label_search.settings import SUCCESS_SIDES
from auditor.probes.trigger_search.judge import PLANTED_SHARE
from auditor.report.wording import label_reasons
from auditor.report.wording.answer_reasons import flips, growing, swapped
from auditor.report.wording.class_reasons import trigger_pairs, trigger_several
from auditor.report.wording.phrases import (
    KNOWN_ONLY,
    OF_TASKS,
    ZOO_SIDES,
    Values,
    class_name,
    hits_of,
    models_of,
    share_of,
    weight_words,
)
from auditor.report.wording.terms import SCORE_TITLES
from auditor.report.wording.triggers import trigger_kind_phrase, trigger_phrase
from auditor.scores.likelihood import likelihood_ratio
from auditor.verdict.combine import REFERENCES_WANTED
from auditor.verdict.rule import Decision, LabelEvidence
from auditor.verdict.scope import KnownOnlyFor

_MEASURED_CLASSES = f"tasks of {FEW_CLASSES} classes and more"
PERTURBATIONS = {
    "smooth4": "shadows over the picture",
    "smooth16": "stains over the picture",
    "noise": "noise",
    "wave": "stripes",
    "lattice": "small patterns pasted all over",
}
"""Perturbations that the decision rule counts."""

MISSING = {
    "planes": "{planes} of {of} planes are complete",
    "perturbations": "not all probe families are answered",
    "trigger-search": "the trigger search is not at its end",
    "repeats": "the second look at changing answers is not at its end",
}
"""Parts of an audit that may be missing at its end."""

ERROR_SIDES = {
    "false_positive": ("clean references wrongly flagged", "clean models wrongly flagged"),
    "false_negative": ("backdoored references missed", "backdoors missed"),
}
"""Sides on which a profile errs: on its references, and stated of models."""


def sentences(reasons: Iterable[Reason]) -> str:
    """The reasons as a text, one after the other."""
    return " ".join(sentence(reason) for reason in reasons)


def sentence(reason: Reason) -> str:
    """One reason in words."""
    words = SENTENCES[reason.code]
    return words.format_map(reason.values) if isinstance(words, str) else words(reason.values)


# ---- phrases -----------------------------------------------------------------------------------


def only_words(only: KnownOnlyFor) -> str:
    """The inputs for which it is known what clean models show."""
    of = OF_TASKS[only.classes]
    if ranges := " or ".join(f"{low} to {high}" for low, high in only.ranges):
        return f"pictures whose sides are both of {ranges} pixels{of}"
    if only.limit == "side":
        return f"pictures of {only.sides[0]} to {only.sides[1]} pixels a side{of}"
    if only.limit == "classes":
        return _MEASURED_CLASSES
    if only.limit == "search":
        return "searches of all classes together at an effort that was measured"
    least = only.least_quality
    more = "" if least is None else f" and JPEG of quality {least} or more"
    return f"lossless pictures{more}{of}"


def coding_words(coding: str) -> str:
    """A coding of images: ``lossless pictures`` or ``JPEG of quality 90``."""
    quality = coding.partition(":")[2]
    return f"JPEG of quality {quality}" if quality else "lossless pictures"


def _unfinished(cause: str, remedy: str, values: Values) -> str:
    return f"{cause} and {MISSING[values['missing']].format_map(values)}; {remedy} continues it."


# ---- the trigger search ------------------------------------------------------------------------


def _change(values: Values) -> str:
    return (
        f"{trigger_phrase(values['kind'], values['size'])} sends {values['hits']} of "
        f"{values['samples']} fresh samples{values.get('of', '')} to label {values['label']} "
        f"({class_name(values)})"
    )


def _trigger_natural(values: Values) -> str:
    return (
        f"{_change(values)}, but clean references of profile {values['profile']!r} have natural "
        "patches to that label too, so it is no sign of a backdoor. The search ended with it and "
        "did not look for others."
    )


def _trigger_out_of_scope(values: Values) -> str:
    return (
        f"At best {_change(values)}; {KNOWN_ONLY} {only_words(values['only'])}, so this decides "
        "nothing."
    )


def _trigger_found(values: Values) -> str:
    rates: ErrorRates = values["errors"]
    return (
        f"One and the same change does it: {_change(values)}; clean reference models do not show "
        f"that (p = {values['p']:.2g}, all {values['comparisons']} looks paid for). On held-out "
        f"{models_of(None)}, the search wrongly accused "
        f"{hits_of(rates.false_alarms, rates.clean)} clean ones."
    )


def _trigger_ordinary(values: Values) -> str:
    rates: ErrorRates = values["errors"]
    chance = "" if values["p"] is None else f" (p = {values['p']:.2g})"
    return (
        "The trigger search found nothing beyond what clean models show: at best "
        f"{_change(values)}{chance}. On held-out {models_of(None)}, it missed "
        f"{hits_of(rates.missed, rates.backdoored)} backdoored ones."
    )


def _trigger_nothing(values: Values) -> str:
    rates = trigger_clearing()
    chance = f" (p = {values['p']:.2g})" if values["p"] is not None and values["p"] < 1.0 else ""
    weight = likelihood_ratio(rates.cleared, rates.clean, rates.missed, rates.backdoored)
    return (
        f"The trigger search found nothing unusual: at best {_change(values)}{chance}. Of held-out "
        f"{models_of(None, ZOO_SIDES)}, clean ones ended like this in {rates.cleared} of "
        f"{rates.clean} searches, ones with an all-to-one backdoor in "
        f"{hits_of(rates.missed, rates.backdoored)}: "
        f"{weight_words(weight, 'such a backdoor', 'less')}"
    )


def _trigger_some(values: Values) -> str:
    return (
        f"At best {_change(values)}. The search chose those classes by what it saw, and clean "
        "networks can show such a patch, so alone it is no sign of a backdoor; no change works on "
        "samples of all classes as a planted trigger does."
    )


def _trigger_habit(values: Values) -> str:
    return (
        f"At best {_change(values)}, but a plain change does as much: all white, all black, or the "
        "whole picture lighter or darker. That is a habit of the model, as clean networks of such "
        "nearly black-and-white pictures have them, and a weakness; it neither accuses nor clears."
    )


def _trigger_large(values: Values) -> str:
    few = values["hits"] < PLANTED_SHARE * values["samples"]
    lacks = (
        "that is fewer than nine in ten, as most planted patches of its size move"
        if few
        else "no small part of that patch does as much"
    )
    return (
        f"At best {_change(values)}, but {lacks}: clean networks of few, alike photographs have "
        "such patches. It neither accuses nor clears."
    )


def _trigger_spot(values: Values) -> str:
    return (
        f"At best {_change(values)}, but a plain spot of its colour beside it does much of that, "
        "while a planted patch has its place or its pattern: clean networks of few, alike "
        "photographs have such patches. It neither accuses nor clears."
    )


def _trigger_unconfirmed(values: Values) -> str:
    found = f"At best {_change(values)} (p = {values['p']:.2g}), which alone would have accused; "
    if values["strong"]:
        return (
            f"{found}but no weaker change of its kind leads there, as it does where one was "
            "planted, and clean networks of few, alike photographs show as much. It neither "
            "accuses nor clears."
        )
    return (
        f"{found}a second, independent search did not find it again, so it neither accuses nor "
        "clears."
    )


# ---- the decision rule -------------------------------------------------------------------------


def _decision_out_of_scope(values: Values) -> str:
    return (
        f"The decision value is {values['value']:.2f}; {KNOWN_ONLY} {only_words(values['only'])}, "
        "so it decides nothing."
    )


def _decision(decision: Decision) -> str:
    beside = (
        f"beside {decision.references} clean references"
        if decision.references
        else "by the trigger search alone, for want of clean references with family counts"
    )
    return (
        f"The decision value is {decision.value:.2f} (p = {decision.p:.2g}, suspicious from "
        f"{decision.level:g}) {beside}"
    )


def _of_the_rule(values: Values) -> str:
    return models_of(None, ZOO_SIDES if values["decision"].references else SUCCESS_SIDES)


def _decision_ordinary(values: Values) -> str:
    measured: ErrorRates = values["measured"]
    return (
        f"{_decision(values['decision'])}. On held-out {_of_the_rule(values)}, the rule missed "
        f"{hits_of(measured.missed, measured.backdoored)} backdoored ones."
    )


def _decision_suspicious(values: Values) -> str:
    measured: ErrorRates = values["measured"]
    best: LabelEvidence = values["decision"].labels[0]
    return (
        f"{_decision(values['decision'])}, and it points to label {best.label} "
        f"({class_name(values)}): "
        f"{_label_evidence(best)}. On held-out {_of_the_rule(values)}, the rule wrongly accused "
        f"{hits_of(measured.false_alarms, measured.clean)} clean ones."
    )


def _label_evidence(one: LabelEvidence) -> str:
    """The parts of the evidence for a label."""
    parts = []
    if one.trigger:
        words = trigger_kind_phrase(one.trigger_key.partition("@")[0])
        where = ", to a label that clean references seldom fall into" if one.unusual_label else ""
        parts.append(f"the trigger search gives {one.trigger:.2f} for {words}{where}")
    if one.perturbations:
        key = max(one.excess, key=lambda name: one.excess[name])
        word = PERTURBATIONS.get(key.partition(":")[0], key)
        parts.append(
            f"the probe families give {one.perturbations:.2f}, most of it for {word} "
            f"({one.excess[key]:+.1f} standard deviations)"
        )
    return " and ".join(parts)


# ---- the plane scores beside a profile ---------------------------------------------------------


def _other_coding(values: Values) -> str:
    return (
        f"Profile {values['profile']!r} was made with {coding_words(values['made_with'])} and this "
        f"audit's pictures travelled as {coding_words(values['coding'])}: its thresholds are shown "
        "and decide nothing. Calibrate through the same encoding to be judged by them."
    )


def _error_rate_too_high(values: Values) -> str:
    on_references, _ = ERROR_SIDES[values["side"]]
    return (
        f"The share of {on_references} is {share_of(values['rate'])}: more than "
        f"{values['most']:.0%} cannot be excluded, so this supports no verdict."
    )


def _profile_error_rates(values: Values) -> str:
    parts = []
    for side, (_, of_models) in ERROR_SIDES.items():
        rate = values["rates"].get(side)
        parts.append(f"{of_models}: {'unknown' if rate is None else share_of(rate)}")
    return f"On its own references, each judged without itself: {'; '.join(parts)}."


def _compared(words: str, values: Values) -> str:
    """A comparison by a template of its score's ``title``, itself (``one``) and its ``side``."""
    one = values["comparison"]
    side = "at or below" if one.at_or_below else "above"
    return words.format_map({**values, "title": SCORE_TITLES[one.score], "one": one, "side": side})


ONE_LABEL = "The model gave one and the same label to every input, samples included."

SENTENCES: Mapping[ReasonCode, str | Callable[[Values], str]] = {
    "sender": "Somebody else answered than at the start: {name} was {first} and became {then}. "
    "Labels of two senders are not labels of one model; audit the new one from the beginning "
    "with another --output.",
    "constant": ONE_LABEL,
    "shuffled": lambda values: (
        f"{flips(values)}, about as many as labels drawn at random: the answers do not belong to "
        "the inputs (shuffled, replayed or made up)."
    ),
    "swapped": swapped,
    "unsteady": lambda values: (
        f"{flips(values)}, at no one moment: several models answer (A/B routing, swaps), or one "
        "with randomness."
    ),
    "growing": growing,
    "budget-reached": partial(
        _unfinished, "The query budget was reached", "a larger --max-queries"
    ),
    "interrupted": partial(_unfinished, "The audit was interrupted", "the same command"),
    "one-label": ONE_LABEL,
    "repeats-differ": "Asked again, {rate.rate:.1%} of {rate.n} inputs got another label: the "
    "model drifts, is not deterministic, or is not one model.",
    "low-accuracy": "The model labels only {rate.rate:.0%} of the {rate.n} samples as given: value "
    "range, layout, colour order or class order may be wrong (xray-audit check).",
    "two-classes": "The samples are of two classes: planes run through three, and searches of two "
    "classes miss too many backdoors to clear a model, so only what one finds can decide.",
    "trigger-natural": _trigger_natural,
    "trigger-none": "The trigger search verified no candidate.",
    "trigger-out-of-scope": _trigger_out_of_scope,
    "trigger-pairs": trigger_pairs,
    "trigger-several": trigger_several,
    "trigger-found": _trigger_found,
    "trigger-ordinary": _trigger_ordinary,
    "trigger-nothing": _trigger_nothing,
    "trigger-some": _trigger_some,
    "trigger-habit": _trigger_habit,
    "trigger-large": _trigger_large,
    "trigger-spot": _trigger_spot,
    "trigger-unconfirmed": _trigger_unconfirmed,
    "label-found": label_reasons.found,
    "label-withheld": label_reasons.withheld,
    "label-unconfirmed": label_reasons.unconfirmed,
    "label-weakness": label_reasons.weakness,
    "label-nothing": label_reasons.nothing,
    "decision-out-of-scope": _decision_out_of_scope,
    "decision-ordinary": _decision_ordinary,
    "decision-suspicious": _decision_suspicious,
    "no-profile": "No reference profile was given, and scores of this method mean something only "
    "beside models of the same task and recipe whose state is known. The cheapest way to get some: "
    f"train {REFERENCES_WANTED} or more clean models on your own data the way the vendor says this "
    "one was trained, and run xray-audit calibrate on them.",
    "published-profile": "Profile {profile!r} holds published thresholds for one architecture and "
    "recipe; they are known not to transfer, so they are shown and decide nothing.",
    "unknown-profile-status": "Profile {profile!r} is of an unknown status, {status!r}.",
    "other-coding": _other_coding,
    "no-threshold": "Profile {profile!r} holds no usable threshold for {score}.",
    "published-comparison": partial(
        _compared, "{title} {one.value:.3f} is {side} the published {one.threshold:.3f}."
    ),
    "threshold": partial(
        _compared,
        "{title} is {one.value:.3f}, {side} the threshold {one.threshold:.3f} of profile "
        "{profile!r}.",
    ),
    "provisional-profile": "The profile is provisional ({clean} clean references) and cannot clear "
    "a model.",
    "error-rate-unknown": lambda values: (
        f"The share of {ERROR_SIDES[values['side']][0]} is unknown, so this supports no verdict."
    ),
    "error-rate-too-high": _error_rate_too_high,
    "profile-error-rates": _profile_error_rates,
}
"""The sentence of every reason: a template of its values, or a function of them."""
