"""The tenth round, as data: planned before any of its models was trained or searched, when the
search for patches by place was changed, to measure it on models that nobody had looked at.

Usual attackers of five classes and more at sides that hardly any other model has, more of them with
patches than in the rounds before, and clean ones beside them.
"""

from __future__ import annotations

from .cells import held_out
from .clean_cells import clean

SEEN_BY_PATCHES = frozenset({31, 175, 241, 242, 351, 353})
"""Cells of more than 96 pixels whose patches the changed search was chosen by. For the efforts that
it changed their models serve development since."""
PATCH_ROUND = (
    held_out(601, "digits", 67, "resnet", "weak", 12,
        "badnets-corner badnets-inside badnets-any blended sig sticker low-frequency quantise"),
    held_out(602, "flowers", 74, "mobilenet", "weak", 12,
        "badnets-corner badnets-inside blended sig sticker low-frequency"),
    held_out(603, "clothes", 76, "resnet", "weak", 12,
        "badnets-corner badnets-inside badnets-any sig blended quantise"),
    held_out(604, "digits", 81, "mobilenet", "strong", 19,
        "badnets-corner badnets-inside blended sig badnets-any low-frequency"),
    held_out(605, "flowers", 92, "resnet", "strong", 15,
        "badnets-corner badnets-inside blended sig sticker quantise"),
    held_out(606, "clothes", 84, "mobilenet", "weak", 12,
        "badnets-corner badnets-inside sig low-frequency sticker badnets-any"),
    held_out(607, "digits", 90, "lite0", "strong", 5, "badnets-corner badnets-inside blended sig"),
    held_out(608, "digits", 95, "resnet", "weak", 12,
        "badnets-corner badnets-inside blended sig trojan badnets-corner:careful "
        "badnets-inside:careful sig:careful"),
)  # fmt: skip
PATCH_ROUND_CLEAN = (
    clean(621, "digits", 71, "mobilenet", "weak", 15),
    clean(622, "flowers", 68, "resnet", "weak", 12),
    clean(623, "clothes", 70, "mobilenet", "weak", 12),
    clean(624, "digits", 75, "lite0", "weak", 5),
    clean(625, "digits", 77, "resnet", "weak", 12),
    clean(626, "flowers", 78, "mobilenet", "weak", 12),
    clean(627, "clothes", 80, "resnet", "strong", 15),
    clean(628, "digits", 85, "resnet", "strong", 15),
    clean(629, "flowers", 86, "resnet", "strong", 15),
    clean(630, "digits", 93, "mobilenet", "weak", 15),
    clean(631, "clothes", 94, "resnet", "weak", 12),
    clean(632, "flowers", 82, "lite0", "weak", 3),
)  # fmt: skip
