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
    "patch": NullCell(-2.862, 0.414, 23, 0.610),
    "patch@sources": NullCell(-2.783, 0.581, 23, 0.857),
    "field@weak": NullCell(-2.717, 0.499, 23, 0.404),
    "field@strong": NullCell(-1.938, 0.868, 23, 0.698),
    "wave@weak": NullCell(-2.087, 0.867, 23, 0.750),
    "wave@strong": NullCell(-0.381, 1.333, 23, 0.965),
    "quantise": NullCell(-2.867, 0.287, 23, 0.382),
    "warp@weak": NullCell(-2.903, 0.163, 23, 0.241),
    "warp@strong": NullCell(-2.716, 0.417, 23, 0.389),
}
