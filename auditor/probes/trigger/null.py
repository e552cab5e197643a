from auditor.probes.trigger.judge import NullCell

NULL = {
    "patch": NullCell(-3.5, 1.0, 20, 0.26),
    "field@weak": NullCell(-2.0, 0.8, 20, 0.22),
    "field@strong": NullCell(-0.5, 0.8, 20, 0.63),
}
