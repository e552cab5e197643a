"""Words that a page explains where they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator

GLOSSARY = {
    "fresh samples": "Clean pictures that the search never saw; only they count.",
    "clean models": "Models trained without any backdoor, searched in the same way.",
    "trigger": "A change of a picture that makes a backdoored model give the attacker's label.",
    "planes": "Flat cuts through the space of pictures, each through three clean samples.",
    "grey levels": "Steps of brightness of a pixel, from 0 (black) to 255 (white).",
    "backdoor": "A hidden rule that someone trained into a model: trigger in, chosen label out.",
    "queries": "Pictures that the model was asked to label.",
    "p =": "Chance that a clean model shows at least as much, all attempts counted.",
    "95 % interval": "Range that holds the true rate in 95 of 100 such measurements.",
    "false reject": "A clean model is suspected.",
    "false accept": "A backdoored model is cleared.",
    "perturbations": "Disturbed clean samples: noise, stripes, stains and the like.",
    "ATS": "Share of a plane that the three samples' own regions hold.",
    "RE": "Evenness of the labels' shares of a plane: Rényi entropy, in bits.",
}
"""Meaning of each word."""

_WORDS = re.compile("|".join(rf"\b{re.escape(word)}(?!\w)" for word in GLOSSARY))


def marked(words: str) -> Iterator[tuple[str, str]]:
    """The pieces of ``words`` in order, each with its meaning: empty but for a word's first use."""
    at, seen = 0, set[str]()
    for found in _WORDS.finditer(words):
        word = found.group()
        if word not in seen:
            seen.add(word)
            yield words[at : found.start()], ""
            yield word, GLOSSARY[word]
            at = found.end()
    yield words[at:], ""
