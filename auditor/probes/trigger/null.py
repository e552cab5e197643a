"""What clean models allow, measured: written by examples/benchmarks/trigger_search.py.

90 searches with the default settings and 120 samples on
30 clean calibration models of the zoo:
cifar10/cnn/scratch,
cifar10/preactresnet/finetune,
cifar10/preactresnet/scratch,
fashion-mnist/cnn/scratch,
fashion-mnist/mobilenet/scratch,
fashion-mnist/preactresnet/finetune,
fashion-mnist/preactresnet/scratch,
gtsrb/cnn/scratch,
gtsrb/preactresnet/scratch,
each row: mean and spread of the logit lower end, models, highest success.
"""

from auditor.probes.trigger.judge import NullCell

NULL: dict[str, NullCell] = {
    "patch": NullCell(-2.871, 0.400, 30, 0.655),
    "patch@sources": NullCell(-2.878, 0.454, 30, 0.895),
    "field@weak": NullCell(-2.786, 0.427, 30, 0.509),
    "field@strong": NullCell(-2.305, 0.958, 30, 0.736),
    "noise@weak": NullCell(-2.830, 0.287, 30, 0.350),
    "noise@strong": NullCell(-1.505, 1.224, 30, 0.836),
    "blend@weak": NullCell(-2.439, 0.829, 30, 0.764),
    "blend@strong": NullCell(-1.267, 1.372, 30, 0.981),
    "warp@weak": NullCell(-2.892, 0.167, 30, 0.300),
    "warp@strong": NullCell(-2.766, 0.388, 30, 0.421),
    "wave@weak": NullCell(-2.310, 0.898, 30, 0.774),
    "quantise": NullCell(-2.874, 0.266, 30, 0.350),
}
