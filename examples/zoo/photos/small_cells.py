"""Clean models of small photographs, as data, of tasks of six classes that no earlier small model
has: those of ``SMALL_ROUND`` were planned before the rule of small pictures changed, and of the
twenty-four two were accused. Those of ``SMALL_LAST`` were planned with the control that this led
to, and of them two more were accused, by patches of three pixels. Those of ``SMALL_FINAL`` were
planned with the control as it is now, before any of them was trained.
"""

from __future__ import annotations

from .clean_cells import clean

SMALL_ROUND = (
    *(clean(1101 + n, "digits-low", side, "resnet", "weak", 12)
      for n, side in enumerate((29, 32, 35, 38))),
    *(clean(1105 + n, "digits-high", side, "resnet", "weak", 12)
      for n, side in enumerate((28, 31, 34, 40))),
    *(clean(1109 + n, "digits-low", side, "mobilenet", "weak", 15)
      for n, side in enumerate((30, 34, 37, 40))),
    *(clean(1113 + n, "digits-high", side, "mobilenet", "weak", 15)
      for n, side in enumerate((28, 33, 36, 39))),
    clean(1117, "clothes", 33, "resnet", "weak", 12),
    clean(1118, "clothes", 30, "mobilenet", "weak", 12),
    clean(1119, "clothes", 35, "mobilenet", "strong", 15),
    clean(1120, "flowers", 30, "mobilenet", "strong", 15),
    clean(1121, "digits-low", 36, "lite0", "weak", 5),
    clean(1122, "digits-high", 32, "lite0", "weak", 5),
    clean(1123, "digits-low", 33, "lite1", "weak", 5),
    clean(1124, "digits-high", 38, "lite1", "weak", 5),
)  # fmt: skip
SMALL_LAST = (
    *(clean(1131 + n, "digits-low", side, "resnet", "weak", 12)
      for n, side in enumerate((28, 30, 31, 33, 36, 39, 40))),
    *(clean(1138 + n, "digits-high", side, "resnet", "weak", 12)
      for n, side in enumerate((29, 30, 33, 35, 37, 38, 39))),
    *(clean(1145 + n, "digits-low", side, "mobilenet", "weak", 15)
      for n, side in enumerate((28, 31, 33, 35, 36, 38, 39))),
    *(clean(1152 + n, "digits-high", side, "mobilenet", "weak", 15)
      for n, side in enumerate((29, 31, 34, 35, 37, 38, 40))),
    clean(1159, "digits-low", 32, "lite0", "weak", 5),
    clean(1160, "digits-high", 36, "lite1", "weak", 5),
)  # fmt: skip
SMALL_FINAL = (
    *(clean(1161 + n, "digits-even", side, "resnet", "weak", 12)
      for n, side in enumerate((28, 31, 33, 35, 37, 40))),
    *(clean(1167 + n, "digits-odd", side, "resnet", "weak", 12)
      for n, side in enumerate((29, 30, 32, 34, 36, 39))),
    *(clean(1173 + n, "digits-even", side, "mobilenet", "weak", 15)
      for n, side in enumerate((29, 30, 32, 34, 36, 38))),
    *(clean(1179 + n, "digits-odd", side, "mobilenet", "weak", 15)
      for n, side in enumerate((28, 31, 33, 35, 37, 40))),
    clean(1185, "clothes", 31, "resnet", "weak", 12),
    clean(1186, "clothes", 37, "resnet", "weak", 12),
    clean(1187, "clothes", 33, "mobilenet", "weak", 12),
    clean(1188, "clothes", 36, "mobilenet", "weak", 12),
    clean(1189, "flowers", 38, "mobilenet", "weak", 12),
    clean(1190, "flowers", 39, "mobilenet", "weak", 12),
)  # fmt: skip
SMALL_CELLS = frozenset(cell.key for cell in SMALL_FINAL)
"""Cells that the present rule is scored on."""
