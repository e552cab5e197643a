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
    "patch": NullCell(-2.907, 0.254, 30, 0.491),
    "patch@sources": NullCell(-2.917, 0.256, 30, 0.567),
    "field@weak": NullCell(-2.763, 0.477, 30, 0.509),
    "field@strong": NullCell(-2.289, 0.957, 30, 0.745),
    "noise@weak": NullCell(-2.793, 0.317, 30, 0.315),
    "noise@strong": NullCell(-1.397, 1.255, 30, 0.909),
    "blend@weak": NullCell(-2.487, 0.776, 30, 0.764),
    "blend@strong": NullCell(-1.348, 1.354, 30, 0.981),
    "warp@weak": NullCell(-2.932, 0.041, 30, 0.200),
    "warp@strong": NullCell(-2.758, 0.364, 30, 0.421),
    "wave@weak": NullCell(-2.122, 1.090, 30, 0.877),
    "quantise": NullCell(-2.901, 0.177, 30, 0.350),
}
