"""What clean models allow, measured: written by examples/benchmarks/trigger_search.py.

72 searches with the default settings and 120 samples on
24 clean calibration models of the zoo:
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
    "patch": NullCell(-2.807, 0.450, 24, 0.610),
    "patch@sources": NullCell(-2.844, 0.499, 24, 0.750),
    "field@weak": NullCell(-2.746, 0.401, 24, 0.404),
    "field@strong": NullCell(-1.940, 0.794, 24, 0.596),
    "wave@weak": NullCell(-2.040, 0.923, 24, 0.750),
    "wave@strong": NullCell(-0.442, 1.378, 24, 0.965),
    "quantise": NullCell(-2.844, 0.316, 24, 0.382),
    "warp@weak": NullCell(-2.879, 0.189, 24, 0.208),
    "warp@strong": NullCell(-2.732, 0.346, 24, 0.259),
}
