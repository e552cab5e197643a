"""The twenty-second round, as data: planned before any of its models was trained or searched, to
measure what several kinds of change tell together that none of them tells alone.
"""

from __future__ import annotations

from .cells import held_out
from .clean_cells import clean

AGREEING_ROUND = (
    held_out(1041, "digits-low", 66, "resnet", "weak", 12,
        "badnets-corner badnets-inside badnets-any blended sig sticker low-frequency quantise"),
    held_out(1042, "digits-high", 73, "resnet", "weak", 12,
        "badnets-corner badnets-inside badnets-any blended sig sticker"),
    held_out(1043, "digits-high", 83, "mobilenet", "weak", 15,
        "badnets-corner badnets-inside blended sig quantise sticker"),
    held_out(1044, "flowers", 84, "resnet", "weak", 12,
        "badnets-corner badnets-inside badnets-any blended sig low-frequency"),
    held_out(1045, "clothes", 69, "resnet", "weak", 12,
        "badnets-corner badnets-inside badnets-any blended sig sticker"),
    held_out(1046, "flowers", 89, "resnet", "weak", 12,
        "badnets-inside blended sig sticker quantise low-frequency"),
    held_out(1047, "digits-low", 90, "resnet", "strong", 15,
        "badnets-corner badnets-inside blended sig"),
    held_out(1048, "clothes", 85, "mobilenet", "weak", 12,
        "badnets-corner blended low-frequency quantise"),
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
    held_out(1053, "digits-low", 49, "resnet", "weak", 12,
        "blended sig sticker low-frequency quantise badnets-inside"),
    held_out(1054, "flowers", 58, "resnet", "weak", 12,
        "blended sig sticker low-frequency badnets-corner"),
    held_out(1055, "clothes", 56, "resnet", "weak", 12,
        "blended sig quantise badnets-inside"),
)  # fmt: skip
AGREEING_ROUND_CLEAN = (
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
    *(clean(1092 + n, "digits-low", side, "resnet", "weak", 12)
      for n, side in enumerate((45, 56))),
    *(clean(1094 + n, "digits-high", side, "mobilenet", "weak", 15)
      for n, side in enumerate((48, 57))),
    *(clean(1096 + n, "flowers", side, "resnet", "weak", 12)
      for n, side in enumerate((49, 55))),
    *(clean(1098 + n, "clothes", side, "resnet", "weak", 12)
      for n, side in enumerate((51, 62))),
)  # fmt: skip
