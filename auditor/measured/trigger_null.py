"""What clean models allow, measured: written by examples/benchmarks/trigger_search.py.

154 searches with the default settings and 120 samples on
77 clean development models of the zoo:
cifar10/cnn/scratch,
cifar10/preactresnet/finetune,
cifar10/preactresnet/scratch,
cifar10/preactresnet18-half/scratch,
fashion-mnist/cnn/finetune,
fashion-mnist/cnn/scratch,
fashion-mnist/mobilenet/scratch,
fashion-mnist/preactresnet/finetune,
fashion-mnist/preactresnet/scratch,
fashion-mnist/vit/scratch,
gtsrb/cnn/scratch,
gtsrb/preactresnet/scratch,
gtsrb/vit/scratch,
each row: mean and spread of the logit lower end, models, highest success.
"""

from auditor.probes.trigger_search.judge import NullCell

NULL: dict[str, NullCell] = {
    "patch": NullCell(-2.800, 0.555, 77, 0.750),
    "patch@sources": NullCell(-2.918, 0.238, 77, 0.632),
    "field@weak": NullCell(-2.813, 0.414, 77, 0.527),
    "field@strong": NullCell(-2.383, 0.986, 77, 0.764),
    "noise@weak": NullCell(-2.807, 0.385, 77, 0.491),
    "noise@strong": NullCell(-1.893, 1.145, 77, 0.909),
    "blend@weak": NullCell(-2.671, 0.643, 77, 0.673),
    "blend@strong": NullCell(-1.759, 1.231, 77, 0.946),
    "warp@weak": NullCell(-2.917, 0.100, 77, 0.250),
    "warp@strong": NullCell(-2.783, 0.345, 77, 0.350),
    "wave@weak": NullCell(-2.057, 1.226, 77, 0.870),
    "wave@strong": NullCell(-1.099, 1.671, 77, 1.000),
    "quantise": NullCell(-2.903, 0.190, 77, 0.350),
}
