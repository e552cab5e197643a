"""Reasons of a search of each source class by itself, in words."""

from __future__ import annotations

from auditor.report.wording.phrases import Values, hits_of, models_of
from auditor.report.wording.text import listed

PAIR = "{hits} of {samples} samples of label {source} to label {label}"


def trigger_pairs(values: Values) -> str:
    """Two pairs of two patches, by which plans of up to version 10 accuse."""
    first, second = (PAIR.format(**one) for one in values["pairs"])
    return (
        f"Searched class by class: one patch sends {first}, one {second}; two such pairs are "
        f"beyond what clean models show (p = {values['p']:.2g}, all {values['comparisons']} looks "
        "paid for). How often this accuses clean models is measured on calibration models only, "
        "not on held-out ones."
    )


def trigger_several(values: Values) -> str:
    """Several pairs that one patch moves."""
    pairs = listed([PAIR.format(**one) for one in values["pairs"]])
    sent = f"Searched class by class: one patch sends {pairs}"
    paid = f"(p = {values['p']:.2g}, all {values['comparisons']} looks paid for)"
    if not values["accuses"]:
        return f"{sent}. Few clean models show as much {paid}: it may be natural or planted."
    accused = hits_of(values["accused"], values["clean"])
    models = models_of(None, values["sides"])
    return (
        f"{sent}, beyond what clean models show {paid}. Of held-out clean {models}, such a search "
        f"accused {accused}."
    )
