"""What clean models allow, measured: written by examples/benchmarks/trigger_search.py.

69 searches with the default settings and 120 samples on
23 clean calibration models of the zoo:
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
    "patch": NullCell(-2.801, 0.458, 23, 0.610),
    "patch@sources": NullCell(-2.840, 0.509, 23, 0.750),
    "field@weak": NullCell(-2.741, 0.408, 23, 0.404),
    "field@strong": NullCell(-1.917, 0.792, 23, 0.596),
    "wave@weak": NullCell(-2.085, 0.902, 23, 0.750),
    "wave@strong": NullCell(-0.472, 1.376, 23, 0.965),
    "quantise": NullCell(-2.857, 0.307, 23, 0.382),
    "warp@weak": NullCell(-2.876, 0.192, 23, 0.208),
    "warp@strong": NullCell(-2.723, 0.351, 23, 0.259),
}
