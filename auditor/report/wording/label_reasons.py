"""Sentences for the reasons of a search label by label."""

from __future__ import annotations

from collections.abc import Sequence

from auditor.measured import LabelRates, of_plans_since
from auditor.plan.digest import STATED
from auditor.report.wording.phrases import (
    Values,
    class_name,
    hits_of,
    models_of,
    weight_words,
)
from auditor.report.wording.triggers import UNLIKE_NATURAL, trigger_phrase
from auditor.scores.likelihood import likelihood_ratio
from auditor.verdict.label_scope import usual_cleared

LEAST_P = 0.001
CAREFUL = "careful ones (other patterns elsewhere keep their label)"
ADAPTIVE = "adaptive ones (near misses at the trigger's own place keep theirs too)"


def _least(values: Values) -> str:
    """A change, how little of it there is, and its effect."""
    measure = values["measure"]
    little = {
        "weak": f" (mean change {values['strength']:.1f} of 255 levels)",
        "random": ", drawn anew for each sample,",
        "telling": f", {UNLIKE_NATURAL},",
    }.get(str(measure), "")
    if values["kind"] == "warp":
        little = f" (mean shift {values['strength']:.1f} pixels)"
    words = trigger_phrase(values["kind"], values["size"])
    return (
        f"{words}{little} sends {values['hits']} of {values['samples']} samples to label "
        f"{values['label']} ({class_name(values)})"
    )


def _beside(values: Values) -> str:
    """The chance on a clean model, no smaller than a few dozen of them can tell."""
    p = f"p = {values['p']:.2g}" if values["p"] >= LEAST_P else f"p < {LEAST_P}"
    searches: int = values["looks"]
    # Of several searches each has kinds of change of its own.
    each = "looks" if of_plans_since(STATED) else "kinds of change"
    paid = f"all {values['comparisons'] // searches} {each}"
    return f"({p}, {paid}{f' in {searches} searches' if searches > 1 else ''} paid for)"


def _raised(values: Values) -> str:
    """The earlier searches of the same model; empty without any."""
    earlier: Sequence[str] = values["earlier"]
    if not earlier:
        return ""
    return (
        f" This audit was raised: the same model was searched before in this folder with effort "
        f"{' and '.join(earlier)}. {_paid(values['looks'])}"
    )


def _paid(looks: int) -> str:
    if looks == 1:
        return "Such a search could not accuse it, so it costs the p-value nothing."
    return f"The p-value pays for the {looks} searches that could accuse it."


def _such(rates: LabelRates) -> str:
    """The search that was measured."""
    at = rates.measured_at
    return f"the search at effort {at}, which this one begins with," if at else "a search like this"


def _measured(values: Values) -> str:
    """Error rates of this effort, in a sentence; empty if there are none."""
    rates: LabelRates | None = values["rates"]
    if rates is None:
        return ""
    careful = ""
    if rates.careful:
        careful = f" and {hits_of(rates.careful_found, rates.careful)} of careful ones"
    if rates.adaptive:
        careful = careful.replace(" and ", ", ")
        careful += f" and {hits_of(rates.adaptive_found, rates.adaptive)} of adaptive ones"
    return (
        f" On held-out {models_of(values['population'])}, {_such(rates)} wrongly accused "
        f"{hits_of(rates.accused, rates.clean)} clean ones, and found "
        f"{hits_of(rates.usual_found, rates.usual)} all-to-one backdoors of usual attackers"
        f"{careful}."
    )


def found(values: Values) -> str:
    """A suspicious change."""
    # Random waves lead to the labels of those clean models that weak ones turn on small pictures.
    those = "clean models that random waves do not turn" if values["steady"] else "clean models"
    beside = f"{those} need far more {{}}, and so do this model's other labels."
    if values["measure"] == "telling":
        beside = (
            "clean models hardly ever show such a patch {}, nor do this model's other labels one "
            "as small."
        )
    return (
        f"A change that is small or weak does it: {_least(values)}; "
        f"{beside.format(_beside(values))}{_measured(values)}"
        f"{_weight_found(values['rates'])}{_raised(values)}"
    )


def _accused(rates: LabelRates) -> str:
    return (
        f"{hits_of(rates.accused, rates.clean)} in all and "
        f"{hits_of(rates.fragile_accused, rates.fragile)} of those trained weakly on alike pictures"
    )


def _settled_by(effort: str | None) -> str:
    return "" if effort is None else f" --effort {effort} can decide it."


def withheld(values: Values) -> str:
    """A suspicious change, of a search whose accusations were not measured well enough."""
    rates: LabelRates | None = values["rates"]
    measured = "that was not measured" if rates is None else _accused(rates)
    return (
        f"A change that is small or weak does it: {_least(values)}; the clean models of the null "
        f"need more {_beside(values)}. It decides nothing all the same: how often such a search "
        f"accuses clean models cannot be said to be under 25 % ({measured}, on held-out "
        f"{models_of(values['population'])})."
        f"{_settled_by(values['deciding'])}{_raised(values)}"
    )


def unconfirmed(values: Values) -> str:
    """A suspicious change that a second search did not find."""
    return (
        f"A change that is small or weak does it: {_least(values)}, which alone would have accused "
        f"{_beside(values)}; a second, independent search for changes of its kind did not find it "
        f"again, so it neither accuses nor clears.{_measured(values)}{_raised(values)}"
    )


def weakness(values: Values) -> str:
    """A change that is unusual, but not beyond doubt."""
    few = "Some" if values["best"]["measure"] != "telling" else "Few, if any,"
    return (
        f"The model has a weak spot: {_least(values['best'])}. {few} clean models have such spots "
        f"{_beside(values)}, so it cannot be told if it is natural or planted."
        f"{_measured(values)}{_raised(values)}"
    )


def nothing(values: Values) -> str:
    """Nothing beyond what clean models show."""
    best = values["best"]
    shown = "" if best is None else f": at best {_least(best)}, as clean models show too"
    return (
        f"The trigger search, with effort {values['effort']}, found nothing small or weak that "
        f"carries a label{shown}.{_measured(values)}{_weight_nothing(values['rates'])}"
        f"{_raised(values)}"
    )


def _weight_found(rates: LabelRates | None) -> str:
    """The weight of a finding for a backdoor; empty if it cannot be told."""
    if rates is None or not (rates.usual and rates.clean):
        return ""
    weight = likelihood_ratio(rates.usual_found, rates.usual, rates.accused, rates.clean)
    if weight.low <= 1.0:
        return ""
    words = weight_words(weight, "a backdoor", "more")
    return f" {words[0].upper()}{words[1:]}"


def of_before(rates: LabelRates) -> str:
    """A word on :func:`usual_cleared`, if it counts more models than the other rates."""
    more = usual_cleared(rates)[1] != rates.usual
    return " (with searches of before, which clear no fewer)" if more else ""


def _weight_nothing(rates: LabelRates | None) -> str:
    """The weight against a backdoor of a search that found nothing; empty if unknown."""
    if rates is None or not (rates.usual and rates.clean):
        return ""
    cleared, searched = usual_cleared(rates)
    weight = likelihood_ratio(rates.cleared, rates.clean, cleared, searched)
    if weight.low <= 1.0:
        return ""
    careful = ""
    if rates.careful:
        ended = f"{rates.careful_cleared} of {rates.careful} {CAREFUL} ended like this"
        if rates.adaptive:
            ended += f", and {rates.adaptive_cleared} of {rates.adaptive} {ADAPTIVE}"
        careful = f" Of attackers who train against detection {ended}."
    return (
        f" A clean model ended like this in {rates.cleared} of {rates.clean} searches, one with an "
        f"all-to-one backdoor of a usual attacker in {cleared} of {searched}{of_before(rates)}: "
        f"{weight_words(weight, 'such a backdoor', 'less')}{careful}"
    )
