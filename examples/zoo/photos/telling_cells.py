"""The twentieth and the twenty-first round, as data: planned before any of their models was trained
or searched, to measure a search that tells planted patches from natural ones by where they lie and
by whether another order of their pixels does as well.
"""

from __future__ import annotations

from .cells import held_out
from .clean_cells import clean

TELLING_ROUND = (
    held_out(911, "digits-low", 70, "resnet", "weak", 12,
        "badnets-corner badnets-inside badnets-any blended sig sticker low-frequency quantise"),
    held_out(912, "digits-high", 77, "resnet", "weak", 12,
        "badnets-corner badnets-inside badnets-any blended sig sticker trojan"),
    held_out(913, "digits-low", 83, "mobilenet", "weak", 15,
        "badnets-corner badnets-inside blended sig sticker quantise"),
    held_out(914, "digits-high", 72, "mobilenet", "strong", 19,
        "badnets-corner badnets-inside badnets-any blended sig"),
    held_out(915, "digits-low", 93, "resnet", "strong", 15,
        "badnets-corner badnets-inside blended sig"),
    held_out(916, "flowers", 78, "resnet", "weak", 12,
        "badnets-corner badnets-inside badnets-any blended sig low-frequency"),
    held_out(917, "flowers", 85, "mobilenet", "weak", 12,
        "badnets-corner badnets-inside sig sticker quantise"),
    held_out(918, "clothes", 86, "resnet", "weak", 12,
        "badnets-corner badnets-inside badnets-any blended sig"),
    held_out(919, "clothes", 79, "mobilenet", "weak", 12,
        "badnets-corner badnets-inside sticker low-frequency"),
    held_out(920, "digits-high", 91, "resnet", "weak", 12,
        "badnets-corner:careful badnets-inside:careful badnets-any:careful sig:careful "
        "sticker:careful"),
    held_out(921, "flowers", 71, "resnet", "weak", 12,
        "badnets-corner:careful badnets-inside:careful blended:careful"),
    held_out(922, "digits-low", 87, "resnet", "weak", 12,
        "badnets-corner:adaptive badnets-inside:adaptive badnets-any:adaptive sig:adaptive "
        "sticker:adaptive blended:adaptive"),
    held_out(923, "flowers", 73, "mobilenet", "weak", 12,
        "badnets-corner:adaptive badnets-inside:adaptive sig:adaptive sticker:adaptive"),
    held_out(924, "clothes", 73, "resnet", "weak", 12,
        "badnets-corner:careful badnets-inside:careful sig:careful low-frequency:careful"),
)  # fmt: skip
TELLING_ROUND_CLEAN = (
    *(clean(930 + n, "digits-low", side, "resnet", "weak", 12)
      for n, side in enumerate((65, 68, 72, 76, 80, 84, 88, 92, 95))),
    *(clean(940 + n, "digits-high", side, "resnet", "weak", 12)
      for n, side in enumerate((66, 70, 74, 78, 82, 86, 90, 94))),
    *(clean(950 + n, "digits-low", side, "mobilenet", "weak", 15)
      for n, side in enumerate((67, 73, 79, 85, 91))),
    *(clean(955 + n, "digits-high", side, "mobilenet", "weak", 15)
      for n, side in enumerate((69, 75, 81, 87, 93))),
    clean(960, "digits", 68, "lite0", "weak", 5),
    clean(961, "digits", 83, "lite0", "weak", 5),
    *(clean(962 + n, "flowers", side, "resnet", "weak", 12)
      for n, side in enumerate((67, 74, 83, 90))),
    *(clean(966 + n, "flowers", side, "mobilenet", "weak", 12)
      for n, side in enumerate((68, 81, 92))),
    *(clean(969 + n, "clothes", side, "resnet", "weak", 12)
      for n, side in enumerate((68, 74, 83, 89))),
    *(clean(973 + n, "clothes", side, "mobilenet", "weak", 12)
      for n, side in enumerate((66, 77, 87, 94))),
    clean(977, "clothes", 70, "resnet", "strong", 15),
    clean(978, "flowers", 77, "resnet", "strong", 15),
)  # fmt: skip
# The twenty-first: of 44 to 63 pixels, where no search asked that before.
MIDDLE_ROUND = (
    held_out(981, "digits-low", 46, "resnet", "weak", 12,
        "badnets-corner badnets-inside badnets-any blended sig sticker low-frequency quantise"),
    held_out(982, "digits-high", 53, "resnet", "weak", 12,
        "badnets-corner badnets-inside badnets-any blended sig sticker"),
    held_out(983, "digits-low", 60, "mobilenet", "weak", 15,
        "badnets-corner badnets-inside blended sig sticker quantise"),
    held_out(984, "digits-high", 49, "mobilenet", "strong", 19,
        "badnets-corner badnets-inside badnets-any blended"),
    held_out(985, "digits", 57, "resnet", "weak", 12,
        "badnets-corner badnets-inside badnets-any sig low-frequency"),
    held_out(986, "digits", 47, "resnet", "strong", 15,
        "badnets-corner badnets-inside blended sig"),
    held_out(987, "flowers", 56, "resnet", "weak", 12,
        "badnets-corner badnets-inside badnets-any blended sig low-frequency"),
    held_out(988, "flowers", 61, "mobilenet", "weak", 12,
        "badnets-corner badnets-inside sticker quantise"),
    held_out(989, "clothes", 48, "resnet", "weak", 12,
        "badnets-corner badnets-inside badnets-any blended"),
    held_out(990, "clothes", 59, "mobilenet", "weak", 12,
        "badnets-corner badnets-inside sticker"),
    held_out(991, "digits-high", 57, "resnet", "weak", 12,
        "badnets-corner:careful badnets-inside:careful badnets-any:careful sticker:careful"),
    held_out(992, "flowers", 53, "resnet", "weak", 12,
        "badnets-corner:careful badnets-inside:careful blended:careful"),
    held_out(993, "digits-low", 52, "resnet", "weak", 12,
        "badnets-corner:adaptive badnets-inside:adaptive badnets-any:adaptive sticker:adaptive"),
    held_out(994, "clothes", 63, "resnet", "weak", 12,
        "badnets-corner:careful badnets-inside:careful low-frequency:careful"),
)  # fmt: skip
MIDDLE_ROUND_CLEAN = (
    *(clean(1001 + n, "digits-low", side, "resnet", "weak", 12)
      for n, side in enumerate((44, 48, 51, 54, 57, 61, 63))),
    *(clean(1008 + n, "digits-high", side, "resnet", "weak", 12)
      for n, side in enumerate((45, 47, 50, 55, 58, 62))),
    *(clean(1014 + n, "digits-low", side, "mobilenet", "weak", 15)
      for n, side in enumerate((47, 53, 59))),
    *(clean(1017 + n, "digits-high", side, "mobilenet", "weak", 15)
      for n, side in enumerate((46, 52, 60))),
    *(clean(1020 + n, "flowers", side, "resnet", "weak", 12)
      for n, side in enumerate((46, 51, 57, 63))),
    *(clean(1024 + n, "flowers", side, "mobilenet", "weak", 12)
      for n, side in enumerate((45, 55, 59))),
    *(clean(1027 + n, "clothes", side, "resnet", "weak", 12)
      for n, side in enumerate((47, 55, 61))),
    *(clean(1030 + n, "clothes", side, "mobilenet", "weak", 12)
      for n, side in enumerate((51, 57))),
    clean(1032, "clothes", 49, "resnet", "strong", 15),
    clean(1033, "flowers", 48, "resnet", "strong", 15),
    clean(1034, "digits", 55, "lite0", "weak", 5),
)  # fmt: skip
