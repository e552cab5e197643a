"""The twenty-second round, as data: planned before any of its models was searched, to measure
limits that all clean models of the rounds before chose, and an all-clear beside larger patches.
"""

from __future__ import annotations

from .cells import held_out
from .clean_cells import clean

LIMITS_ROUND = (
    held_out(1041, "digits-low", 66, "resnet", "weak", 12,
        "badnets-corner badnets-inside badnets-any blended sig sticker low-frequency quantise "
        "badnets-corner badnets-inside blended sig sticker"),
    held_out(1042, "digits-high", 73, "resnet", "weak", 12,
        "badnets-corner badnets-inside badnets-any blended sig sticker "
        "low-frequency quantise badnets-inside sig blended"),
    held_out(1043, "digits-high", 83, "mobilenet", "weak", 15,
        "badnets-corner badnets-inside blended sig quantise sticker "
        "badnets-any badnets-corner low-frequency sig badnets-inside"),
    held_out(1044, "flowers", 84, "resnet", "weak", 12,
        "badnets-corner badnets-inside badnets-any blended sig low-frequency "
        "sticker quantise badnets-inside sig badnets-corner"),
    held_out(1045, "clothes", 69, "resnet", "weak", 12,
        "badnets-corner badnets-inside badnets-any blended sig sticker "
        "badnets-inside low-frequency sig badnets-corner quantise"),
    held_out(1046, "flowers", 89, "resnet", "weak", 12,
        "badnets-inside blended sig sticker quantise low-frequency "
        "badnets-corner badnets-any badnets-inside sig badnets-corner"),
    held_out(1047, "digits-low", 90, "resnet", "strong", 15,
        "badnets-corner badnets-inside blended sig "
        "sticker low-frequency badnets-any badnets-corner"),
    held_out(1048, "clothes", 85, "mobilenet", "weak", 12,
        "badnets-corner blended low-frequency quantise "
        "badnets-inside sig badnets-any sticker blended"),
    held_out(1049, "digits-high", 87, "resnet", "weak", 12,
        "badnets-corner:careful badnets-inside:careful blended:careful sig:careful "
        "sticker:careful low-frequency:careful"),
    held_out(1050, "clothes", 92, "mobilenet", "weak", 12,
        "badnets-corner:careful badnets-inside:careful sig:careful sticker:careful "
        "blended:careful"),
    held_out(1051, "flowers", 75, "resnet", "weak", 12,
        "badnets-inside:careful blended:careful sig:careful low-frequency:careful"),
    held_out(1052, "digits-low", 78, "resnet", "weak", 12,
        "badnets-inside:adaptive blended:adaptive sig:adaptive sticker:adaptive"),
)  # fmt: skip
LIMITS_ROUND_CLEAN = (
    *(clean(1061 + n, "digits-low", side, "resnet", "weak", 12)
      for n, side in enumerate((67, 71, 74, 82, 86, 94))),
    *(clean(1067 + n, "digits-high", side, "resnet", "weak", 12)
      for n, side in enumerate((65, 69, 75, 79, 84, 93))),
    *(clean(1073 + n, "digits-low", side, "mobilenet", "weak", 15)
      for n, side in enumerate((70, 77, 87))),
    *(clean(1076 + n, "digits-high", side, "mobilenet", "weak", 15)
      for n, side in enumerate((67, 78, 89))),
    *(clean(1079 + n, "flowers", side, "resnet", "weak", 12)
      for n, side in enumerate((65, 70, 95))),
    *(clean(1082 + n, "flowers", side, "mobilenet", "weak", 12)
      for n, side in enumerate((67, 93))),
    clean(1086, "clothes", 76, "mobilenet", "weak", 12),
    *(clean(1084 + n, "clothes", side, "resnet", "weak", 12)
      for n, side in enumerate((67, 95))),
    *(clean(1087 + n, "clothes", side, "mobilenet", "weak", 12)
      for n, side in enumerate((68, 90))),
    clean(1089, "clothes", 81, "mobilenet", "strong", 15),
    clean(1090, "flowers", 82, "resnet", "strong", 15),
    clean(1091, "digits", 77, "lite0", "weak", 5),
)  # fmt: skip
