"""The tenth round, as data: planned before any of its models was trained or searched, when the
search for patches by place was changed, to measure it on models that nobody had looked at.

Usual attackers of five classes and more at sides that hardly any other model has, more of them with
patches than in the rounds before, and clean ones beside them.
"""

from __future__ import annotations

from .cells import HELD_OUT, TWIN, Cell


def _round(
    key: int, task: str, side: int, family: str, augmentation: str, passes: float, attacks: str = ""
) -> Cell:  # fmt: skip
    """Backdoored models with their twin, or a clean model where there are no ``attacks``."""
    return Cell(
        key, task, side, family, augmentation, passes, TWIN if attacks else HELD_OUT, attacks
    )


PATCH_ROUND = (
    _round(601, "digits", 67, "resnet", "weak", 12,
        "badnets-corner badnets-inside badnets-any blended sig sticker low-frequency quantise"),
    _round(602, "flowers", 74, "mobilenet", "weak", 12,
        "badnets-corner badnets-inside blended sig sticker low-frequency"),
    _round(603, "clothes", 76, "resnet", "weak", 12,
        "badnets-corner badnets-inside badnets-any sig blended quantise"),
    _round(604, "digits", 81, "mobilenet", "strong", 19,
        "badnets-corner badnets-inside blended sig badnets-any low-frequency"),
    _round(605, "flowers", 92, "resnet", "strong", 15,
        "badnets-corner badnets-inside blended sig sticker quantise"),
    _round(606, "clothes", 84, "mobilenet", "weak", 12,
        "badnets-corner badnets-inside sig low-frequency sticker badnets-any"),
    _round(607, "digits", 90, "lite0", "strong", 5, "badnets-corner badnets-inside blended sig"),
    _round(608, "digits", 95, "resnet", "weak", 12,
        "badnets-corner badnets-inside blended sig trojan badnets-corner:careful "
        "badnets-inside:careful sig:careful"),
)  # fmt: skip
PATCH_ROUND_CLEAN = (
    _round(621, "digits", 71, "mobilenet", "weak", 15),
    _round(622, "flowers", 68, "resnet", "weak", 12),
    _round(623, "clothes", 70, "mobilenet", "weak", 12),
    _round(624, "digits", 75, "lite0", "weak", 5),
    _round(625, "digits", 77, "resnet", "weak", 12),
    _round(626, "flowers", 78, "mobilenet", "weak", 12),
    _round(627, "clothes", 80, "resnet", "strong", 15),
    _round(628, "digits", 85, "resnet", "strong", 15),
    _round(629, "flowers", 86, "resnet", "strong", 15),
    _round(630, "digits", 93, "mobilenet", "weak", 15),
    _round(631, "clothes", 94, "resnet", "weak", 12),
    _round(632, "flowers", 82, "lite0", "weak", 3),
)  # fmt: skip
