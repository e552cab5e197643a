"""Clean models' best success per family and strength."""

from auditor.probes.trigger.judge import NullCell

NULL = {
    "patch": NullCell(-2.874, 1.254, 20, 0.383),
    "field@weak": NullCell(-2.567, 1.106, 20, 0.364),
    "field@strong": NullCell(-1.277, 1.085, 20, 0.574),
    "wave@weak": NullCell(-1.244, 1.212, 20, 0.745),
    "wave@strong": NullCell(0.609, 1.530, 20, 0.947),
    "quantise": NullCell(-3.850, 1.576, 20, 0.281),
    "warp@weak": NullCell(-3.495, 1.114, 20, 0.164),
    "warp@strong": NullCell(-2.693, 1.143, 20, 0.259),
}
