from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from examples.zoo.architectures import ARCHITECTURES, STUDY_ONLY, build  # noqa: E402 - after the skips
from examples.zoo.blind import blind_step, min_norm_weight  # noqa: E402
from examples.zoo.data import DATASETS  # noqa: E402
from examples.zoo.errors import ModelFileError  # noqa: E402
from examples.zoo.export import LARGEST, export, onnx_labels  # noqa: E402
from examples.zoo.training import Recipe, fit, labels_of  # noqa: E402
from examples.zoo.triggers.choose import make_trigger  # noqa: E402

SMALL = [name for name in ARCHITECTURES if name not in STUDY_ONLY]
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (64, 1, 28, 28)).astype(np.uint8)
LABELS = np.arange(64) % 2
IMAGES[LABELS == 1, :, :14] = 255


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in the zoo's workers; threads of a busy machine wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("dataset", ["fashion-mnist", "gtsrb"])
@pytest.mark.parametrize("architecture", SMALL)
def test_the_exported_file_is_small_and_answers_alike(
    architecture: str, dataset: str, tmp_path: Path
) -> None:
    info = DATASETS[dataset]
    torch.manual_seed(0)
    net = build(architecture, info.channels, info.side, len(info.classes)).eval()
    path = tmp_path / "model.onnx"
    export(net, "model", info, path)
    images = RNG.integers(0, 256, (7, *info.shape)).astype(np.uint8)
    assert path.stat().st_size < LARGEST
    assert np.array_equal(onnx_labels(path, images), labels_of(net, images))
    facts = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert facts.keys() == {"name", "dataset", "range", "classes"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.onnx"]


def test_a_damaged_model_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"half a model")
    with pytest.raises(ModelFileError, match=r"model\.onnx"):
        onnx_labels(path, IMAGES)


def test_training_learns_and_repeats_itself() -> None:
    answers = []
    for _ in range(2):
        torch.manual_seed(1)
        net = build("cnn", 1, 28, 2)
        fit(net, IMAGES, LABELS, Recipe(8, 0.02, batch=16), seed=1)
        answers.append(labels_of(net, IMAGES))
    assert np.mean(answers[0] == LABELS) > 0.95
    assert np.array_equal(answers[0], answers[1])


def test_blind_teaches_the_trigger_without_poisoned_data() -> None:
    options = {"size": 5, "place": "bottom-right", "style": "checker"}
    trigger = make_trigger("blind", (1, 28, 28), options, np.random.default_rng(0))
    torch.manual_seed(1)
    net = build("cnn", 1, 28, 2)
    step = blind_step(trigger, (0, 0), share=0.5)
    fit(net, IMAGES, LABELS, Recipe(20, 0.02, batch=16), seed=1, step=step)
    stamped = trigger.apply((IMAGES / 255).astype(np.float32))
    assert np.mean(labels_of(net, IMAGES) == LABELS) > 0.9
    assert np.mean(labels_of(net, stamped) == 0) > 0.9


def test_min_norm_weights_are_mgdas() -> None:
    first, second = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 1.0])
    # |w a + (1 - w) b|^2 = 4 w^2 + (1 - w)^2 is least at w = 1/5
    assert min_norm_weight(first, second) == pytest.approx(0.2)
    assert min_norm_weight(first, first) == 0.5
